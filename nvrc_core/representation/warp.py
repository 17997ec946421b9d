"""Prediction of a picture from others: motion compensation, blending and fading.

Pictures are luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]; motion is given on a coarse lattice [N, C, h, w] that
spans the picture, and brought to each plane by bilinear interpolation between cell centres, held at the borders:

    up(f)(x, y) = interpolation of f at ((x + 0.5) w / W - 0.5, (y + 0.5) h / H - 0.5), clamped to the lattice

`warp` shows in sample (x, y) of a plane its value at (x + dx, y + dy), by cubic convolution (`sample_reading`).
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from nvrc_core.representation.overlapped_motion import overlapped
from nvrc_core.representation.resampling import interpolation_matrix
from nvrc_core.representation.sample_reading import own_places, read, units

POSITION_MARGIN = 0.02

Picture = tuple[Tensor, Tensor]
"""Luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]."""


def warp_picture(picture: Picture, flow: Tensor, overlapping_cell: int | None) -> Picture:
    """Both kinds of planes moved by one flow [N, 2, h, w] (dx, dy) in luma samples, see `warp`."""
    luma, chroma = picture
    return warp(luma, flow, 1, overlapping_cell), warp(chroma, flow, 2, overlapping_cell)


def warp(planes: Tensor, flow: Tensor, luma_samples: int = 1, overlapping_cell: int | None = None) -> Tensor:
    """Planes [N, C, H, W], of samples `luma_samples` luma samples wide, read at places moved by up(flow); flow
    [N, 2, h, w]: (dx, dy) in luma samples. `overlapping_cell`: luma samples along a cell's side, if motion overlaps
    where it jumps (`overlapped_motion`)."""
    moved = read(planes, _Places.apply(flow / luma_samples, planes.shape[-2:]))
    return overlapped(moved, planes, flow, overlapping_cell, luma_samples) if overlapping_cell else moved


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
        return (down @ ((flow * units(flow, size)) @ across.T)).add_(own_places(flow, size)).permute(0, 2, 3, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        count, height, width, _ = gradient.shape
        down, across = _matrices(gradient, ctx.size, ctx.coarse)
        rows = down.T @ gradient.reshape(count, height, 2 * width)
        rows = rows.view(count, -1, width, 2).permute(0, 3, 1, 2)
        return (rows @ across) * units(gradient, ctx.size), None


def _matrices(like: Tensor, size: tuple[int, int], coarse: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Interpolation of rows [H, h] and of columns [W, w], from the lattice of `like` unless `coarse` names it."""
    height, width = coarse or like.shape[-2:]
    return interpolation_matrix(height, size[0], like), interpolation_matrix(width, size[1], like)
