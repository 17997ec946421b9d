"""The context prior of feature grids: few passes, exact integers.

Levels are coded coarse to fine. Inside a level the positions fall into eight phases by the parity of (t, y, x);
a phase is one batch that sees all earlier phases of its level and the coarser level. Neighbours are
summed over the symmetric classes that such parities make, one a difference of phases. A tiny network maps the sums
to a mean and a scale index. It runs on integers: from the clamped features on, every product and partial sum
stays below 2**24, so float32 holds them exactly in any order, on any device; coding uses float64, which holds the
unclamped sums as well. Training runs the same operations, with gradients passed
straight through the floors.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from nvrc_formats.tables import SCALES
from torch import Tensor

from nvrc_core.compression.prior import Batch, Prediction, bits_of_batches
from nvrc_core.compression.quantise import clamp_through, floor_through
from nvrc_core.compression.side_information import (
    SCALES_PER_STEP,
    STEPS_PER_OCTAVE,
    SideSpec,
    SideValues,
    scale_at_step,
)
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


class GridPrior:
    """The prior of all base grids. `specs`: finest level first, as the representation lists them."""

    def __init__(self, specs: tuple[ParameterSpec, ...]) -> None:
        self.specs = specs
        self._coarser = {spec.name: coarser.name for spec, coarser in pairwise(specs)}
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

    def batches(self) -> Iterator[Batch]:
        """Levels from the coarsest to the finest, phase by phase."""
        for spec in reversed(self.specs):
            for parities in PHASES:
                if all(parity < side for parity, side in zip(parities, spec.shape, strict=False)):
                    yield Batch(spec.name, phase_slices(parities))

    def predict(self, grids: Mapping[str, Tensor], side: SideValues, batch: Batch) -> Prediction:
        """The prior of one phase of a grid, from its earlier phases and the next coarser level.

        Symbols of the phase itself and of later ones are not looked at. Exact if all inputs are integers.
        """
        name, parities = batch.name, tuple(axis.start for axis in batch.index)
        phase = PHASES.index(parities)
        coarser = grids[self._coarser[name]] if name in self._coarser else None
        features, columns = _features(grids[name], coarser, parities)
        hidden = features @ side["context.expand"][:, columns].T / HIDDEN_DIVISOR + side["context.phase"][phase]
        hidden = floor_through(hidden.clamp(0, MAX_HIDDEN))
        output = floor_through(hidden @ side["context.project"].T / OUTPUT_DIVISOR)
        mean = output[..., 0] + side[f"{name}.mean"]
        scale = output[..., 1] + side[f"{name}.scale"]
        return Prediction(clamp_through(mean, -MAX_MEAN_EIGHTHS, MAX_MEAN_EIGHTHS), clamp_through(scale, 0, SCALES - 1))

    def total_bits(self, grids: Mapping[str, Tensor], side: SideValues) -> dict[str, Tensor]:
        """Bits of each grid by name, the coarsest first."""
        return bits_of_batches(self, grids, side)

    def initial_side(
        self, parameters: Mapping[str, Tensor], grid_step: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Side information for fresh parameters. They start as noise whose size says nothing: steps are given."""
        side = {spec.name: torch.zeros(spec.shape) for spec in self.side_specs}
        index = round(math.log2(grid_step) * STEPS_PER_OCTAVE)
        for spec in self.specs:
            side[f"{spec.name}.tensor.step"].fill_(index)
            side[f"{spec.name}.scale"].fill_(scale_at_step(parameters[spec.name], index))
        # The context network starts as an almost constant prior, but with paths for gradients.
        expand = side["context.expand"]
        side["context.expand"] = torch.randn(expand.shape, generator=generator) * 8
        side["context.phase"] += 8.0
        return side

    def shifted_side(self, side: SideValues, shift: int) -> dict[str, Tensor]:
        """The tensors of side information that change where all steps are 2 ** (shift / 8) times their size."""
        moved = {}
        for spec in self.specs:
            step, scale = f"{spec.name}.tensor.step", f"{spec.name}.scale"
            moved |= {step: side[step] + shift, scale: side[scale] - shift * SCALES_PER_STEP}
        return moved


def phase_slices(parities: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """Indices of the positions [t, y, x] of these parities in a grid."""
    return tuple(slice(parity, None, 2) for parity in parities)


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
