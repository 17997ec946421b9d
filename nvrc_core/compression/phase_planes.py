"""The four phases of a grid of rows: positions by the parities of (y, x), each a plane of its own.

Planes are what makes the prior of bands fast: in them, the neighbours of all positions of a phase are contiguous slices.
"""

import torch.nn.functional as F
from torch import Tensor

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))  # in coding order
DIAGONAL, HORIZONTAL, VERTICAL = (1, 1), (0, 1), (1, 0)  # classes of neighbours by the parities in which they differ
KNOWN = ((), (DIAGONAL,), (HORIZONTAL, VERTICAL), (DIAGONAL, HORIZONTAL, VERTICAL))
"""The classes of neighbours of each phase that lie in earlier phases."""


def phase_index(phase: int) -> tuple[slice, slice]:
    """The positions [y, x] of a phase."""
    y, x = PHASES[phase]
    return slice(y, None, 2), slice(x, None, 2)


def to_planes(grid: Tensor) -> Tensor:
    """[N, H, W, C] to [2, 2, N, H', W', C]: the position (2 i + a, 2 j + b) goes to [a, b, :, i + 1, j + 1]. Beyond the
    grid, and so in the border of the planes, there are zeros."""
    rows, height, width, channels = grid.shape
    padded = F.pad(grid, (0, 0, 2, 2 + width % 2, 2, 2 + height % 2))
    pairs = padded.view(rows, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2, channels)
    return pairs.permute(2, 4, 0, 1, 3, 5).contiguous()


def plane_size(phase: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a phase of a grid of height and width `size`."""
    return tuple((side - parity + 1) // 2 for side, parity in zip(size, PHASES[phase], strict=True))


def own_values(planes: Tensor, phase: int, size: tuple[int, int]) -> Tensor:
    """The values at a phase's positions, [N, h, w, C]. `size`: height and width of the grid."""
    y, x = PHASES[phase]
    height, width = plane_size(phase, size)
    return planes[y, x, :, 1 : 1 + height, 1 : 1 + width]


def neighbour_sum(planes: Tensor, phase: int, difference: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The sum over a class of neighbours of each of a phase's positions, [N, h, w, C]."""
    parities = PHASES[phase]
    plane = planes[tuple(a ^ b for a, b in zip(parities, difference, strict=True))]
    for axis, (parity, differs, count) in enumerate(
        zip(parities, difference, plane_size(phase, size), strict=True), start=1
    ):
        if differs:
            plane = plane.narrow(axis, parity, count) + plane.narrow(axis, parity + 1, count)
        else:
            plane = plane.narrow(axis, 1, count)
    return plane


def cross_sum(planes: Tensor, phase: int, size: tuple[int, int]) -> Tensor:
    """The sum over the four nearest neighbours of each of a phase's positions, [N, h, w, C]."""
    return neighbour_sum(planes, phase, HORIZONTAL, size) + neighbour_sum(planes, phase, VERTICAL, size)


def grid_cross_sum(grid: Tensor) -> Tensor:
    """The same for all positions of a grid [N, H, W, C]."""
    padded = F.pad(grid, (0, 0, 1, 1, 1, 1))
    columns, rows = padded[:, :, 1:-1], padded[:, 1:-1]
    return columns[:, :-2] + columns[:, 2:] + rows[:, :, :-2] + rows[:, :, 2:]
