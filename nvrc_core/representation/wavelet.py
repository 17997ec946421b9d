"""The spatial transform: pictures as bands of the CDF 9/7 wavelet, critically sampled.

A. Cohen, I. Daubechies, J.-C. Feauveau, "Biorthogonal Bases of Compactly Supported Wavelets", 1992; computed by
lifting as in I. Daubechies, W. Sweldens, "Factoring Wavelet Transforms into Lifting Steps", 1998, with symmetric
extension. Along an axis, even samples become the low-pass s and odd samples the high-pass d:

    d += A * (s + next(s))    s += B * (d + previous(d))    d += G * (s + next(s))    s += D * (d + previous(d))
    s *= Z                    d /= Z

where next and previous hold the last and the first value. Luma has four levels, chroma, of half the size, three; so
that the details of stride s (in luma samples) of all planes lie on one lattice, and bands are [N, h, w, C]:

    band16: Y, U, V low-pass, then details of Y, U, V     band8, band4: details of Y, U, V     band2: details of Y

Details of a plane are three channels: high-pass along x, along y, along both.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

A, B, G, D = -1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971
Z = 1.149604398860241
LOW_GAIN = Z**2
"""Of the low-pass of both axes; high-pass of both has the inverse, and of one axis none."""

BANDS = ("band16", "band8", "band4", "band2")
PLANES = 3
STRIDE = 16
"""Luma samples along a side of a cell of band16."""

Lifting = Callable[[Tensor, Tensor, int], None]
"""Changes even and odd samples in place, along an axis."""

# (later, at_end) of `_add_pairs`.
NEXT, PREVIOUS = (False, True), (True, False)
NEXT_ADJOINT, PREVIOUS_ADJOINT = (True, True), (False, False)


def synthesise(bands: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Luma [N, 1, 16 h, 16 w] and chroma [N, 2, 8 h, 8 w] of bands as above, band16 [N, h, w, 12]; differentiable."""
    return _Synthesis.apply(*(bands[name] for name in BANDS))


def analyse(luma: Tensor, chroma: Tensor) -> dict[str, Tensor]:
    """The inverse of `synthesise`, for sides that are multiples of 16 and 8; not differentiable."""
    with torch.no_grad():
        return dict(zip(BANDS, _decompose(luma, chroma, _lift, low_gain=LOW_GAIN), strict=True))


class _Synthesis(torch.autograd.Function):
    """Lifting in place, also for the gradient, which needs nothing of the forward pass as the transform is linear:
    several times as fast as the library's own gradients, which copy the picture at every step."""

    @staticmethod
    def forward(ctx: FunctionCtx, band16: Tensor, band8: Tensor, band4: Tensor, band2: Tensor) -> tuple[Tensor, Tensor]:
        low = band16[..., :PLANES].permute(0, 3, 1, 2)
        for details in (band16[..., PLANES:], band8, band4):
            low = _inverse(low, details)
        return _inverse(low[:, :1], band2), low[:, 1:].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, luma: Tensor, chroma: Tensor) -> tuple[Tensor, ...]:
        return _decompose(luma, chroma, _lift_adjoint, low_gain=1 / LOW_GAIN)


def _decompose(luma: Tensor, chroma: Tensor, lift: Lifting, low_gain: float) -> tuple[Tensor, ...]:
    """The four bands, by the transform or by the adjoint of its inverse."""
    low, band2 = _split(luma, lift, low_gain)
    low, band4 = _split(torch.cat([low, chroma], dim=1), lift, low_gain)
    low, band8 = _split(low, lift, low_gain)
    low, band16 = _split(low, lift, low_gain)
    return torch.cat([low.permute(0, 2, 3, 1), band16], dim=-1), band8, band4, band2


# -- one level --------------------------------------------------------------------------------------------
#
# Lifting works on `parts` [2, N, P, h, 2, w]: even and odd columns apart, so that it runs along contiguous memory.


def _inverse(low: Tensor, details: Tensor) -> Tensor:
    """[N, P, h, w] and [N, h, w, 3 P] to [N, P, 2 h, 2 w]."""
    count, planes, height, width = low.shape
    along_x, along_y, along_both = details.unflatten(-1, (planes, 3)).permute(4, 0, 3, 1, 2)
    parts = low.new_empty(2, count, planes, height, 2, width)
    torch.mul(low, 1 / LOW_GAIN, out=parts[0, ..., 0, :])
    parts[0, ..., 1, :] = along_y
    parts[1, ..., 0, :] = along_x
    torch.mul(along_both, LOW_GAIN, out=parts[1, ..., 1, :])
    _lift_inverse(parts[..., 0, :], parts[..., 1, :], axis=-2)
    _lift_inverse(parts[0], parts[1], axis=-1)
    # The quickest way to interleave two tensors is as real and imaginary parts.
    return torch.view_as_real(torch.complex(parts[0], parts[1])).view(count, planes, 2 * height, 2 * width)


def _split(picture: Tensor, lift: Lifting, low_gain: float) -> tuple[Tensor, Tensor]:
    """[N, P, 2 h, 2 w] to [N, P, h, w] and [N, h, w, 3 P]."""
    count, planes, height, width = (side // divisor for side, divisor in zip(picture.shape, (1, 1, 2, 2), strict=True))
    parts = picture.reshape(count, planes, height, 2, width, 2).movedim(-1, 0).contiguous()
    lift(parts[0], parts[1], -1)
    lift(parts[..., 0, :], parts[..., 1, :], -2)
    details = picture.new_empty(count, height, width, planes, 3)
    along_x, along_y, along_both = details.permute(4, 0, 3, 1, 2)
    along_x.copy_(parts[1, ..., 0, :])
    along_y.copy_(parts[0, ..., 1, :])
    torch.mul(parts[1, ..., 1, :], 1 / low_gain, out=along_both)
    return parts[0, ..., 0, :] * low_gain, details.flatten(3)


def _lift(s: Tensor, d: Tensor, axis: int) -> None:
    _add_pairs(d, s, A, axis, *NEXT)
    _add_pairs(s, d, B, axis, *PREVIOUS)
    _add_pairs(d, s, G, axis, *NEXT)
    _add_pairs(s, d, D, axis, *PREVIOUS)


def _lift_inverse(s: Tensor, d: Tensor, axis: int) -> None:
    _add_pairs(s, d, -D, axis, *PREVIOUS)
    _add_pairs(d, s, -G, axis, *NEXT)
    _add_pairs(s, d, -B, axis, *PREVIOUS)
    _add_pairs(d, s, -A, axis, *NEXT)


def _lift_adjoint(s: Tensor, d: Tensor, axis: int) -> None:
    """The adjoint of `_lift_inverse`: its steps in reverse order, each giving to what it took from."""
    _add_pairs(s, d, -A, axis, *NEXT_ADJOINT)
    _add_pairs(d, s, -B, axis, *PREVIOUS_ADJOINT)
    _add_pairs(s, d, -G, axis, *NEXT_ADJOINT)
    _add_pairs(d, s, -D, axis, *PREVIOUS_ADJOINT)


def _add_pairs(target: Tensor, source: Tensor, factor: float, axis: int, later: bool, at_end: bool) -> None:
    """Adds to each target the source at its own place and the one before it (`later`) or after it; and once more the
    one at its own place to the last target (`at_end`) or to the first."""
    rest = target.shape[axis] - 1
    edge = rest if at_end else 0
    target.add_(source, alpha=factor)
    target.narrow(axis, int(later), rest).add_(source.narrow(axis, int(not later), rest), alpha=factor)
    target.narrow(axis, edge, 1).add_(source.narrow(axis, edge, 1), alpha=factor)
