"""First weights of the filter of predictions, by least squares."""

import torch
from torch import Tensor

from nvrc_core.representation.prediction_filter import WEIGHTS, filter_inputs

RIDGE = 1e-2
"""Of the mean square of what weights multiply: where predictions say little, weights stay small."""

FLAT = 1e-3
"""Differences of samples in [0, 1] that say nothing: in flat predictions they are rounding, not to be blown up."""


def choose_filter(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Weights [18] with which predictions are nearest to the pictures that were wanted; both luma [N, 1, H, W]."""
    products = predicted.new_zeros(WEIGHTS, WEIGHTS, dtype=torch.float64)
    targets = predicted.new_zeros(WEIGHTS, dtype=torch.float64)
    for prediction, picture in zip(predicted, wanted, strict=True):
        inputs = filter_inputs(prediction.unsqueeze(0)).flatten(1)
        products += inputs @ inputs.T
        targets += inputs @ (picture - prediction).flatten()
    least = RIDGE * products.diagonal().mean() + FLAT**2 * wanted.numel()
    ridge = least * torch.eye(WEIGHTS, dtype=torch.float64, device=predicted.device)
    return torch.linalg.solve(products + ridge, targets).float()
