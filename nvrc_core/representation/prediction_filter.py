"""A filter of predictions: what interpolation and blending blur, and what quantised references bring of noise, by least
squares (adaptive Wiener filtering, as in the interpolation and loop filters of video coders).

With weights w of the twelve pairs of opposite places around a sample that are up to three steps away, borders held:

    filtered(y, x) = p(y, x) + sum over k of w[k] * (p(y + dy, x + dx) + p(y - dy, x - dx) - 2 p(y, x))

Y. Vatis, J. Ostermann, "Adaptive Interpolation Filter for H.264/AVC", 2009; C.-Y. Tsai et al., "Adaptive Loop Filtering
for Video Coding", 2013.
"""

from collections.abc import Iterator

import torch
from nvrc_formats.shapes import MotionWaveletShape
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

FILTER = "filter"
"""The name of the weights among parameters: [levels, PAIRS], by the level of the frame."""

REACH = 3
PLACES = tuple(
    (dy, dx)
    for dy in range(REACH + 1)
    for dx in range(-REACH, REACH + 1)
    if dy + abs(dx) <= REACH and (dy > 0 or dx > 0)
)
"""(dy, dx) of each pair, in the order of the weights."""

assert len(PLACES) == MotionWaveletShape.FILTER_PAIRS


def filtered(plane: Tensor, weights: Tensor) -> Tensor:
    """`plane` [N, 1, H, W], filtered with `weights` [12]."""
    return _Filter.apply(_held(plane), weights)


def pairs(plane: Tensor) -> Tensor:
    """What weights multiply, p(y + dy, x + dx) + p(y - dy, x - dx) - 2 p(y, x): [N, 1, H, W] to [12, N, 1, H, W]."""
    held = _held(plane)
    return torch.stack([first + second for first, second in _windows(held)]).sub_(plane, alpha=2)


class _Filter(torch.autograd.Function):
    """On a plane with borders. Written out, since the library's convolution takes seven times as long for one channel,
    most of it for gradients."""

    @staticmethod
    def forward(ctx: FunctionCtx, held: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(held, weights)
        result = _middle(held) * (1 - 2 * weights.sum())
        pair = torch.empty_like(result)
        for weight, (first, second) in zip(weights, _windows(held), strict=True):
            result.addcmul_(torch.add(first, second, out=pair), weight)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        held, weights = ctx.saved_tensors
        of_held = torch.zeros_like(held)
        _middle(of_held).addcmul_(gradient, 1 - 2 * weights.sum())
        pair, of_weights = torch.empty_like(gradient), []
        for weight, (first, second), places in zip(weights, _windows(held), _windows(of_held), strict=True):
            of_weights.append(torch.add(first, second, out=pair).mul_(gradient).sum())
            torch.mul(gradient, weight, out=pair)
            for place in places:
                place.add_(pair)
        of_middle = (_middle(held) * gradient).sum()
        return of_held, torch.stack(of_weights) - 2 * of_middle


def _held(plane: Tensor) -> Tensor:
    """With REACH samples around. Slices, since the gradient of the library's padding adds up in any order on CUDA."""
    for axis in (-1, -2):
        first, last = plane.narrow(axis, 0, 1), plane.narrow(axis, plane.shape[axis] - 1, 1)
        plane = torch.cat([*[first] * REACH, plane, *[last] * REACH], dim=axis)
    return plane


def _middle(held: Tensor) -> Tensor:
    return held[..., REACH:-REACH, REACH:-REACH]


def _windows(held: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each of PLACES the plane at (y + dy, x + dx) and at (y - dy, x - dx)."""
    height, width = (side - 2 * REACH for side in held.shape[-2:])
    for dy, dx in PLACES:
        yield tuple(
            held[..., REACH + y : REACH + y + height, REACH + x : REACH + x + width] for y, x in ((dy, dx), (-dy, -dx))
        )
