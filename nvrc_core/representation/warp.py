"""Prediction of a picture from others: motion compensation, blending and fading.

Pictures are luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]; motion is given on a coarse lattice [N, C, h, w] that
spans the picture, and brought to each plane by bilinear interpolation between cell centres, held at the borders:

    up(f)(x, y) = interpolation of f at ((x + 0.5) w / W - 0.5, (y + 0.5) h / H - 0.5), clamped to the lattice

`warp` shows in sample (x, y) of a plane its value at (x + dx, y + dy), the cubic convolution with a = -0.75

    sum over i, j in -1..2 of k(v - i) k(u - j) p[clamp(floor(y + dy) + i), clamp(floor(x + dx) + j)]

where u, v are the fractions of x + dx and y + dy, each index is clamped to the plane on its own, and
k(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1 up to |t| = 1, and a |t|^3 - 5 a |t|^2 + 8 a |t| - 4 a up to 2.
R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from nvrc_core.constants import constant
from nvrc_core.representation.resampling import interpolation_matrix

POSITION_MARGIN = 0.02
CUBIC, TAPS = -0.75, 4
SCATTER_UNITS = 2.0**40

Picture = tuple[Tensor, Tensor]
"""Luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]."""


def warp_picture(picture: Picture, flow: Tensor) -> Picture:
    """Both kinds of planes moved by one flow [N, 2, h, w] (dx, dy) in luma samples."""
    luma, chroma = picture
    return warp(luma, flow), warp(chroma, flow / 2)


def warp(planes: Tensor, flow: Tensor) -> Tensor:
    """Planes [N, C, H, W] read at places moved by up(flow); flow [N, 2, h, w]: (dx, dy) in samples of the planes."""
    places = _Places.apply(flow, planes.shape[-2:])
    return _Read.apply(planes, places) if planes.is_cuda else _read(planes, places)


def blend(first: Picture, second: Picture, mask: Tensor, position: Tensor) -> Picture:
    """weight * first + (1 - weight) * second, where

        weight = sigmoid(up(mask) + logit(1 - position)) on luma, its mean over 2x2 samples on chroma;

    mask [N, 1, h, w]; position [N], where the picture lies in time from the first (0) to the second (1), is kept
    0.02 from both.
    """
    share = 1 - position.clamp(POSITION_MARGIN, 1 - POSITION_MARGIN).to(mask)
    down, across = _matrices(mask, first[0].shape[-2:])
    weight = torch.sigmoid(down @ ((mask + share.logit().view(-1, 1, 1, 1)) @ across.T))
    return torch.lerp(second[0], first[0], weight), torch.lerp(second[1], first[1], _halved(weight))


def fade(picture: Picture, amount: Tensor) -> Picture:
    """clamp(1 - up(amount), 0, 1) * picture on luma, the factor's mean over 2x2 samples on chroma; amount [N, 1, h, w].
    Gradients pass at both bounds."""
    luma, chroma = picture
    down, across = _matrices(amount, luma.shape[-2:])
    kept = (1 - down @ (amount @ across.T)).clamp(0, 1)
    return luma * kept, chroma * _halved(kept)


def _halved(plane: Tensor) -> Tensor:
    """Means over 2x2 samples. Slices take a fraction of the time of the library's pooling."""
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


class _Places(torch.autograd.Function):
    """The places to read, [N, H, W, 2] as `grid_sample` wants them: the plane spans -1..1. Planar in memory, which
    makes reading much quicker; the gradient, which comes interleaved, is brought down by the other matrix first."""

    @staticmethod
    def forward(ctx: FunctionCtx, flow: Tensor, size: tuple[int, int]) -> Tensor:
        ctx.coarse, ctx.size = flow.shape[-2:], size
        down, across = _matrices(flow, size)
        return (down @ ((flow * _units(flow, size)) @ across.T)).add_(_own_places(flow, size)).permute(0, 2, 3, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        count, height, width, _ = gradient.shape
        down, across = _matrices(gradient, ctx.size, ctx.coarse)
        rows = down.T @ gradient.reshape(count, height, 2 * width)
        rows = rows.view(count, -1, width, 2).permute(0, 3, 1, 2)
        return (rows @ across) * _units(gradient, ctx.size), None


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


def _units(like: Tensor, size: tuple[int, int]) -> Tensor:
    """A sample along x and y, in `grid_sample`'s units."""
    return constant((2 / size[1], 2 / size[0]), like).view(2, 1, 1)


def _matrices(like: Tensor, size: tuple[int, int], coarse: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Interpolation of rows [H, h] and of columns [W, w], from the lattice of `like` unless `coarse` names it."""
    height, width = coarse or like.shape[-2:]
    return interpolation_matrix(height, size[0], like), interpolation_matrix(width, size[1], like)


def _own_places(like: Tensor, size: tuple[int, int]) -> Tensor:
    return _own_places_on(size[0], size[1], like.dtype, like.device)


@lru_cache(maxsize=8)
def _own_places_on(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[2, H, W]: the place of each sample itself."""
    across = (torch.arange(width, dtype=torch.float64) + 0.5) * 2 / width - 1
    down = (torch.arange(height, dtype=torch.float64) + 0.5) * 2 / height - 1
    return torch.stack(torch.meshgrid(across, down, indexing="xy")).to(device, dtype)
