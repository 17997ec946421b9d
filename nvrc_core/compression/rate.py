"""Ideal code lengths, differentiable: the training side of the integer tables of `nvrc_formats.tables`."""

import math

import torch
from nvrc_formats.tables import (
    ESCAPE_BYTES,
    GAUSSIAN,
    OFFSETS,
    RADII,
    SCALE_LOG_STEP,
    SCALE_MIN,
    SCALES,
    TOTAL,
)
from torch import Tensor

from nvrc_core.compression.quantise import clamp_through


def symbol_bits(symbols: Tensor, mean_eighths: Tensor, scale_index: Tensor, family: int) -> Tensor:
    """Bits of each symbol (real values allowed) under a mean in eighths of a symbol and a scale index, broadcast.

    P(symbol) is the mass of a unit bin, plus the one count that the tables grant to every entry; a symbol beyond its
    table's entries pays for an escape's raw bytes as well.
    """
    scale = SCALE_MIN * torch.exp(SCALE_LOG_STEP * clamp_through(scale_index, 0, SCALES - 1))
    distance = (symbols - mean_eighths / OFFSETS).abs()
    if family == GAUSSIAN:
        unit = 1 / (scale * math.sqrt(2))
        mass = 0.5 * (torch.erfc((distance - 0.5) * unit) - torch.erfc((distance + 0.5) * unit))
    else:
        unit = math.sqrt(2) / scale
        outer = torch.exp(-(distance + 0.5) * unit)
        inner = torch.exp(-(distance - 0.5).abs() * unit)
        mass = torch.where(distance > 0.5, 0.5 * (inner - outer), 1 - 0.5 * (inner + outer))
    radius = torch.tensor(RADII, device=scale.device)[scale_index.detach().clamp(0, SCALES - 1).long()]
    residual = (symbols - torch.floor(mean_eighths / OFFSETS)).detach()
    escaped = (residual < -radius - 0.5) | (residual > radius + 1.5)
    return -torch.log2(mass.clamp_min(0) + 1 / TOTAL) + 8 * ESCAPE_BYTES * escaped


def matching_scale_index(values: Tensor) -> float:
    """The (real-valued) scale index whose standard deviation is the values' own, around zero mean."""
    deviation = max(float(values.float().square().mean().sqrt()), SCALE_MIN)
    return min(math.log(deviation / SCALE_MIN) / SCALE_LOG_STEP, SCALES - 1)


def scale_index_of(deviations: Tensor) -> Tensor:
    """The (real-valued) scale indices of standard deviations in symbols."""
    return (torch.log(deviations.clamp_min(SCALE_MIN) / SCALE_MIN) / SCALE_LOG_STEP).clamp(max=SCALES - 1)
