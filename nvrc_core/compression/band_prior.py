"""The prior of wavelet bands: four phases a band, exact integers.

A coefficient's scale follows from one weighted sum of magnitudes that are already known: its neighbours', those at the
same place in the context row, and those of the same detail in the next coarser band. The scale index is linear in the
sum's logarithm; the mean is linear in the neighbours. Weights depend on the phase: each knows other neighbours.
All sums of products stay below 2**24, so float32 holds them exactly in any order, on any device. Training runs
the same operations, with gradients passed straight through the floors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from nvrc_formats.limits import MAX_SIDE_VALUE
from nvrc_formats.tables import OFFSETS, SCALE_LOG_STEP, SCALES
from torch import Tensor

from nvrc_core.compression.log_magnitude import MAX_MAGNITUDE, MAX_WEIGHT, SLOPE_ONE, WEIGHT_ONE, log_eighths
from nvrc_core.compression.phase_planes import (
    KNOWN,
    PHASES,
    Planes,
    cross_sum,
    grid_cross_sum,
    neighbour_sum,
    own_values,
    phase_index,
    to_planes,
)
from nvrc_core.compression.prior import Batch, Prediction
from nvrc_core.compression.quantise import clamp_inward, clamp_through, floor_through, round_through
from nvrc_core.compression.rate import rounded_bits, scale_index_of
from nvrc_core.compression.row_symbols import RowSymbols, rows_of
from nvrc_core.compression.side_information import SCALES_PER_STEP, STEPS_PER_OCTAVE, SideSpec, SideValues
from nvrc_core.constants import indices, look_up
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.intervals import Intervals

FIRST_WEIGHT = (0, 0, 1, 3)  # where the weights of a phase's known classes start, and
CLASS_WEIGHTS = 6  # their number
OUTER_WEIGHTS = 4  # context row: the same place, the cross around it; coarser band: likewise
LOW_PASSES = 3
ORIENTATIONS = 4  # low-pass and the three details of a plane
MEAN_DIVISOR = 16  # weights of means count in 128ths, means in eighths
MAX_MEAN_EIGHTHS = 2**14 - 1
# Bounds on every partial sum: 18 * 2047 * 255 + 32 (18 magnitudes) and 8 * 2047 * 1023 are below 2**24.

# Of a change of all steps, what scales take on themselves: the known magnitudes change too and see to the rest.
OWN_SHARE = 0.25

# Where a fit starts: what fits to the first symbols of five clips at three rates came to in the mean, for keys and for
# other rows; `evaluation/first_priors.py` does the same for any clips. They differ little from clip to clip.
INITIAL_CLASS_WEIGHTS = ((16.0, 26.0, 24.0, 5.0, 24.0, 22.0), (20.0, 28.0, 29.0, 9.0, 25.0, 27.0))
INITIAL_OUTER_WEIGHTS = (
    ((5.0, 6.0, 14.0, 7.0), (5.0, 3.0, 11.0, 5.0), (2.0, 2.0, 9.0, 3.0), (2.0, 2.0, 9.0, 3.0)),
    ((16.0, 15.0, 23.0, 12.0), (15.0, 12.0, 18.0, 11.0), (13.0, 10.0, 17.0, 9.0), (12.0, 10.0, 16.0, 8.0)),
)
INITIAL_SLOPES = ((11.0, 32.0, 45.0, 46.0, 49.0), (37.0, 46.0, 48.0, 50.0, 52.0))  # about 40: in proportion to the sum
INITIAL_MEAN_WEIGHTS = (
    (
        (28.0, 35.0, 32.0, -2.0, 32.0, 35.0),
        (-3.0, -4.0, 6.0, -3.0, -2.0, 6.0),
        (-4.0, 7.0, -4.0, -3.0, 7.0, -2.0),
        (0.0, -10.0, -7.0, 0.0, -10.0, -6.0),
    ),
    (
        (8.0, 16.0, 19.0, 2.0, 6.0, 16.0),
        (0.0, 3.0, 5.0, -2.0, 4.0, 6.0),
        (4.0, 5.0, 6.0, 3.0, 5.0, 6.0),
        (2.0, 0.0, 2.0, 0.0, 2.0, 2.0),
    ),
)


@dataclass(frozen=True)
class _Surroundings:
    """What predictions of some rows of a band look at. All of it is clamped."""

    symbols: Planes
    magnitudes: Planes
    context: Planes  # magnitudes
    parent: tuple[Tensor, Tensor] | None  # magnitudes and their cross sums, on the lattice of any phase
    offset: Tensor | None  # [N, 1, 1, C]
    rows: Tensor


class BandPrior:
    """The prior of the bands of all rows.

    `specs`: coarse to fine, [T, H, W, C], each twice as high and wide as the one before. The first starts with
    LOW_PASSES low-pass channels; all others are details, the three of a plane next to each other.
    """

    def __init__(self, specs: tuple[ParameterSpec, ...], intervals: Intervals) -> None:
        self.specs = specs
        self.intervals = intervals
        self._by_name = {spec.name: spec for spec in specs}
        self._parent = {spec.name: parent.name for parent, spec in pairwise(specs)}
        # Statistics follow levels, but the first key is predicted from nothing, unlike the others.
        self._group = tuple(level + (row > 0) for row, level in enumerate(intervals.level))
        self._kind = tuple(min(level, 1) for level in intervals.level)  # keys and others have weights of their own
        groups, kinds = max(self._group) + 1, max(self._kind) + 1
        self.side_specs = (
            *(SideSpec(f"{spec.name}.step", "band.step", (intervals.levels, spec.shape[3])) for spec in specs),
            *(SideSpec(f"{spec.name}.scale", "band.scale", (groups, spec.shape[3])) for spec in specs),
            SideSpec("band.phase", "band.phase", (kinds, len(PHASES))),
            SideSpec("band.neighbours", "band.weight", (kinds, CLASS_WEIGHTS)),
            SideSpec("band.outer", "band.weight", (kinds, len(PHASES), OUTER_WEIGHTS)),
            SideSpec("band.slope", "band.slope", (kinds, 1 + len(specs))),
            SideSpec("band.mean", "band.mean", (kinds, ORIENTATIONS, CLASS_WEIGHTS)),
            SideSpec("band.offset", "band.offset", (LOW_PASSES,)),
        )

    def step_indices(self, side: SideValues, spec: ParameterSpec, rows: slice | Tensor = slice(None)) -> Tensor:
        """The step index of every value of some rows of a band: [N, 1, 1, C]."""
        steps = side[f"{spec.name}.step"]
        return steps[indices(self.intervals.level, steps)[rows]][:, None, None]

    def batches(self) -> Iterator[Batch]:
        """Key by key, each the context of the next; then level by level. In there band by band, phase by phase."""
        keys = range(len(self.intervals.keys))
        levels = (self.intervals.rows_of_level(level) for level in range(1, self.intervals.levels))
        for rows in (*(slice(row, row + 1) for row in keys), *levels):
            for spec in self.specs:
                for phase in _occupied_phases(spec):
                    yield Batch(spec.name, (rows, *phase_index(phase)))

    def predict(self, grids: Mapping[str, Tensor], side: SideValues, batch: Batch) -> Prediction:
        """The prior of a phase of some rows of a band, from the batches before it. Exact if all inputs are integers."""
        rows, *positions = batch.index
        names = (batch.name, self._parent.get(batch.name, batch.name))
        known = rows_of(
            {name: grids[name] for name in names}, torch.arange(self.intervals.frames)[rows], self.intervals
        )
        phase = PHASES.index(tuple(axis.start for axis in positions))
        return self._predict(batch.name, phase, self._surroundings(batch.name, known, side), side)

    def bits(self, rows: RowSymbols, side: SideValues) -> dict[str, Tensor]:
        """Bits of each band by name, for each of the rows: [N]."""
        totals = {}
        for spec in self.specs:
            surroundings = self._surroundings(spec.name, rows, side)
            planes = to_planes(rows.symbols[spec.name])
            totals[spec.name] = torch.zeros_like(rows.symbols[spec.name][:, 0, 0, 0])
            for phase in _occupied_phases(spec):
                prior = self._predict(spec.name, phase, surroundings, side)
                symbols = own_values(planes, phase, spec.shape[1:3])
                bits = rounded_bits(symbols, prior.mean_eighths, prior.scale_index)
                totals[spec.name] = totals[spec.name] + bits.sum((1, 2, 3))
        return totals

    def total_bits(self, grids: Mapping[str, Tensor], side: SideValues) -> dict[str, Tensor]:
        """Bits of each whole band by name."""
        return {name: bits.sum() for name, bits in self.bits(self._all_rows(grids), side).items()}

    @torch.no_grad()
    def initial_side(self, grids: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Side information, all but the steps, for a fit that starts from these symbols: weights as fits tend to find
        them, and the scales that then match the symbols."""
        side = {spec.name: torch.zeros(spec.shape) for spec in self.side_specs if spec.group != "band.step"}
        for name, values in (
            ("band.neighbours", INITIAL_CLASS_WEIGHTS),
            ("band.outer", INITIAL_OUTER_WEIGHTS),
            ("band.slope", INITIAL_SLOPES),
            ("band.mean", INITIAL_MEAN_WEIGHTS),
        ):
            side[name] += torch.tensor(values)[: len(side[name]), ..., : side[name].shape[-1]]
        grids = {spec.name: grids[spec.name].float().cpu() for spec in self.specs}
        means = grids[self.specs[0].name][0, ..., :LOW_PASSES].mean((0, 1)).round()
        side["band.offset"] = means.clamp(-MAX_SIDE_VALUE, MAX_SIDE_VALUE)
        rows = self._all_rows(grids)
        group = torch.tensor(self._group)
        for spec in self.specs:
            surroundings = self._surroundings(spec.name, rows, side)
            planes = to_planes(rows.symbols[spec.name] - (0 if surroundings.offset is None else surroundings.offset))
            squares = torch.zeros(*side[f"{spec.name}.scale"].shape)
            for phase in _occupied_phases(spec):
                activity = self._activity(spec.name, phase, surroundings, side)
                normal = own_values(planes, phase, spec.shape[1:3]) / torch.exp(SCALE_LOG_STEP * activity)
                squares.index_add_(0, group, normal.square().sum((1, 2)))
            count = torch.bincount(group)[:, None] * (spec.shape[1] * spec.shape[2])
            side[f"{spec.name}.scale"] = scale_index_of((squares / count).sqrt())
        return side

    def shifted_side(self, side: SideValues, shift: int) -> dict[str, Tensor]:
        """The tensors of side information that change where all steps are 2 ** (shift / 8) times their size."""
        moved = {"band.offset": side["band.offset"] * 2 ** (-shift / STEPS_PER_OCTAVE)}
        for spec in self.specs:
            step, scale = f"{spec.name}.step", f"{spec.name}.scale"
            moved |= {step: side[step] + shift, scale: side[scale] - shift * SCALES_PER_STEP * OWN_SHARE}
        return moved

    # -- one phase ----------------------------------------------------------------------------------------

    def _all_rows(self, grids: Mapping[str, Tensor]) -> RowSymbols:
        bands = {spec.name: grids[spec.name] for spec in self.specs}
        return rows_of(bands, torch.arange(self.intervals.frames), self.intervals)

    def _surroundings(self, name: str, rows: RowSymbols, side: SideValues) -> _Surroundings:
        symbols, context, index = round_through(rows.symbols[name]), rows.context[name], rows.rows
        offset, parent = None, None
        if name in self._parent:
            above = self._parent[name]
            start = LOW_PASSES if above == self.specs[0].name else 0
            details = round_through(rows.symbols[above][..., start : start + symbols.shape[3]])
            magnitudes = details.abs().clamp(max=MAX_MAGNITUDE)
            parent = magnitudes, grid_cross_sum(magnitudes)
        else:  # The first key's low-pass symbols lie around an offset; all predictions are about what is left.
            offset = F.pad(side["band.offset"], (0, symbols.shape[3] - LOW_PASSES))
            follows = (look_up(self.intervals.context, index) == 0).to(offset)
            context = context - offset.detach() * follows.view(-1, 1, 1, 1)
            offset = offset * (index == 0).to(offset).view(-1, 1, 1, 1)
            symbols = symbols - offset
        planes = to_planes(symbols.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE))
        return _Surroundings(
            symbols=planes,
            magnitudes={parities: plane.abs() for parities, plane in planes.items()},
            context=to_planes(context.abs().clamp(max=MAX_MAGNITUDE)),
            parent=parent,
            offset=offset,
            rows=index,
        )

    def _predict(self, name: str, phase: int, around: _Surroundings, side: SideValues) -> Prediction:
        kind, group = look_up(self._kind, around.rows), look_up(self._group, around.rows)
        bias = side[f"{name}.scale"][group] + side["band.phase"][kind, phase][:, None]
        scale = bias[:, None, None] + self._activity(name, phase, around, side)
        mean = torch.zeros_like(scale)
        if KNOWN[phase]:
            orientations = indices(self._orientations(name), kind)
            weights = side["band.mean"][kind][:, orientations, FIRST_WEIGHT[phase] :]  # [N, C, classes]
            size = self._by_name[name].shape[1:3]
            for index, difference in enumerate(KNOWN[phase]):
                mean = mean + weights[:, None, None, :, index] * neighbour_sum(around.symbols, phase, difference, size)
            mean = floor_through(mean / MEAN_DIVISOR)
            mean = clamp_through(mean, -MAX_MEAN_EIGHTHS, MAX_MEAN_EIGHTHS)
        if around.offset is not None:
            mean = mean + OFFSETS * around.offset
        return Prediction(mean, clamp_inward(scale, 0, SCALES - 1))

    def _activity(self, name: str, phase: int, around: _Surroundings, side: SideValues) -> Tensor:
        """The part of the scale index that known magnitudes make, [N, h, w, C]."""
        kind, size = look_up(self._kind, around.rows), self._by_name[name].shape[1:3]
        start = FIRST_WEIGHT[phase]
        classes = [neighbour_sum(around.magnitudes, phase, difference, size) for difference in KNOWN[phase]]
        outer = [
            own_values(around.context, phase, size),
            cross_sum(around.context, phase, size),
            *(around.parent or ()),
        ]
        weights = torch.cat([side["band.neighbours"][:, start : start + len(classes)], side["band.outer"][:, phase]], 1)
        weights = clamp_inward(weights, 0, MAX_WEIGHT)[kind][:, :, None, None, None]
        total = sum(weight * sums for weight, sums in zip(weights.unbind(1), [*classes, *outer], strict=False))
        of_details = 1 + self.specs.index(self._by_name[name])
        slopes = tuple(of_details if orientation else 0 for orientation in self._orientations(name))
        slope = side["band.slope"][kind][:, indices(slopes, kind)][:, None, None]
        return floor_through(slope * log_eighths(total + WEIGHT_ONE) / SLOPE_ONE)

    def _orientations(self, name: str) -> tuple[int, ...]:
        """0 for low-pass channels, 1 to 3 for details."""
        low_passes = 0 if name in self._parent else LOW_PASSES
        details = self._by_name[name].shape[3] - low_passes
        return (0,) * low_passes + tuple(1 + detail % (ORIENTATIONS - 1) for detail in range(details))


def _occupied_phases(spec: ParameterSpec) -> list[int]:
    """The phases that have positions: a band of one row has no odd rows."""
    return [phase for phase, (y, x) in enumerate(PHASES) if y < spec.shape[1] and x < spec.shape[2]]
