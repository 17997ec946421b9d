"""The context prior of feature grids: few passes, exact integers.

Levels are coded coarse to fine. Inside a level the positions fall into eight phases by the parity of (t, y, x);
a phase is one batch that sees all earlier phases of its level and the coarser level. Neighbours are
summed over the symmetric classes that such parities make, one a difference of phases. A tiny network maps the sums
to a mean and a scale index. It runs on integers: from the clamped features on, every product and partial sum
stays below 2**24, so float32 holds them exactly in any order, on any device; coding uses float64, which holds the
unclamped sums as well. Training runs the same operations, with gradients passed
straight through the floors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from nvrc_formats.tables import LAPLACE, SCALES
from torch import Tensor

from nvrc_core.compression.quantise import clamp_through, floor_through
from nvrc_core.compression.rate import symbol_bits
from nvrc_core.compression.side_information import SideSpec, SideValues
from nvrc_core.representation.base import ParameterSpec

BLOCK = (16, 8, 8)  # T, H, W of the blocks that share a step in each channel (NVRC, section 3.2)
PHASES = tuple(product((0, 1), repeat=3))
CLASSES = PHASES[1:]  # neighbours by the parities in which they differ
HIDDEN = 8
FEATURES = 2 * len(CLASSES) + 1  # signed sums, sums of magnitudes, activity of the coarser level
MAX_FEATURE = 255
MAX_HIDDEN = 2047
# Bounds on every partial sum, see above: 15 * 255 * 1023 + 1023 * 4 and 8 * 2047 * 1023 are below 2**24.
HIDDEN_DIVISOR, OUTPUT_DIVISOR = 4, 32
MAX_MEAN_EIGHTHS = 1023
# The context network's tensors, each with a hyperprior of its own.
CONTEXT_GROUPS = {
    "context.expand": (HIDDEN, FEATURES),
    "context.phase": (len(PHASES), HIDDEN),
    "context.project": (2, HIDDEN),
}


@dataclass(frozen=True)
class Prediction:
    """The prior of one phase: mean in eighths and scale index, both like the phase's positions [T', H', W', C]."""

    mean_eighths: Tensor
    scale_index: Tensor


class GridPrior:
    """The prior of all base grids. `specs`: finest level first, as the representation lists them."""

    def __init__(self, specs: tuple[ParameterSpec, ...]) -> None:
        self.specs = specs
        self.side_specs = (
            *(SideSpec(f"{spec.name}.tensor.step", "grid.step", (1, 1, 1, 1)) for spec in specs),
            *(SideSpec(f"{spec.name}.block.step", "block.step", _blocks(spec)) for spec in specs),
            *(SideSpec(f"{spec.name}.mean", "context.mean", (spec.shape[3],)) for spec in specs),
            *(SideSpec(f"{spec.name}.scale", "context.scale", (spec.shape[3],)) for spec in specs),
            *(SideSpec(group, group, shape) for group, shape in CONTEXT_GROUPS.items()),
        )

    def step_indices(self, side: SideValues, spec: ParameterSpec) -> Tensor:
        """The step index of every value of a grid: [T, H, W, C]."""
        indices = side[f"{spec.name}.tensor.step"] + side[f"{spec.name}.block.step"]
        for axis, block in enumerate(BLOCK):
            copies = indices.unsqueeze(axis + 1).expand(*indices.shape[: axis + 1], block, *indices.shape[axis + 1 :])
            indices = copies.flatten(axis, axis + 1).narrow(axis, 0, spec.shape[axis])
        return indices

    def coarse_to_fine(self) -> Iterator[tuple[ParameterSpec, ParameterSpec | None]]:
        """(level, next coarser level) in coding order."""
        coarser = None
        for spec in reversed(self.specs):
            yield spec, coarser
            coarser = spec

    def predict(self, symbols: Tensor, coarser: Tensor | None, side: SideValues, name: str, phase: int) -> Prediction:
        """The prior of one phase of grid `name`, from its earlier phases in `symbols` [T, H, W, C].

        Symbols of the phase itself and of later ones are not looked at. `coarser`: the symbols of the next
        coarser level, if there is one. Exact if all inputs are integers.
        """
        features, columns = _features(symbols, coarser, PHASES[phase])
        hidden = features @ side["context.expand"][:, columns].T / HIDDEN_DIVISOR + side["context.phase"][phase]
        hidden = floor_through(hidden.clamp(0, MAX_HIDDEN))
        output = floor_through(hidden @ side["context.project"].T / OUTPUT_DIVISOR)
        mean = output[..., 0] + side[f"{name}.mean"]
        scale = output[..., 1] + side[f"{name}.scale"]
        return Prediction(clamp_through(mean, -MAX_MEAN_EIGHTHS, MAX_MEAN_EIGHTHS), clamp_through(scale, 0, SCALES - 1))

    def bits(self, symbols: Mapping[str, Tensor], side: SideValues) -> dict[str, Tensor]:
        """Total bits of each grid, its symbols [T, H, W, C] given by name."""
        totals = {}
        for spec, coarser in self.coarse_to_fine():
            level = symbols[spec.name]
            total = level.new_zeros(())
            for phase in occupied_phases(spec):
                prior = self.predict(level, coarser and symbols[coarser.name], side, spec.name, phase)
                total = (
                    total
                    + symbol_bits(level[phase_slices(phase)], prior.mean_eighths, prior.scale_index, LAPLACE).sum()
                )
            totals[spec.name] = total
        return totals


def phase_slices(phase: int) -> tuple[slice, slice, slice]:
    """Indices of a phase's positions in a grid [T, H, W, C]."""
    return tuple(slice(parity, None, 2) for parity in PHASES[phase])


