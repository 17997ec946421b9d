"""Ideal code lengths, differentiable: the training side of the integer tables of `nvrc_formats.tables`."""

import math

import torch
from nvrc_formats.tables import (
    ESCAPE_BYTES,
    GAUSSIAN,
    LAPLACE,
    OFFSETS,
    RADII,
    SCALE_LOG_STEP,
    SCALE_MIN,
    SCALES,
    TOTAL,
)
from torch import Tensor
from torch.autograd.function import FunctionCtx

from nvrc_core.compression.quantise import clamp_through
from nvrc_core.constants import constant


def symbol_bits(symbols: Tensor, mean_eighths: Tensor, scale_index: Tensor, family: int) -> Tensor:
    """Bits of each symbol (real values allowed) under a mean in eighths of a symbol and a scale index, broadcast.

    P(symbol) is the mass of a unit bin, plus the one count that the tables grant to every entry; a symbol beyond its
    table's entries pays for an escape's raw bytes as well.
    """
    index = clamp_through(scale_index, 0, SCALES - 1)
    distance = (symbols - mean_eighths / OFFSETS).abs()
    if family == GAUSSIAN:
        scale = SCALE_MIN * torch.exp(SCALE_LOG_STEP * index)
        unit = 1 / (scale * math.sqrt(2))
        mass = 0.5 * (torch.erfc((distance - 0.5) * unit) - torch.erfc((distance + 0.5) * unit))
        bits = -torch.log2(mass.clamp_min(0) + 1 / TOTAL)
    else:
        bits = _LaplaceBits.apply(*torch.broadcast_tensors(distance, index))
    radius = constant(tuple(RADII), bits)[index.detach().long()]
    residual = (symbols - torch.floor(mean_eighths / OFFSETS)).detach()
    escaped = (residual < -radius - 0.5) | (residual > radius + 1.5)
    return bits + 8 * ESCAPE_BYTES * escaped


def rounded_bits(symbols: Tensor, mean_eighths: Tensor, scale_index: Tensor) -> Tensor:
    """Bits of round(symbol) in the Laplace family, with a gradient by the symbol that also a rounded zero has: what
    half a symbol up costs more than half a symbol down.

    That is the mean gradient under uniform noise, without the noise. Between two symbols it is the difference of their
    bits, so that where the distortion's gradient is the true one at real values, rounding is decided by rate and
    distortion; and what is learned of mean and scale is about the symbols that will be coded.
    """
    values = symbols.detach()
    bits = symbol_bits(values.round(), mean_eighths, scale_index, LAPLACE)
    if not symbols.requires_grad:
        return bits
    with torch.no_grad():
        slope = _laplace_slope(values - mean_eighths / OFFSETS, scale_index.clamp(0, SCALES - 1))
    return bits + (symbols - values) * slope


def _laplace_slope(difference: Tensor, scale_index: Tensor) -> Tensor:
    """Bits at `difference` + 0.5 from the mean, less those at - 0.5, escapes aside."""
    unit = torch.exp(-SCALE_LOG_STEP * scale_index).mul_(math.sqrt(2) / SCALE_MIN)
    edges = [difference - 1, difference, difference + 1]
    tails = [torch.exp(-edge.abs() * unit).mul_(0.5) for edge in edges]  # the mass beyond, seen from the mean
    below, above = (
        torch.where(low * high > 0, (near - far).abs(), 1 - near - far).add_(1 / TOTAL)
        for low, high, near, far in zip(edges, edges[1:], tails, tails[1:], strict=False)
    )
    return below.div_(above).log2_()


class _LaplaceBits(torch.autograd.Function):
    """-log2 of the mass of a unit bin at a distance >= 0 from the mean, plus one count. Written out, since autograd's
    way of it would be half the time of a prior: with u = sqrt(2) / scale and the exponentials of the bin's two edges,
    half the difference of these, times u, is the mass's slope on both sides of the mean.
    """

    @staticmethod
    def forward(context: FunctionCtx, distance: Tensor, scale_index: Tensor) -> Tensor:
        unit = torch.exp(-SCALE_LOG_STEP * scale_index).mul_(math.sqrt(2) / SCALE_MIN)
        near, far = distance - 0.5, distance + 0.5
        inner, outer = torch.exp(-near.abs() * unit), torch.exp(-far * unit)
        half = (inner - outer).mul_(0.5)
        mass = torch.where(near > 0, half, 1 - outer - half).clamp_(min=0).add_(1 / TOTAL)
        if any(context.needs_input_grad):
            per_mass = unit / mass / -math.log(2)  # bits for a unit of mass, times u
            by_scale = (near * inner).sub_(far * outer).mul_(0.5 * SCALE_LOG_STEP).mul_(per_mass)
            context.save_for_backward(half.mul_(per_mass).neg_(), by_scale)
        return mass.log2_().neg_()

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        by_distance, by_scale = context.saved_tensors
        return gradient * by_distance, gradient * by_scale


def matching_scale_index(values: Tensor) -> float:
    """The (real-valued) scale index whose standard deviation is the values' own, around zero mean."""
    deviation = max(float(values.float().square().mean().sqrt()), SCALE_MIN)
    return min(math.log(deviation / SCALE_MIN) / SCALE_LOG_STEP, SCALES - 1)


def scale_index_of(deviations: Tensor) -> Tensor:
    """The (real-valued) scale indices of standard deviations in symbols."""
    return (torch.log(deviations.clamp_min(SCALE_MIN) / SCALE_MIN) / SCALE_LOG_STEP).clamp(max=SCALES - 1)
