"""Side information: the integers that steer the priors (steps, means, scales, the context network).

They are learned as real numbers, rounded in every forward pass, and coded themselves under a hyperprior: one mean
and one scale a group, the only numbers of a segment that are stored raw. In the paper (table 4, V4), leaving
side information uncoded costs 31 % of the rate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, prod

import torch
from nvrc_formats.limits import MAX_SIDE_VALUE
from nvrc_formats.tables import LAPLACE, OFFSETS, SCALE_LOG_STEP
from torch import Tensor

from nvrc_core.compression.quantise import clamp_through, round_through
from nvrc_core.compression.rate import matching_scale_index, scale_index_of, symbol_bits

STEPS_PER_OCTAVE = 8  # a step index i stands for the step 2 ** (i / 8)
SCALES_PER_STEP = log(2) / STEPS_PER_OCTAVE / SCALE_LOG_STEP  # scale indices that a step index is worth
MAX_STEP_INDEX = 512  # on both sides: such steps and their products with symbols stay far inside float32
# The order of hyperpriors in a file; a group without tensors is left out.
GROUPS = (
    *(f"{axis}.{field}" for axis in ("tensor", "row", "column") for field in ("step", "mean", "scale")),
    "grid.step",
    "block.step",
    *(f"context.{part}" for part in ("mean", "scale", "expand", "phase", "project")),
    *(f"band.{part}" for part in ("step", "scale", "weight", "slope", "phase", "mean", "offset")),
    *(f"motion.{part}" for part in ("step", "scale", "weight", "slope", "mean", "share")),
)


@dataclass(frozen=True)
class SideSpec:
    """One tensor of side information; tensors of one group share a hyperprior."""

    name: str
    group: str
    shape: tuple[int, ...]


SideValues = Mapping[str, Tensor]


def split_side(specs: Sequence[SideSpec], flat: Tensor) -> dict[str, Tensor]:
    """Views of one vector of all side information, by name."""
    parts = flat.split([prod(spec.shape) for spec in specs])
    return {spec.name: part.view(spec.shape) for spec, part in zip(specs, parts, strict=True)}


def join_side(specs: Sequence[SideSpec], side: SideValues) -> Tensor:
    """The inverse of `split_side`."""
    return torch.cat([side[spec.name].reshape(-1) for spec in specs])


def round_side(flat: Tensor) -> Tensor:
    """The integers (as floats) behind learned values, with gradients passed through."""
    return round_through(clamp_through(flat, -MAX_SIDE_VALUE, MAX_SIDE_VALUE))


def step_size(step_index: Tensor) -> Tensor:
    """The quantisation step of a step index."""
    return torch.exp2(clamp_through(step_index, -MAX_STEP_INDEX, MAX_STEP_INDEX) / STEPS_PER_OCTAVE)


def scale_at_step(values: Tensor, step_index: int) -> float:
    """The (real-valued) scale index that matches the values at a step."""
    return matching_scale_index(values / step_size(torch.tensor(float(step_index))))


def groups(specs: Sequence[SideSpec]) -> list[str]:
    """The groups in coding order."""
    used = {spec.group for spec in specs}
    assert used <= set(GROUPS)
    return [group for group in GROUPS if group in used]


@dataclass(frozen=True)
class GroupPrior:
    """The hyperprior of a group: a mean in eighths and a scale index, both integers."""

    mean_eighths: int
    scale_index: int


def fit_group_priors(specs: Sequence[SideSpec], side: SideValues) -> dict[str, GroupPrior]:
    """The priors that match mean and deviation of each group's integers: the best two numbers need no training."""
    return {
        group: GroupPrior(int(mean_eighths), int(scale_index))
        for group, (mean_eighths, scale_index) in _matching_priors(specs, side).items()
    }


@torch.no_grad()
def _matching_priors(specs: Sequence[SideSpec], side: SideValues) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean in eighths and scale index by group, scalars of whole numbers that need not leave the device."""
    priors = {}
    for group in groups(specs):
        values = torch.cat([side[spec.name].flatten() for spec in specs if spec.group == group]).double()
        mean_eighths = (values.mean() * OFFSETS).round()
        deviation = (values - mean_eighths / OFFSETS).square().mean().sqrt()
        priors[group] = mean_eighths, scale_index_of(deviation).round()
    return priors


def group_prior_fields(specs: Sequence[SideSpec], priors: Mapping[str, GroupPrior]) -> tuple[Tensor, Tensor]:
    """(mean in eighths, scale index) of every value of `join_side`'s vector, float64."""
    sizes = torch.tensor([prod(spec.shape) for spec in specs])
    means = torch.tensor([priors[spec.group].mean_eighths for spec in specs], dtype=torch.float64)
    scales = torch.tensor([priors[spec.group].scale_index for spec in specs], dtype=torch.float64)
    return means.repeat_interleave(sizes), scales.repeat_interleave(sizes)


def side_bits(specs: Sequence[SideSpec], side: SideValues) -> Tensor:
    """Total bits of the side information (rounded values), without the raw root numbers."""
    priors, values = _matching_priors(specs, side), join_side(specs, side)
    means, scales = (
        torch.cat([priors[spec.group][field].to(values).expand(prod(spec.shape)) for spec in specs]) for field in (0, 1)
    )
    return symbol_bits(values, means, scales, LAPLACE).sum()
