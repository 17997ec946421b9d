"""The prior of motion: wavefronts of cells, exact integers.

Motion is a small grid with a good share of the bits, so it is coded almost sequentially: cells of the same x + 2 y in
all rows of a level at once, after those to the left and above. A cell's motion is predicted linearly from these, from
what the context row's motion makes expect, and, towards the second reference, from that towards the first. Its scale
follows from one weighted sum of differences around it; the scale index is linear in the sum's logarithm. All sums
of products stay below 2**24, so float32 holds them exactly in any order, on any device.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from nvrc_formats.tables import OFFSETS, SCALE_LOG_STEP, SCALES
from torch import Tensor

from nvrc_core.compression.log_magnitude import MAX_WEIGHT, SLOPE_ONE, WEIGHT_ONE, log_eighths
from nvrc_core.compression.prior import Batch, Prediction
from nvrc_core.compression.quantise import clamp_inward, floor_through, round_through
from nvrc_core.compression.rate import rounded_bits, scale_index_of
from nvrc_core.compression.row_symbols import RowSymbols, rows_of
from nvrc_core.compression.side_information import SideSpec, SideValues
from nvrc_core.constants import constant, indices, look_up
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.inherited_motion import displacement, with_inherited
from nvrc_core.representation.intervals import Intervals
from nvrc_core.representation.motion_channels import FADE, FLOW0, FLOW1, MASK, MOTION_CHANNELS

CHANNEL_GROUPS = (FLOW0, FLOW1, slice(MASK.start, FADE.stop))
KEY_GROUPS = (FLOW0, FADE)
KINDS, KIND_OF_CHANNEL = 4, (0, 0, 1, 1, 2, 3)
MEAN_WEIGHTS = 9
ACTIVITY_WEIGHTS = 7
MAX_VALUE = 1023  # values beyond count as this much to predictions
MEAN_ONE = 128  # weights of means count in 128ths
MEAN_DIVISOR = MEAN_ONE // OFFSETS  # means in eighths
MAX_MEAN_EIGHTHS = 2**14 - 1
SHARE_ONE = 8  # the share of the inherited flow that is added counts in eighths
# Bounds on every partial sum: 10 * 1023 * 1023 and (14 * 2046 + 1023) * 255 + 32 are below 2**24.

# Where a fit starts: about what fits come to.
INITIAL_ACTIVITY_WEIGHTS = (
    (19.0, 14.0, 10.0, 16.0, 5.0, 6.0, 2.0),
    (18.0, 13.0, 12.0, 16.0, 4.0, 7.0, 2.0),
    (28.0, 6.0, 14.0, 13.0, 7.0, 2.0, 16.0),
    (28.0, 6.0, 14.0, 13.0, 7.0, 2.0, 16.0),
)
INITIAL_SLOPE = 44.0
RIDGE = 5.0  # keeps a least squares of few values finite
REWEIGHTINGS = 4  # least squares are repeated with weights that make them nearly least absolute differences

Look = Callable[[int, int], Tensor]
"""The values at a step of (y, x) from all cells in question, [..., C]; zero outside the grid."""


@dataclass(frozen=True)
class _Around:
    """How to look around some cells: at symbols, and at what the context row makes expect there."""

    symbols: Look
    expected: Look


class MotionPrior:
    """The prior of motion, one grid [T, H, W, 6]: displacements (x, y) towards both references, the mask and the fade.

    Of keys only the first two channels and the fade are coded, of the first key nothing; what is not coded is zero.
    """

    def __init__(self, spec: ParameterSpec, intervals: Intervals) -> None:
        self.specs = (spec,)
        self.intervals = intervals
        self._name = spec.name
        in_keys = [channel for group in KEY_GROUPS for channel in range(MOTION_CHANNELS)[group]]
        of_key = tuple(float(channel in in_keys) for channel in range(MOTION_CHANNELS))
        self._coded = (
            (0.0,) * MOTION_CHANNELS,
            *((1.0,) * MOTION_CHANNELS if level else of_key for level in intervals.level[1:]),
        )
        self.side_specs = (
            SideSpec("motion.step", "motion.step", (MOTION_CHANNELS,)),
            SideSpec("motion.scale", "motion.scale", (intervals.levels, MOTION_CHANNELS)),
            SideSpec("motion.weight", "motion.weight", (KINDS, ACTIVITY_WEIGHTS)),
            SideSpec("motion.slope", "motion.slope", (KINDS,)),
            SideSpec("motion.mean", "motion.mean", (MOTION_CHANNELS, MEAN_WEIGHTS)),
            SideSpec("motion.share", "motion.share", (1,)),
        )

    def step_indices(self, side: SideValues, spec: ParameterSpec, rows: slice | Tensor = slice(None)) -> Tensor:
        """The step index of every value, the same in all rows: [1, 1, 1, 6]."""
        return side["motion.step"].view(1, 1, 1, MOTION_CHANNELS)

    def whole(self, coded: Tensor, side: SideValues, rows: Tensor | None = None) -> Tensor:
        """Motion [N, H, W, 6] of rows (all, unless given), their context rows among them, from symbols times steps."""
        return with_inherited(coded, self._share(side), self._rows(coded, rows), self.intervals)

    def _share(self, side: SideValues) -> Tensor:
        return side["motion.share"].clamp(0, SHARE_ONE) / SHARE_ONE

    def _rows(self, like: Tensor, rows: Tensor | None = None) -> Tensor:
        return torch.arange(self.intervals.frames, device=like.device) if rows is None else rows

    def batches(self) -> Iterator[Batch]:
        """Key by key, as each is the context of the next, then level by level; there wavefront by wavefront, and in one
        group of channels after the other."""
        keys = range(1, len(self.intervals.keys))
        levels = (self.intervals.rows_of_level(level) for level in range(1, self.intervals.levels))
        for rows in (*(slice(row, row + 1) for row in keys), *levels):
            for y, x in self._wavefronts():
                for channels in KEY_GROUPS if rows.start < len(self.intervals.keys) else CHANNEL_GROUPS:
                    yield Batch(self._name, (rows, y, x, channels))

    def predict(self, grids: Mapping[str, Tensor], side: SideValues, batch: Batch) -> Prediction:
        """The prior of a group of channels in some cells, from the batches before it. Exact if all inputs are
        integers."""
        grid, (rows, y, x, channels) = grids[self._name], batch.index
        index = torch.arange(self.intervals.frames, device=grid.device)[rows]
        context = look_up(self.intervals.context, index)

        def look(rows: Tensor, known: Tensor, down: int, right: int) -> Tensor:
            inside = (y + down >= 0) & (y + down < grid.shape[1]) & (x + right >= 0) & (x + right < grid.shape[2])
            places = (y + down).clamp(0, grid.shape[1] - 1), (x + right).clamp(0, grid.shape[2] - 1)
            values = grid[rows[:, None], places[0], places[1]].clamp(-MAX_VALUE, MAX_VALUE)
            return values * (inside[:, None] & known.view(-1, 1, 1)).to(grid)

        around = _Around(
            cache(lambda down, right: look(index, index >= 0, down, right)),
            cache(lambda down, right: self._expected(look(context.clamp_min(0), context >= 0, down, right), index)),
        )
        mean, scale = self._mean(around, side), self._scale(around, index, side)
        return Prediction(mean[..., channels], scale[..., channels])

    def bits(self, rows: RowSymbols, side: SideValues) -> dict[str, Tensor]:
        """Bits of motion, under its name, for each of the rows: [N]."""
        around, symbols = self._whole(rows), rows.symbols[self._name]
        mean, scale = self._mean(around, side), self._scale(around, rows.rows, side)
        bits = rounded_bits(symbols, mean, scale).sum((1, 2))
        return {self._name: (bits * constant(self._coded, bits)[rows.rows]).sum(1)}

    def total_bits(self, grids: Mapping[str, Tensor], side: SideValues) -> dict[str, Tensor]:
        """Bits of all motion, under its name."""
        return {name: bits.sum() for name, bits in self.bits(self._all_rows(grids[self._name]), side).items()}

    @torch.no_grad()
    def initial_side(self, grids: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Side information, all but steps and share, for a fit that starts from these symbols: the predictor that is
        best for them, and the scales that then match them."""
        given = ("motion.step", "motion.share")
        side = {spec.name: torch.zeros(spec.shape) for spec in self.side_specs if spec.group not in given}
        side["motion.weight"] += torch.tensor(INITIAL_ACTIVITY_WEIGHTS)
        side["motion.slope"] += INITIAL_SLOPE
        rows = self._all_rows(grids[self._name].float().cpu())
        around, symbols = self._whole(rows), rows.symbols[self._name]
        features = torch.stack(self._mean_features(around), -1)
        coded_values = constant(self._coded, symbols)
        for channel in range(MOTION_CHANNELS):
            coded = coded_values[:, channel] > 0
            weights = _least_absolute(features[coded][..., channel, :].flatten(0, 2), symbols[coded][..., channel])
            side["motion.mean"][channel] = (weights * MEAN_ONE).round().clamp(-MAX_VALUE, MAX_VALUE)
        expected = torch.exp(SCALE_LOG_STEP * self._activity(around, side))
        normal = (symbols - self._mean(around, side) / OFFSETS) / expected
        squares = torch.zeros_like(side["motion.scale"])
        levels = torch.tensor(self.intervals.level)
        squares.index_add_(0, levels, normal.square().mean((1, 2)) * coded_values)
        counts = torch.zeros_like(squares).index_add_(0, levels, coded_values)
        side["motion.scale"] = scale_index_of((squares / counts.clamp_min(1)).sqrt())
        return side

    def shifted_side(self, side: SideValues, shift: int) -> dict[str, Tensor]:
        """Nothing: motion is as good as it was found to be, in the steps that it was found in."""
        return {}

    # -- predictions --------------------------------------------------------------------------------------

    def _wavefronts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The cells (y, x) of each wavefront."""
        _, height, width, _ = self.specs[0].shape
        for front in range(width + 2 * (height - 1)):
            y = torch.arange(max(0, (front - width + 2) // 2), min(height - 1, front // 2) + 1)
            if len(y):  # a grid of one column has no cells in odd wavefronts
                yield y, front - 2 * y

    def _all_rows(self, grid: Tensor) -> RowSymbols:
        return rows_of({self._name: grid}, torch.arange(self.intervals.frames), self.intervals)

    def _whole(self, rows: RowSymbols) -> _Around:
        """How to look around all cells."""
        symbols = round_through(rows.symbols[self._name]).clamp(-MAX_VALUE, MAX_VALUE)
        expected = self._expected(rows.context[self._name].clamp(-MAX_VALUE, MAX_VALUE), rows.rows)
        height, width = symbols.shape[1:3]
        padded, padded_expected = (F.pad(values, (0, 0, 1, 1, 1, 1)) for values in (symbols, expected))
        return _Around(
            lambda down, right: padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width],
            lambda down, right: padded_expected[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width],
        )

    def _expected(self, context: Tensor, rows: Tensor) -> Tensor:
        """What a context row's symbols [N, ..., 6] make expect, but for a factor: see `inherited_motion`. A key's are
        like those of the key before."""
        flow = displacement(context, rows, self.intervals)
        return torch.cat([-flow, flow, context[..., 4:]], -1)

    def _mean_features(self, around: _Around) -> list[Tensor]:
        symbols, expected = around.symbols, around.expected
        own = symbols(0, 0)
        first = torch.cat([torch.zeros_like(own[..., :2]), -own[..., :2], torch.zeros_like(own[..., 4:])], -1)
        return [
            *(symbols(*step) for step in ((0, -1), (-1, 0), (-1, -1), (-1, 1))),
            *(expected(*step) for step in ((0, 0), (0, -1), (-1, 0))),
            expected(0, 1) + expected(1, 0),
            first,
        ]

    def _mean(self, around: _Around, side: SideValues) -> Tensor:
        weights = side["motion.mean"].unbind(1)
        total = sum(weight * value for weight, value in zip(weights, self._mean_features(around), strict=True))
        return floor_through(total / MEAN_DIVISOR).clamp(-MAX_MEAN_EIGHTHS, MAX_MEAN_EIGHTHS)

    def _activity(self, around: _Around, side: SideValues) -> Tensor:
        """The part of the scale index that known differences make."""
        symbols, expected = around.symbols, around.expected
        own, left, above = symbols(0, 0), symbols(0, -1), symbols(-1, 0)
        # A sharp change of what is already coded in the cell itself.
        change = (own - left).abs() + (own - above).abs()
        first, second = (change[..., group].sum(-1, keepdim=True) for group in CHANNEL_GROUPS[:2])
        known = torch.cat([torch.zeros_like(own[..., :2]), first, first, first + second, first + second], -1)
        features = (
            (left - above).abs(),
            (above - symbols(-1, -1)).abs(),
            (above - symbols(-1, 1)).abs(),
            (left - symbols(-1, -1)).abs(),
            (expected(0, 1) - expected(0, -1)).abs() + (expected(1, 0) - expected(-1, 0)).abs(),
            known,
            expected(0, 0).abs(),
        )
        channels = indices(KIND_OF_CHANNEL, own)
        weights = clamp_inward(side["motion.weight"], 0, MAX_WEIGHT)[channels].unbind(1)
        total = sum(weight * value for weight, value in zip(weights, features, strict=True))
        return floor_through(side["motion.slope"][channels] * log_eighths(total + WEIGHT_ONE) / SLOPE_ONE)

    def _scale(self, around: _Around, rows: Tensor, side: SideValues) -> Tensor:
        activity = self._activity(around, side)
        bias = side["motion.scale"][look_up(self.intervals.level, rows)]
        bias = bias.view(len(rows), *[1] * (activity.ndim - 2), MOTION_CHANNELS)
        return clamp_inward(bias + activity, 0, SCALES - 1)


def _least_absolute(features: Tensor, values: Tensor) -> Tensor:
    """Weights [K] of features [M, K] with nearly the least absolute differences from values [...] of M."""
    values = values.reshape(-1).double()
    features = features.double()
    trust = torch.ones_like(values)
    weights = features.new_zeros(features.shape[1])
    ridge = RIDGE * torch.eye(features.shape[1], dtype=torch.float64)
    for _ in range(REWEIGHTINGS):
        weighted = (features * trust[:, None]).T
        weights = torch.linalg.solve(weighted @ features + ridge, weighted @ values)
        trust = 1 / ((values - features @ weights).abs() + 0.5)
    return weights.float()
