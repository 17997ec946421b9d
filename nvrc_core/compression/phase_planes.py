"""The four phases of a grid of rows: positions by the parities of (y, x), each a plane of its own.

In planes, the neighbours of all positions of a phase are contiguous slices.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))  # in coding order
DIAGONAL, HORIZONTAL, VERTICAL = (1, 1), (0, 1), (1, 0)  # classes of neighbours by the parities in which they differ
KNOWN = ((), (DIAGONAL,), (HORIZONTAL, VERTICAL), (DIAGONAL, HORIZONTAL, VERTICAL))
"""The classes of neighbours of each phase that lie in earlier phases."""


Planes = dict[tuple[int, int], Tensor]
"""Planes by parities, see `to_planes`."""


def phase_index(phase: int) -> tuple[slice, slice]:
    """The positions [y, x] of a phase."""
    y, x = PHASES[phase]
    return slice(y, None, 2), slice(x, None, 2)


def to_planes(grid: Tensor) -> Planes:
    """[N, H, W, C] to one plane for each phase (a, b), [N, H', W', C]: the position (2 i + a, 2 j + b) goes to
    (i + 1, j + 1). Beyond the grid, and so in the border of the planes, there are zeros."""
    rows, height, width, channels = grid.shape
    padded = F.pad(grid, (0, 0, 2, 2 + width % 2, 2, 2 + height % 2))
    pairs = padded.view(rows, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2, channels)
    planes = pairs.permute(2, 4, 0, 1, 3, 5).contiguous().flatten(0, 1).unbind()
    return dict(zip(((0, 0), (0, 1), (1, 0), (1, 1)), planes, strict=True))


def plane_size(phase: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a phase of a grid of height and width `size`."""
    return tuple((side - parity + 1) // 2 for side, parity in zip(size, PHASES[phase], strict=True))


def own_values(planes: Planes, phase: int, size: tuple[int, int]) -> Tensor:
    """The values at a phase's positions, [N, h, w, C]. `size`: height and width of the grid."""
    height, width = plane_size(phase, size)
    return planes[PHASES[phase]][:, 1 : 1 + height, 1 : 1 + width]


def neighbour_sum(planes: Planes, phase: int, difference: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The sum over a class of neighbours of each of a phase's positions, [N, h, w, C]."""
    parities = PHASES[phase]
    plane = planes[tuple(a ^ b for a, b in zip(parities, difference, strict=True))]
    starts = [(parity, parity + 1) if differs else (1,) for parity, differs in zip(parities, difference, strict=True)]
    height, width = plane_size(phase, size)
    windows = [(slice(None), slice(y, y + height), slice(x, x + width)) for y in starts[0] for x in starts[1]]
    return _WindowSum.apply(plane, windows)


class _WindowSum(torch.autograd.Function):
    """The sum of windows of a plane. Autograd's own way would fill a plane for each window."""

    @staticmethod
    def forward(context: FunctionCtx, plane: Tensor, windows: list[tuple[slice, ...]]) -> Tensor:
        context.windows = windows
        context.shape = plane.shape
        total = plane[windows[0]] + plane[windows[1]]
        for window in windows[2:]:
            total += plane[window]
        return total

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        plane = gradient.new_zeros(context.shape)
        for window in context.windows:
            plane[window] += gradient
        return plane, None


def cross_sum(planes: Planes, phase: int, size: tuple[int, int]) -> Tensor:
    """The sum over the four nearest neighbours of each of a phase's positions, [N, h, w, C]."""
    return neighbour_sum(planes, phase, HORIZONTAL, size) + neighbour_sum(planes, phase, VERTICAL, size)


def grid_cross_sum(grid: Tensor) -> Tensor:
    """The same for all positions of a grid [N, H, W, C]."""
    padded = F.pad(grid, (0, 0, 1, 1, 1, 1))
    columns, rows = padded[:, :, 1:-1], padded[:, 1:-1]
    return columns[:, :-2] + columns[:, 2:] + rows[:, :, :-2] + rows[:, :, 2:]
