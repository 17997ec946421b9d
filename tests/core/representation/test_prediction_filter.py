"""The filter of predictions: its formula, sample by sample, and its gradients."""

import numpy as np
import pytest
import torch

from nvrc_core.representation.prediction_filter import PLACES, filtered, pairs


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def at(plane: np.ndarray, y: int, x: int) -> float:
    """A sample, borders held."""
    height, width = plane.shape
    return plane[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]


def by_hand(plane: np.ndarray, weights: np.ndarray) -> np.ndarray:
    result = plane.copy()
    for y, x in np.ndindex(plane.shape):
        for weight, (dy, dx) in zip(weights, PLACES, strict=True):
            opposite = at(plane, y + dy, x + dx) + at(plane, y - dy, x - dx)
            result[y, x] += weight * (opposite - 2 * plane[y, x])
    return result


def test_places_are_one_of_each_pair_within_reach():
    both = {*PLACES, *((-dy, -dx) for dy, dx in PLACES)}
    assert both == {(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4) if 0 < abs(dy) + abs(dx) <= 3}
    assert len(PLACES) == 12
    assert PLACES[:4] == ((0, 1), (0, 2), (0, 3), (1, -2))  # their order is that of the format


@pytest.mark.parametrize("size", [(8, 16), (1, 5), (4, 2)])
def test_the_formula(size: tuple[int, int]):
    planes, weights = noise(2, 1, *size), 0.05 * noise(12)
    expected = np.stack([by_hand(plane[0].numpy(), weights.numpy()) for plane in planes])
    np.testing.assert_allclose(filtered(planes, weights)[:, 0].numpy(), expected, atol=1e-12)
    of_pairs = planes + torch.einsum("k,knchw->nchw", weights, pairs(planes))
    np.testing.assert_allclose(of_pairs[:, 0].numpy(), expected, atol=1e-12)


def test_flat_pictures_and_no_weights_change_nothing():
    planes = noise(2, 1, 6, 7)
    assert torch.equal(filtered(planes, torch.zeros(12, dtype=torch.float64)), planes)
    flat = torch.full((1, 1, 6, 7), 0.3, dtype=torch.float64)
    torch.testing.assert_close(filtered(flat, noise(12)), flat)


def test_gradients():
    planes, weights = noise(2, 1, 5, 6).requires_grad_(), (0.05 * noise(12)).requires_grad_()
    assert torch.autograd.gradcheck(filtered, (planes, weights))
