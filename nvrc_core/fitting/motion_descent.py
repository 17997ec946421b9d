"""Motion refined through the decoder's own prediction: descent on a quadratic model of it, then rounding by the model.

The prediction is an interpolated flow, two bicubic warps and a blend (`representation/warp.py`), all at the full
resolution. Around a given motion its error is nearly linear in the motion: e + sum over c of g_c up(delta_c), where g_c
are the channels' gradients. Squared and averaged over cells of 4x4 samples this is a quadratic model that is sixteen
times as small as the picture; a few linearisations with several cheap steps on each replace many passes through the
prediction (S. Baker, I. Matthews, "Lucas-Kanade 20 Years On", 2004).

Everything is in bits: squared errors have a price, and so have differences between neighbours and from what the
context row lets expect, as they are what motion costs to code.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.representation.overlapped_motion import overlapped
from nvrc_core.representation.resampling import interpolation_matrix
from nvrc_core.representation.sample_reading import own_places, read, units
from nvrc_core.representation.warp import POSITION_MARGIN

SAMPLES = 4
"""Along a side of the model's cells."""

SIDE_SHARE = 1 / 60  # of an error's price: for the error of each moved reference alone

# Bits for a luma sample of difference between neighbours and from what is expected; for a logit of the mask.
SMOOTHNESS_PRICE, AGREEMENT_PRICE, MASK_PRICE = 3.0, 1.5, 1.0
SMOOTH_BELOW = 0.5  # luma samples or logits: where a price begins to grow linearly

LINEARISATIONS, STEPS = 4, 10
FLOW_RATE, MASK_RATE = 0.25, 0.15
MEMORY = (0.8, 0.95)
STILL = 0.1  # bits for a luma sample: gradients well below it move nothing


@dataclass(frozen=True)
class Target:
    """What motion is fitted to.

    current: luma [N, 1, H, W]. references: one for keys, else two, alike. expected [N, C, h, w]: of the flow; counts
    where `known` [N, 1, 1, 1] is 1. position [N]: see `warp.blend`. error_price: bits that a squared error of a luma
    sample in [0, 1] is worth. overlapping_cell: see `warp.warp`.
    """

    current: Tensor
    references: list[Tensor]
    expected: Tensor
    known: Tensor
    position: Tensor
    error_price: float
    overlapping_cell: int | None


@dataclass(frozen=True)
class _Model:
    """Bits of an error around `motion` [N, C, h, w]: slope . d + d . curvature . d / 2 in each cell of [h', w'].
    slope [N, C, h', w'], curvature [N, C, C, h', w']; down [h', h] and across [w', w] interpolate the motion."""

    motion: Tensor
    slope: Tensor
    curvature: Tensor
    down: Tensor
    across: Tensor

    def gradient(self, motion: Tensor) -> Tensor:
        """[N, C, h, w]."""
        move = self.down @ ((motion - self.motion) @ self.across.T)
        slope = torch.einsum("nabyx,nbyx->nayx", self.curvature, move).add_(self.slope)
        return self.down.T @ (slope @ self.across)

    def node_curvature(self) -> Tensor:
        """[N, C, C, h, w]: of moving one node alone."""
        return self.down.square().T @ (self.curvature @ self.across.square())


def descend(motion: Tensor, target: Target) -> Tensor:
    """Motion [N, C, h, w] (flow, and with two references a mask) near the given one, at a lower price."""
    rates = motion.new_full((motion.shape[1], 1, 1), FLOW_RATE)
    rates[2 * len(target.references) :] = MASK_RATE
    mean, square = torch.zeros_like(motion), torch.zeros_like(motion)
    total = LINEARISATIONS * STEPS
    for step in range(total):
        if step % STEPS == 0:
            model = linearise(motion, target)
        gradient = model.gradient(motion).add_(_price_gradient(motion, target))
        mean.lerp_(gradient, 1 - MEMORY[0])
        square.lerp_(gradient.square(), 1 - MEMORY[1])
        unbiased = mean / (1 - MEMORY[0] ** (step + 1))
        spread = (square / (1 - MEMORY[1] ** (step + 1))).sqrt_()
        motion = motion - rates * min(1.0, 2 - 2 * step / total) * unbiased / spread.add_(STILL)
    return motion


