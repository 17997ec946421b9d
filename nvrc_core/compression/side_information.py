"""Side information: the integers that steer the priors (steps, means, scales, the context network).

They are learned as real numbers, rounded in every forward pass, and coded themselves under a hyperprior: one mean
and one scale a group, the only numbers of a segment that are stored raw. In the paper (table 4, V4), leaving
side information uncoded costs 31 % of the rate.

Steps and scales of bands differ from channel to channel alike on all levels. Each of these groups is a *two-way
table*, its tensors [levels, C] side by side, of which is coded what each value differs from above + left - above left
(predictor 4 of lossless JPEG, ITU-T T.81, annex H). The mean is then the first value's alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log, prod

import torch
from nvrc_formats.limits import MAX_SIDE_VALUE
from nvrc_formats.tables import LAPLACE, OFFSETS, SCALE_LOG_STEP
from torch import Tensor

from nvrc_core.compression.quantise import clamp_through, round_through
from nvrc_core.compression.rate import matching_scale_index, scale_index_of, symbol_bits
from nvrc_core.constants import constant

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
TWO_WAY = ("band.step", "band.scale")


@dataclass(frozen=True)
class SideSpec:
    """One tensor of side information; tensors of one group share a hyperprior."""

    name: str
    group: str
    shape: tuple[int, ...]


SideValues = Mapping[str, Tensor]


def split_side(specs: tuple[SideSpec, ...], flat: Tensor) -> dict[str, Tensor]:
    """Views of one vector of all side information, by name."""
    parts = flat.split([prod(spec.shape) for spec in specs])
    return {spec.name: part.view(spec.shape) for spec, part in zip(specs, parts, strict=True)}


def join_side(specs: tuple[SideSpec, ...], side: SideValues) -> Tensor:
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


def groups(specs: tuple[SideSpec, ...]) -> list[str]:
    """The groups in coding order."""
    used = {spec.group for spec in specs}
    assert used <= set(GROUPS)
    return [group for group in GROUPS if group in used]


def side_residuals(specs: tuple[SideSpec, ...], side: SideValues) -> Tensor:
    """What is coded, in the order of `join_side`: values, but of two-way tables what these differ from neighbours."""
    return join_side(specs, {**side, **_of_tables(specs, side, _differences)})


def side_of_residuals(specs: tuple[SideSpec, ...], residuals: Tensor) -> dict[str, Tensor]:
    """The inverse of `side_residuals`."""
    side = split_side(specs, residuals)
    return side | _of_tables(specs, side, lambda table: table.cumsum(0).cumsum(1))


def _differences(table: Tensor) -> Tensor:
    for axis in (0, 1):
        first, rest = table.narrow(axis, 0, 1), table.diff(dim=axis)
        table = torch.cat([first, rest], dim=axis)
    return table


def _of_tables(specs: tuple[SideSpec, ...], side: SideValues, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """The tensors of each two-way table, changed."""
    changed = {}
    for group in TWO_WAY:
        names = [spec.name for spec in specs if spec.group == group]
        if names:
            tensors = [side[name] for name in names]
            parts = change(torch.cat(tensors, dim=1)).split([tensor.shape[1] for tensor in tensors], dim=1)
            changed |= zip(names, parts, strict=True)
    return changed


@dataclass(frozen=True)
class GroupPrior:
    """The hyperprior of a group: a mean in eighths and a scale index, both integers."""

    mean_eighths: int
    scale_index: int


def fit_group_priors(specs: tuple[SideSpec, ...], side: SideValues) -> dict[str, GroupPrior]:
    """The priors that match mean and deviation of each group's integers: the best two numbers need no training."""
    return {
        group: GroupPrior(int(mean_eighths), int(scale_index))
        for group, (mean_eighths, scale_index) in _matching_priors(specs, side_residuals(specs, side)).items()
    }


@torch.no_grad()
def _matching_priors(specs: tuple[SideSpec, ...], residuals: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean in eighths and scale index by group, scalars of whole numbers that need not leave the device."""
    residuals = residuals.double()
    values, has_mean = (split_side(specs, flat) for flat in (residuals, constant(_has_mean(specs), residuals)))
    priors = {}
    for group in groups(specs):
        of_group, counts = (
            torch.cat([parts[spec.name].flatten() for spec in specs if spec.group == group])
            for parts in (values, has_mean)
        )
        mean_eighths = (of_group.mul(counts).sum() / counts.sum() * OFFSETS).round()
        deviation = (of_group - counts * mean_eighths / OFFSETS).square().mean().sqrt()
        priors[group] = mean_eighths, scale_index_of(deviation).round()
    return priors


@lru_cache(maxsize=16)
def _has_mean(specs: tuple[SideSpec, ...]) -> tuple[float, ...]:
    """For each of `side_residuals`: 1 if the mean of its group is its own, 0 if its mean is zero."""
    begun: set[str] = set()
    shares: list[float] = []
    for spec in specs:
        first = float(spec.group not in begun)
        others = float(spec.group not in TWO_WAY)
        shares += [max(first, others), *[others] * (prod(spec.shape) - 1)]
        begun.add(spec.group)
    return tuple(shares)


def group_prior_fields(specs: tuple[SideSpec, ...], priors: Mapping[str, GroupPrior]) -> tuple[Tensor, Tensor]:
    """(mean in eighths, scale index) of every value of `side_residuals`, float64."""
    sizes = torch.tensor([prod(spec.shape) for spec in specs])
    means = torch.tensor([priors[spec.group].mean_eighths for spec in specs], dtype=torch.float64)
    scales = torch.tensor([priors[spec.group].scale_index for spec in specs], dtype=torch.float64)
    return means.repeat_interleave(sizes) * constant(_has_mean(specs), means), scales.repeat_interleave(sizes)


def side_bits(specs: tuple[SideSpec, ...], side: SideValues) -> Tensor:
    """Total bits of the side information (rounded values), without the raw root numbers."""
    residuals = side_residuals(specs, side)
    priors = _matching_priors(specs, residuals)
    means, scales = (
        torch.cat([priors[spec.group][field].to(residuals).expand(prod(spec.shape)) for spec in specs])
        for field in (0, 1)
    )
    return symbol_bits(residuals, means * constant(_has_mean(specs), residuals), scales, LAPLACE).sum()
