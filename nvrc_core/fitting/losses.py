"""Distortions between rendered and wanted planes: differentiable, zero for equal planes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nvrc_core.evaluation.quality.psnr import YUV_WEIGHTS


def plane_errors(rendered: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean squared error of each plane of each frame, [B, 3], for planes [B, H, W] in [0, 1]."""
    return torch.stack([(a.float() - b).square().mean(dim=(1, 2)) for a, b in zip(rendered, wanted, strict=True)], 1)


def weighted_mse(errors: Tensor) -> Tensor:
    """The 6:1:1 mean of the planes' squared errors [B, 3], over frames."""
    return (errors * errors.new_tensor(YUV_WEIGHTS)).sum(dim=1).mean()


def psnr_yuv_db(errors: Tensor) -> float:
    """PSNR-YUV of errors [B, 3]: 6:1:1 over planes, mean of per-frame decibels, on unrounded samples."""
    decibels = -10 * torch.log10(errors.detach().clamp_min(1e-10))
    return float((decibels * decibels.new_tensor(YUV_WEIGHTS)).sum(dim=1).mean())