def _price_gradient(motion: Tensor, target: Target) -> Tensor:
    flows = 2 * len(target.references)
    flow, mask = motion[:, :flows], motion[:, flows:]
    gradient = (flow - target.expected[:, :flows]).div_(SMOOTH_BELOW).clamp_(-1, 1).mul_(target.known * AGREEMENT_PRICE)
    for dim in (-1, -2):
        rest = flow.shape[dim] - 1
        slope = flow.diff(dim=dim).div_(SMOOTH_BELOW).clamp_(-1, 1).mul_(SMOOTHNESS_PRICE)
        gradient.narrow(dim, 1, rest).add_(slope)
        gradient.narrow(dim, 0, rest).sub_(slope)
    return torch.cat([gradient, mask.div(SMOOTH_BELOW).clamp_(-1, 1) * MASK_PRICE], dim=1)


# -- the model --------------------------------------------------------------------------------------------


def linearise(motion: Tensor, target: Target) -> _Model:
    """The model around a motion."""
    size = target.current.shape[-2:]
    errors, gradients = [], []
    for plane, flow in zip(target.references, motion[:, : 2 * len(target.references)].split(2, dim=1), strict=True):
        moved, *gradient = _moved(plane, flow, target.overlapping_cell)
        errors.append(moved.sub_(target.current))
        gradients.append(gradient)
    if len(errors) == 2:
        share = 1 - target.position.clamp(POSITION_MARGIN, 1 - POSITION_MARGIN)
        weight = torch.sigmoid(_up(motion[:, 4:] + share.logit().view(-1, 1, 1, 1), size))
        other = 1 - weight
        error = torch.lerp(errors[1], errors[0], weight)
        along = [*(gradient * weight for gradient in gradients[0]), *(gradient * other for gradient in gradients[1])]
        planes = [*along, (errors[0] - errors[1]) * weight * other]
    else:
        planes, error = list(gradients[0]), errors[0]
    channels = len(planes)
    slope = torch.cat([_cell_sums(plane * error) for plane in planes], dim=1).mul_(2 * target.error_price)
    curvature = slope.new_empty(len(slope), channels, *slope.shape[1:])
    for a in range(channels):
        for b in range(a, channels):
            curvature[:, a, b] = curvature[:, b, a] = _cell_sums(planes[a] * planes[b])[:, 0] * (2 * target.error_price)
    for side, (along, plain) in enumerate(zip(gradients, errors, strict=True)):
        for i in (0, 1):
            slope[:, 2 * side + i] += _cell_sums(along[i] * plain)[:, 0] * (2 * target.error_price * SIDE_SHARE)
            for j in (0, 1):
                curvature[:, 2 * side + i, 2 * side + j] += _cell_sums(along[i] * along[j])[:, 0] * (
                    2 * target.error_price * SIDE_SHARE
                )
    down, across = _matrices(motion, slope.shape[-2:])
    return _Model(motion, slope, curvature, down, across)


def _moved(plane: Tensor, flow: Tensor, overlapping_cell: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """The plane as `warp.warp` moves it, and its derivatives along x and y: of the interpolating cubics themselves,
    as differences of the moved plane say little where detail is finer than a few samples. What overlaps counts as if
    its cells moved together."""
    size = plane.shape[-2:]
    shift = torch.zeros(len(plane), 2, *size, dtype=plane.dtype, device=plane.device, requires_grad=True)
    with torch.enable_grad():
        places = (_up(flow, size) * units(flow, size)).add_(own_places(flow, size)) + shift
        moved = read(plane, places.permute(0, 2, 3, 1))
        if overlapping_cell:
            moved = overlapped(moved, plane, flow, overlapping_cell, luma_samples=1, shift=shift)
        (gradient,) = torch.autograd.grad(moved, shift, torch.ones_like(moved))
    along_x, along_y = (gradient * units(flow, size)).split(1, dim=1)
    return moved.detach(), along_x, along_y


def _cell_sums(plane: Tensor) -> Tensor:
    """[N, 1, H, W] to [N, 1, H / 4, W / 4]."""
    return F.avg_pool2d(plane, SAMPLES, divisor_override=1)


def _up(lattice: Tensor, size: tuple[int, int]) -> Tensor:
    down, across = _matrices(lattice, size)
    return down @ (lattice @ across.T)


def _matrices(lattice: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = lattice.shape[-2:]
    return interpolation_matrix(height, size[0], lattice), interpolation_matrix(width, size[1], lattice)
