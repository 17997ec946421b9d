"""Planes read at any places: cubic convolution, with gradients that are the same from run to run.

The value at (u, v), in samples from the centre of the first one, is

    sum over i, j in -1..2 of k(v - floor(v) - i) k(u - floor(u) - j) p[clamp(floor(v) + i), clamp(floor(u) + j)]

where each index is clamped to the plane on its own, and
k(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1 up to |t| = 1, and a |t|^3 - 5 a |t|^2 + 8 a |t| - 4 a up to 2, a = -0.75.
R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.

*Places* are as `grid_sample` has them: the plane spans -1..1 along each axis, x first.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from nvrc_core.constants import constant

CUBIC, TAPS = -0.75, 4
SCATTER_UNITS = 2.0**40


def read(planes: Tensor, places: Tensor) -> Tensor:
    """Planes [N, C, H, W] at places [N, h, w, 2]: [N, C, h, w]; on CUDA, h = H and w = W."""
    return _Read.apply(planes, places) if planes.is_cuda else _read(planes, places)


def _read(planes: Tensor, places: Tensor) -> Tensor:
    return F.grid_sample(planes, places, mode="bicubic", padding_mode="border", align_corners=False)


class _Read(torch.autograd.Function):
    """`_read` for CUDA, where the library adds up the gradients of samples in an order that changes from run to run:
    here they are added as whole numbers, which come to the same in any order."""

    @staticmethod
    def forward(ctx: FunctionCtx, planes: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(planes, places)
        return _read(planes, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        planes, places = ctx.saved_tensors
        bicubic, border, wanted = 2, 1, (False, True)
        _, of_places = torch.ops.aten.grid_sampler_2d_backward(gradient, planes, places, bicubic, border, False, wanted)
        return scattered(gradient, places), of_places


def scattered(gradient: Tensor, places: Tensor) -> Tensor:
    """The adjoint of reading planes at `places` [N, H, W, 2]: [N, C, H, W] to the same shape, added up in whole numbers
    of 2**-40 of the largest value."""
    count, planes, height, width = gradient.shape
    (column, across), (row, down) = (_taps(places[..., axis], size) for axis, size in ((0, width), (1, height)))
    unit = SCATTER_UNITS / gradient.abs().amax().clamp_min(torch.finfo(gradient.dtype).tiny * SCATTER_UNITS)
    total = gradient.new_zeros(count, planes, height * width, dtype=torch.int64)
    for y in range(TAPS):
        of_row = gradient * (down[y] * unit).unsqueeze(1)
        for x in range(TAPS):
            index = (row[y] * width + column[x]).view(count, 1, -1).expand(-1, planes, -1)
            total.scatter_add_(2, index, (of_row * across[x].unsqueeze(1)).long().flatten(2))
    return (total.to(gradient.dtype) / unit).view_as(gradient)


def _taps(places: Tensor, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """For places along an axis as `grid_sample` has them: the indices of the four samples read, and their weights."""
    position = ((places + 1) * size - 1) / 2
    first = position.floor()
    fraction = position - first
    weights = [_cubic(fraction + 1), _cubic(fraction), _cubic(1 - fraction), _cubic(2 - fraction)]
    return [(first.long() + step).clamp(0, size - 1) for step in range(-1, TAPS - 1)], weights


def _cubic(t: Tensor) -> Tensor:
    """k(t) for t >= 0."""
    near = ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1
    far = ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC
    return torch.where(t <= 1, near, far)


def units(like: Tensor, size: tuple[int, int]) -> Tensor:
    """A sample along x and y, in `grid_sample`'s units."""
    return constant((2 / size[1], 2 / size[0]), like).view(2, 1, 1)


def own_places(like: Tensor, size: tuple[int, int]) -> Tensor:
    return _own_places_on(size[0], size[1], like.dtype, like.device)


@lru_cache(maxsize=8)
def _own_places_on(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[2, H, W]: the place of each sample itself."""
    across = (torch.arange(width, dtype=torch.float64) + 0.5) * 2 / width - 1
    down = (torch.arange(height, dtype=torch.float64) + 0.5) * 2 / height - 1
    return torch.stack(torch.meshgrid(across, down, indexing="xy")).to(device, dtype)
