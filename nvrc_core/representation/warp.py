"""Prediction of a picture from two others: motion compensation and blending.

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

from nvrc_core.representation.resampling import interpolation_matrix

POSITION_MARGIN = 0.02

Picture = tuple[Tensor, Tensor]
"""Luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]."""


def warp_picture(picture: Picture, flow: Tensor) -> Picture:
    """Both kinds of planes moved by one flow [N, 2, h, w] (dx, dy) in luma samples."""
    luma, chroma = picture
    return warp(luma, flow), warp(chroma, flow / 2)


def warp(planes: Tensor, flow: Tensor) -> Tensor:
    """Planes [N, C, H, W] read at places moved by up(flow); flow [N, 2, h, w]: (dx, dy) in samples of the planes."""
    places = _Places.apply(flow, planes.shape[-2:])
    return F.grid_sample(planes, places, mode="bicubic", padding_mode="border", align_corners=False)


def blend(first: Picture, second: Picture, mask: Tensor, position: Tensor) -> Picture:
    """weight * first + (1 - weight) * second, where

        weight = sigmoid(up(mask) + logit(1 - position)) on luma, its mean over 2x2 samples on chroma;

    mask [N, 1, h, w]; position [N], where the picture lies in time from the first (0) to the second (1), is kept
    0.02 from both.
    """
    share = 1 - position.clamp(POSITION_MARGIN, 1 - POSITION_MARGIN).to(mask)
    down, across = _matrices(mask, first[0].shape[-2:])
    weight = torch.sigmoid(down @ ((mask + share.logit().view(-1, 1, 1, 1)) @ across.T))
    return torch.lerp(second[0], first[0], weight), torch.lerp(second[1], first[1], F.avg_pool2d(weight, 2))


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


def _units(like: Tensor, size: tuple[int, int]) -> Tensor:
    """A sample along x and y, in `grid_sample`'s units."""
    return like.new_tensor([2 / size[1], 2 / size[0]]).view(2, 1, 1)


def _matrices(like: Tensor, size: tuple[int, int], coarse: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Interpolation of rows [H, h] and of columns [W, w], from the lattice of `like` unless `coarse` names it."""
    height, width = coarse or like.shape[-2:]
    return interpolation_matrix(height, size[0]).to(like), interpolation_matrix(width, size[1]).to(like)


def _own_places(like: Tensor, size: tuple[int, int]) -> Tensor:
    return _own_places_on(size[0], size[1], like.dtype, like.device)


@lru_cache(maxsize=8)
def _own_places_on(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[2, H, W]: the place of each sample itself."""
    across = (torch.arange(width, dtype=torch.float64) + 0.5) * 2 / width - 1
    down = (torch.arange(height, dtype=torch.float64) + 0.5) * 2 / height - 1
    return torch.stack(torch.meshgrid(across, down, indexing="xy")).to(device, dtype)
