"""Linear interpolation of feature maps [B, H, W, C] and of grids over time, cell-centred, clamped at the borders.

Written with slices, stacks and matrix products because the backward pass of the library's interpolation adds
up in an arbitrary order on CUDA, and one seed has to give one file.
"""

from functools import lru_cache

import torch
from torch import Tensor


def upsample(features: Tensor, stride: int) -> Tensor:
    """[B, H, W, C] to [B, H * stride, W * stride, C]."""
    return _upsample_axis(_upsample_axis(features, stride, dim=2), stride, dim=1)


def _upsample_axis(features: Tensor, stride: int, dim: int) -> Tensor:
    length = features.shape[dim]
    before = torch.cat([features.narrow(dim, 0, 1), features.narrow(dim, 0, length - 1)], dim)
    after = torch.cat([features.narrow(dim, 1, length - 1), features.narrow(dim, length - 1, 1)], dim)
    phases = []
    for phase in range(stride):
        position = (phase + 0.5) / stride - 0.5
        phases.append(torch.lerp(features, after if position > 0 else before, abs(position)))
    return torch.stack(phases, dim + 1).flatten(dim, dim + 1)


def resize(features: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, h, w, C] to [B, *size, C], for any sizes."""
    for dim, length in ((1, size[0]), (2, size[1])):
        if features.shape[dim] != length:
            matrix = interpolation_matrix(features.shape[dim], length, features)
            features = torch.movedim(torch.tensordot(matrix, features, ([1], [dim])), 0, dim)
    return features


def interpolation_matrix(length_in: int, length_out: int, like: Tensor) -> Tensor:
    """[length_out, length_in], in the type of `like` and on its device; each row has one or two weights that sum to 1.
    Not to be written to."""
    return _interpolation_matrix(length_in, length_out, like.dtype, like.device)


@lru_cache(maxsize=64)
def _interpolation_matrix(length_in: int, length_out: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    low, high, fraction = time_positions(torch.arange(length_out), length_out, length_in)
    rows = torch.arange(length_out)
    matrix = torch.zeros(length_out, length_in, dtype=torch.float64)
    matrix[rows, low] += 1 - fraction
    matrix[rows, high] += fraction
    return matrix.to(device, dtype)


def time_positions(frames: Tensor, total: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where the indices `frames` of `total` lie among `length` rows: (row, next row, fraction towards the next)."""
    position = ((frames.to(torch.float64) + 0.5) * (length / total) - 0.5).clamp(0, length - 1)
    low = position.floor().long()
    return low, (low + 1).clamp(max=length - 1), position - low


def read_time(grid: Tensor, frames: Tensor, total: int) -> Tensor:
    """A grid [T, ...] at the frames' times: [B, ...]."""
    low, high, fraction = time_positions(frames, total, len(grid))
    return torch.lerp(grid[low], grid[high], fraction.to(grid.dtype).view(-1, *[1] * (grid.ndim - 1)))
