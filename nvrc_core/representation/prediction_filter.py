"""A filter of predictions: what interpolation and blending blur, and what quantised references bring of noise and of
ringing, by least squares (adaptive Wiener filtering, as in the interpolation and loop filters of video coders).

With weights for pairs of opposite places around a sample, w for the twelve up to three steps away and v for the six up
to two, borders held:

    filtered(y, x) = p(y, x) + sum over pairs of w (a + b) + sum over near pairs of v (bounded(a) + bounded(b))
    a = p(y + dy, x + dx) - p(y, x),  b = p(y - dy, x - dx) - p(y, x),  bounded(d) = clamp(d, -BOUND, BOUND)

Bounded differences tell noise, which is small, from edges, which are not.

Y. Vatis, J. Ostermann, "Adaptive Interpolation Filter for H.264/AVC", 2009; C.-Y. Tsai et al., "Adaptive Loop Filtering
for Video Coding", 2013; J. Taquet et al., "Non-Linear Adaptive Loop Filter", JVET-N0242, 2019 (bounded differences).
"""

from collections.abc import Iterator

import torch
from nvrc_formats.shapes import MotionWaveletShape
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

FILTER = "filter"
"""The name of the weights among parameters: [levels, WEIGHTS], by the level of the frame: those w, then those v."""

REACH, NEAR = 3, 2
PLACES = tuple(
    (dy, dx)
    for dy in range(REACH + 1)
    for dx in range(-REACH, REACH + 1)
    if dy + abs(dx) <= REACH and (dy > 0 or dx > 0)
)
"""(dy, dx) of each pair, in the order of the weights w."""

NEAR_PLACES = tuple((dy, dx) for dy, dx in PLACES if dy + abs(dx) <= NEAR)
"""The same for the weights v."""

WEIGHTS = len(PLACES) + len(NEAR_PLACES)
assert WEIGHTS == MotionWaveletShape.FILTER_WEIGHTS

BOUND = 0.02
"""Of samples in [0, 1]: five code values of 8 bits."""


def filtered(plane: Tensor, weights: Tensor) -> Tensor:
    """`plane` [N, 1, H, W], filtered with `weights` [18]."""
    return _Filter.apply(_held(plane), weights)


def filter_inputs(plane: Tensor) -> Tensor:
    """What weights multiply: [N, 1, H, W] to [18, N, 1, H, W]."""
    held = _held(plane)
    plain = [first + second - 2 * plane for first, second in _windows(held, PLACES)]
    bounded = [_bounded(first - plane) + _bounded(second - plane) for first, second in _windows(held, NEAR_PLACES)]
    return torch.stack(plain + bounded)


class _Filter(torch.autograd.Function):
    """On planes with borders, one after the other: what is read so often then stays in the cache. Written out, since
    the library's convolution takes seven times as long for one channel, most of it for gradients."""

    @staticmethod
    def forward(ctx: FunctionCtx, held: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(held, weights)
        return torch.stack([_filtered(plane, weights) for plane in held])

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        held, weights = ctx.saved_tensors
        of_planes = [_gradients(plane, weights, of_plane) for plane, of_plane in zip(held, gradient, strict=True)]
        of_held, of_weights = (torch.stack(gradients) for gradients in zip(*of_planes, strict=True))
        return of_held, of_weights.sum(dim=0)


def _filtered(held: Tensor, weights: Tensor) -> Tensor:
    plain, bounded = _split(weights)
    middle = _middle(held).contiguous()
    result = middle * (1 - 2 * plain.sum())
    for weight, (first, second) in zip(plain, _windows(held, PLACES), strict=True):
        result.addcmul_(first + second, weight)
    for weight, windows in zip(bounded, _windows(held, NEAR_PLACES), strict=True):
        for window in windows:
            result.addcmul_(_bounded(window - middle), weight)
    return result


def _gradients(held: Tensor, weights: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Of a plane and of the weights."""
    plain, bounded = _split(weights)
    middle, of_held = _middle(held).contiguous(), torch.zeros_like(held)
    of_middle = gradient * (1 - 2 * plain.sum())
    middle_sum, of_plain, of_bounded = (middle * gradient).sum(), [], []
    for weight, (first, second), places in zip(plain, _windows(held, PLACES), _windows(of_held, PLACES), strict=True):
        of_plain.append((first + second).mul_(gradient).sum() - 2 * middle_sum)
        passed = gradient * weight
        for place in places:
            place.add_(passed)
    for weight, windows, places in zip(
        bounded, _windows(held, NEAR_PLACES), _windows(of_held, NEAR_PLACES), strict=True
    ):
        weighted, of_weight = gradient * weight, gradient.new_zeros(())
        for window, place in zip(windows, places, strict=True):
            difference = window - middle
            # The gradient of a clamp: what is given between the bounds, and nothing beyond.
            passed = torch.ops.aten.hardtanh_backward(weighted, difference, -BOUND, BOUND)
            place.add_(passed)
            of_middle.sub_(passed)
            of_weight = of_weight + _bounded(difference).mul_(gradient).sum()
        of_bounded.append(of_weight)
    _middle(of_held).add_(of_middle)
    return of_held, torch.stack(of_plain + of_bounded)


def _split(weights: Tensor) -> tuple[Tensor, Tensor]:
    return weights.split([len(PLACES), len(NEAR_PLACES)])


def _bounded(difference: Tensor) -> Tensor:
    return difference.clamp(-BOUND, BOUND)


def _held(plane: Tensor) -> Tensor:
    """With REACH samples around. Slices, since the gradient of the library's padding adds up in any order on CUDA."""
    for axis in (-1, -2):
        first, last = plane.narrow(axis, 0, 1), plane.narrow(axis, plane.shape[axis] - 1, 1)
        plane = torch.cat([*[first] * REACH, plane, *[last] * REACH], dim=axis)
    return plane


def _middle(held: Tensor) -> Tensor:
    return held[..., REACH:-REACH, REACH:-REACH]


def _windows(held: Tensor, places: tuple[tuple[int, int], ...]) -> Iterator[tuple[Tensor, Tensor]]:
    """For each of `places` the plane at (y + dy, x + dx) and at (y - dy, x - dx)."""
    height, width = (side - 2 * REACH for side in held.shape[-2:])
    for dy, dx in places:
        yield tuple(
            held[..., REACH + y : REACH + y + height, REACH + x : REACH + x + width] for y, x in ((dy, dx), (-dy, -dx))
        )
