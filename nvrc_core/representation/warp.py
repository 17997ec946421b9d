"""Prediction of a picture from others: motion compensation, blending and fading.

Pictures are luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]; motion is given on a coarse lattice [N, C, h, w] that
spans the picture, and brought to each plane by bilinear interpolation between cell centres, held at the borders:

    up(f)(x, y) = interpolation of f at ((x + 0.5) w / W - 0.5, (y + 0.5) h / H - 0.5), clamped to the lattice

Where things move past each other, flow between that of both is that of neither. So flow is *held* where it jumps:

    flow(x, y) = up(f) + hold * (own(f) - up(f)),  hold = clamp((max(|own - up|) - 0.5) / 2.5, 0, 1)

where own(f) is that of the cell that (x, y) lies in, the maximum is over dx and dy, and all is in luma samples. Flow
that is even or turns slowly is interpolated; across a jump each cell keeps its own.

`warp` shows in sample (x, y) of a plane its value at (x + dx, y + dy), the cubic convolution with a = -0.75

    sum over i, j in -1..2 of k(v - i) k(u - j) p[clamp(floor(y + dy) + i), clamp(floor(x + dx) + j)]

where u, v are the fractions of x + dx and y + dy, each index is clamped to the plane on its own, and
k(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1 up to |t| = 1, and a |t|^3 - 5 a |t|^2 + 8 a |t| - 4 a up to 2.
R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from nvrc_core.constants import constant
from nvrc_core.representation.resampling import holding_matrix, interpolation_matrix

POSITION_MARGIN = 0.02
HOLD_FROM, HOLD_OVER = 0.5, 2.5
"""Luma samples by which a cell's flow differs from interpolated flow: where holding starts, and over how many more it
grows to all."""

CUBIC, TAPS = -0.75, 4
SCATTER_UNITS = 2.0**40

Picture = tuple[Tensor, Tensor]
"""Luma [N, 1, H, W] and chroma [N, 2, H/2, W/2]."""


def warp_picture(picture: Picture, flow: Tensor) -> Picture:
    """Both kinds of planes moved by one flow [N, 2, h, w] (dx, dy) in luma samples."""
    luma, chroma = picture
    return warp(luma, flow), warp(chroma, flow, luma_samples=2)


def warp(planes: Tensor, flow: Tensor, luma_samples: int = 1) -> Tensor:
    """Planes [N, C, H, W] read at places moved by flow(f); f [N, 2, h, w]: (dx, dy) in luma samples. `luma_samples`:
    along a side of a sample of the planes."""
    places = _Places.apply(flow, planes.shape[-2:], luma_samples)
    return _Read.apply(planes, places) if planes.is_cuda else _read(planes, places)


def flow_of_samples(flow: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """flow(f) [N, 2, H, W] of f [N, 2, h, w], both in luma samples; and `hold` [N, 1, H, W]."""
    interpolated = raised(flow, size)
    apart = held(flow, size).sub_(interpolated)
    hold = _hold(_larger(apart))
    return interpolated.addcmul_(apart, hold), hold


def _larger(apart: Tensor) -> Tensor:
    """max(|own - up|), [N, 1, H, W]."""
    dx, dy = apart.split(1, dim=1)
    return torch.maximum(dx.abs(), dy.abs())


def _hold(larger: Tensor) -> Tensor:
    return (larger - HOLD_FROM).div_(HOLD_OVER).clamp_(0, 1)


def raised(lattice: Tensor, size: tuple[int, int]) -> Tensor:
    """up(f): [N, C, h, w] to [N, C, H, W]."""
    return _spread(interpolation_matrix, lattice, size)


def held(lattice: Tensor, size: tuple[int, int]) -> Tensor:
    """own(f): [N, C, h, w] to [N, C, H, W]."""
    return _spread(holding_matrix, lattice, size)


def lowered(of_samples: Tensor, of_own: Tensor, coarse: tuple[int, int]) -> Tensor:
    """The adjoint of f -> flow(f): [N, C, H, W] to [N, C, *coarse], where own(f) has the part `of_own` and up(f) the
    rest."""
    return _gathered(holding_matrix, of_own, coarse) + _gathered(interpolation_matrix, of_samples - of_own, coarse)


MatrixOf = Callable[[int, int, Tensor], Tensor]


def _spread(matrix_of: MatrixOf, lattice: Tensor, size: tuple[int, int]) -> Tensor:
    """[N, C, h, w] to [N, C, *size]."""
    down, across = (matrix_of(*sides, lattice) for sides in zip(lattice.shape[-2:], size, strict=True))
    return down @ (lattice @ across.T)


def _gathered(matrix_of: MatrixOf, of_samples: Tensor, coarse: tuple[int, int]) -> Tensor:
    """The adjoint of `_spread`."""
    down, across = (matrix_of(*sides, of_samples) for sides in zip(coarse, of_samples.shape[-2:], strict=True))
    return (down.T @ of_samples) @ across


def blend(first: Picture, second: Picture, mask: Tensor, position: Tensor) -> Picture:
    """weight * first + (1 - weight) * second, where

        weight = sigmoid(up(mask) + logit(1 - position)) on luma, its mean over 2x2 samples on chroma;

    mask [N, 1, h, w]; position [N], where the picture lies in time from the first (0) to the second (1), is kept
    0.02 from both.
    """
    share = 1 - position.clamp(POSITION_MARGIN, 1 - POSITION_MARGIN).to(mask)
    weight = torch.sigmoid(raised(mask + share.logit().view(-1, 1, 1, 1), first[0].shape[-2:]))
    return torch.lerp(second[0], first[0], weight), torch.lerp(second[1], first[1], _halved(weight))


def fade(picture: Picture, amount: Tensor) -> Picture:
    """clamp(1 - up(amount), 0, 1) * picture on luma, the factor's mean over 2x2 samples on chroma; amount [N, 1, h, w].
    Gradients pass at both bounds."""
    luma, chroma = picture
    kept = (1 - raised(amount, luma.shape[-2:])).clamp(0, 1)
    return luma * kept, chroma * _halved(kept)


def _halved(plane: Tensor) -> Tensor:
    """Means over 2x2 samples. Slices take a fraction of the time of the library's pooling."""
    rows = plane[..., ::2, :] + plane[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


class _Places(torch.autograd.Function):
    """The places to read, [N, H, W, 2] as `grid_sample` wants them: the plane spans -1..1. Planar in memory, which
    makes reading much quicker. What the gradient needs is computed once more, as it is large and quickly made."""

    @staticmethod
    def forward(ctx: FunctionCtx, flow: Tensor, size: tuple[int, int], luma_samples: int) -> Tensor:
        ctx.save_for_backward(flow)
        ctx.unit = _units(flow, size) / luma_samples
        of_samples, _ = flow_of_samples(flow, size)
        return of_samples.mul_(ctx.unit).add_(_own_places(flow, size)).permute(0, 2, 3, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (flow,) = ctx.saved_tensors
        by_frame = zip(flow.split(1), gradient.permute(0, 3, 1, 2).split(1), strict=True)
        of_flow = [_gradient_of_flow(one, of_places.contiguous() * ctx.unit) for one, of_places in by_frame]
        return torch.cat(of_flow), None, None


def _gradient_of_flow(flow: Tensor, gradient: Tensor) -> Tensor:
    """Of f, from that of flow(f)."""
    size = gradient.shape[-2:]
    apart = held(flow, size).sub_(raised(flow, size))
    larger = _larger(apart)
    of_own = gradient * _hold(larger)
    # Where flow is held in part, the part follows the larger of the two differences.
    (dx, dy), (of_x, of_y) = apart.split(1, dim=1), gradient.split(1, dim=1)
    slope = (of_x * dx).addcmul_(of_y, dy).div_(HOLD_OVER)
    slope = torch.ops.aten.hardtanh_backward(slope, larger, HOLD_FROM, HOLD_FROM + HOLD_OVER)
    along_x = slope * (dx.abs() == larger)
    of_own[:, :1].addcmul_(along_x, dx.sign())
    of_own[:, 1:].addcmul_(slope.sub_(along_x), dy.sign())
    return lowered(gradient, of_own, flow.shape[-2:])


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


def _own_places(like: Tensor, size: tuple[int, int]) -> Tensor:
    return _own_places_on(size[0], size[1], like.dtype, like.device)


@lru_cache(maxsize=8)
def _own_places_on(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[2, H, W]: the place of each sample itself."""
    across = (torch.arange(width, dtype=torch.float64) + 0.5) * 2 / width - 1
    down = (torch.arange(height, dtype=torch.float64) + 0.5) * 2 / height - 1
    return torch.stack(torch.meshgrid(across, down, indexing="xy")).to(device, dtype)