def occupied_phases(spec: ParameterSpec) -> list[int]:
    """The phases that have positions: a grid of one row has no odd rows."""
    return [
        phase
        for phase, parities in enumerate(PHASES)
        if all(parity < side for parity, side in zip(parities, spec.shape, strict=False))
    ]


def _blocks(spec: ParameterSpec) -> tuple[int, int, int, int]:
    time, height, width = (-(-side // block) for side, block in zip(spec.shape, BLOCK, strict=False))
    return time, height, width, spec.shape[3]


def _features(symbols: Tensor, coarser: Tensor | None, here: tuple[int, ...]) -> tuple[Tensor, list[int]]:
    """Known features of a phase's positions, [T', H', W', C, K], and their K columns among FEATURES."""
    counts = [len(range(parity, side, 2)) for parity, side in zip(here, symbols.shape, strict=False)]
    padded = F.pad(symbols, (0, 0, 1, 1, 1, 1, 1, 1))
    features, columns = [], []
    for index, difference in enumerate(CLASSES):
        if tuple(a ^ b for a, b in zip(here, difference, strict=True)) > here:
            continue  # a later phase
        neighbours = [
            padded[tuple(slice(p + d + 1, p + d + 2 * n, 2) for p, d, n in zip(here, shift, counts, strict=True))]
            for shift in product(*((-1, 1) if differs else (0,) for differs in difference))
        ]
        features += [sum(neighbours), sum(neighbour.abs() for neighbour in neighbours)]
        columns += [2 * index, 2 * index + 1]
    if coarser is not None:
        activity = coarser.abs().sum(dim=-1, keepdim=True)
        for axis, count in enumerate(counts):
            size = activity.shape[axis]
            if count > size:  # beyond the coarser level's end, its last row
                last = activity.narrow(axis, size - 1, 1)
                activity = torch.cat([activity, *[last] * (count - size)], dim=axis)
            activity = activity.narrow(axis, 0, count)
        features.append(activity.expand(*counts, symbols.shape[-1]))
        columns.append(FEATURES - 1)
    if not features:
        return symbols.new_zeros(*counts, symbols.shape[-1], 0), columns
    return torch.stack(features, dim=-1).clamp(-MAX_FEATURE, MAX_FEATURE), columns
