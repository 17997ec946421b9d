"""First symbols of motion-compensated wavelets, from the video itself: a closed loop without any training.

Keys first, each predicted from the quantised key before it, and then level by level the frames between two keys, from
quantised references along motion that was searched for in advance (`motion_search`). What the prediction misses is
transformed, divided by first step sizes, shrunk a little, as a rate with a slope would have it, and rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from nvrc_formats.shapes import MotionWaveletShape
from torch import Tensor

from nvrc_core.compression.side_information import STEPS_PER_OCTAVE, step_size
from nvrc_core.evaluation.quality.psnr import YUV_WEIGHTS
from nvrc_core.fitting.fade_choice import choose_fade
from nvrc_core.fitting.filter_choice import choose_filter
from nvrc_core.fitting.motion_coding import FADE_STEP, USUAL, MotionCoding
from nvrc_core.representation.inherited_motion import with_inherited
from nvrc_core.representation.intervals import NONE, Intervals
from nvrc_core.representation.motion_channels import FADE, FLOW0, FLOW1, MASK, MOTION
from nvrc_core.representation.motion_wavelet import BAND_CHANNELS
from nvrc_core.representation.prediction_filter import WEIGHTS, filtered
from nvrc_core.representation.warp import Picture, blend, fade, warp_picture
from nvrc_core.representation.wavelet import BANDS, analyse, synthesise

LONE_KEY_STEP, FINEST_KEY_STEP = 2.3, 0.8
LEVEL_STEPS = (1.82, 2.08, 2.34, 2.73, 3.12)
"""Step sizes by level, in units of 1 / sqrt(lambda): the frames that others are predicted from are the finer. One
step does for all bands of a frame, as the transform is nearly orthonormal. The steps of keys fall with the root of the
frames that there are for each: an error counts as often as it is seen, up to where other frames differ anyway."""

NO_SHIFT = (0, 0, 0, 0)

SHRINKAGE = 0.2
"""Steps by which values lose magnitude before they are rounded."""

STRIDE = MotionWaveletShape.COARSEST_STRIDE
LUMA_WEIGHT = YUV_WEIGHTS[0]

LUMA_CHANNELS = {name: [0, 3, 4, 5] if name == "band16" else [0, 1, 2] for name in BANDS}
CHUNK_PIXELS = 2**21
"""Luma samples that are worked on at once."""


@dataclass(frozen=True)
class WarmStart:
    """values: real numbers [F, h, w, C] in row order, of the four bands and of "motion", in units of their steps.
    steps: what a symbol is multiplied with, [levels, C] by the same names: bands in samples of [0, 1], motion in luma
    samples, logits and shares. filter: weights of the filter of predictions, [levels, 18]
    (`representation/prediction_filter.py`). inherits: whether flow is what differs from inherited flow
    (`representation/inherited_motion.py`). squared_error: the mean over frames and samples in [0, 1], weighted as
    PSNR-YUV is."""

    values: dict[str, Tensor]
    steps: dict[str, Tensor]
    filter: Tensor
    inherits: bool
    squared_error: float

    @property
    def symbols(self) -> dict[str, Tensor]:
        """The integers that the values round to, as floats."""
        return {name: values.round() for name, values in self.values.items()}


def pad_planes(planes: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Y, U, V [T, H, W] with sides of whole lattice cells (16 luma, 8 chroma samples), the borders repeated."""
    return tuple(_pad(plane, cell) for plane, cell in zip(planes, (STRIDE, STRIDE // 2, STRIDE // 2), strict=True))


def _pad(plane: Tensor, cell: int) -> Tensor:
    for dim in (1, 2):
        length = plane.shape[dim]
        places = torch.arange(length + -length % cell, device=plane.device).clamp(max=length - 1)
        plane = plane if len(places) == length else plane.index_select(dim, places)
    return plane


def first_steps(
    intervals: Intervals, quality_weight: float, luma_shift: Sequence[int] = NO_SHIFT, coding: MotionCoding = USUAL
) -> dict[str, Tensor]:
    """Step sizes by name, [levels, C], for a quality weight (lambda on squared errors of samples in [0, 1]): those that
    a step index can name. `luma_shift`: indices by which luma's are larger, by band from the coarsest on."""
    levels = intervals.levels
    of_keys = max(FINEST_KEY_STEP, LONE_KEY_STEP / sqrt(intervals.frames / len(intervals.keys)))
    others = (LEVEL_STEPS[min(level, len(LEVEL_STEPS) - 1)] for level in range(levels - 1))
    by_level = [of_keys, *(max(of_keys, step) for step in others)]
    octaves = torch.log2(torch.tensor(by_level) / sqrt(quality_weight))
    band_steps = step_size((octaves * STEPS_PER_OCTAVE).round()).unsqueeze(1)
    steps = {name: band_steps.repeat(1, channels) for name, channels in zip(BANDS, BAND_CHANNELS, strict=True)}
    for name, shift in zip(BANDS, luma_shift, strict=True):
        steps[name][:, LUMA_CHANNELS[name]] *= 2 ** (shift / STEPS_PER_OCTAVE)
    return steps | {MOTION: torch.tensor(coding.steps).repeat(levels, 1)}


@torch.no_grad()
def warm_start(
    planes: Sequence[Tensor],
    intervals: Intervals,
    motion: Tensor,
    quality_weight: float,
    *,
    peak: int = 255,
    luma_shift: Sequence[int] = NO_SHIFT,
    coding: MotionCoding = USUAL,
    with_filter: bool = True,
) -> WarmStart:
    """First symbols for one quality weight; and first weights of the filter of predictions, zero without.

    `planes`: Y, U, V [T, H, W] of integer samples up to `peak`, any size (see `pad_planes`). `motion` [F, h, w, 6] in
    row order as `motion_search.search_motion` returns it, with the same `coding`: that takes most of the time, and
    serves for quality weights nearby. `luma_shift`: see `first_steps`.
    """
    steps = first_steps(intervals, quality_weight, luma_shift, coding)
    return _ClosedLoop(planes, intervals, motion, steps, coding, peak, with_filter).run()


def estimate_bits(symbols: Mapping[str, Tensor], intervals: Intervals) -> dict[str, float]:
    """About how many bits the symbols take, by name, without coding them: the entropy of a Laplace distribution for
    each channel of each level; of motion, of what a linear prediction leaves."""
    residuals = {name: symbols[name] for name in BANDS} | {MOTION: _unpredicted(symbols[MOTION], intervals)}
    levels = [intervals.rows_of_level(level) for level in range(intervals.levels)]
    return {name: sum(_laplace_bits(values[rows]) for rows in levels) for name, values in residuals.items()}


def _laplace_bits(values: Tensor) -> float:
    """The entropy of P(k) = (1 - t) / (1 + t) * t ** |k| for each channel of [..., C], t by maximum likelihood."""
    magnitude = values.abs().flatten(0, -2).mean(0, dtype=torch.float64).clamp_min(1e-12)
    ratio = magnitude / (1 + (1 + magnitude.square()).sqrt())
    bits = torch.log2((1 + ratio) / (1 - ratio)) - magnitude * torch.log2(ratio)
    return float(bits.sum()) * (values.numel() // values.shape[-1])


def _unpredicted(motion: Tensor, intervals: Intervals) -> Tensor:
    """Motion symbols minus the best linear prediction, for each channel, from four decoded neighbours and the same
    place in the context row; keys and other frames apart."""
    around = F.pad(motion.movedim(-1, 1), (1, 1, 1, 0))  # [F, 6, h + 1, w + 2]
    height, width = motion.shape[1:3]
    neighbours = [(1, 0), (0, 1), (0, 0), (0, 2)]
    inputs = [around[:, :, y : y + height, x : x + width].movedim(1, -1) for y, x in neighbours]
    context = torch.tensor(intervals.context, device=motion.device)
    inputs.append(motion[context.clamp_min(0)] * (context != NONE).view(-1, 1, 1, 1))
    stacked = torch.stack(inputs, dim=-1).double()  # [F, h, w, 6, inputs]
    left = motion.double().clone()
    keys = len(intervals.keys)
    for rows in (slice(0, keys), slice(keys, None)):
        for channel in range(motion.shape[-1]):
            known, wanted = stacked[rows, ..., channel, :].flatten(0, 2), left[rows, ..., channel].flatten()
            ridge = (5 + 0.02 * len(known)) * torch.eye(known.shape[-1], dtype=known.dtype, device=known.device)
            weights = torch.linalg.solve(known.T @ known + ridge, known.T @ wanted)
            left[rows, ..., channel] -= (known @ weights).view(left[rows, ..., channel].shape)
    return left


class _ClosedLoop:
    """Codes frames in an order that needs no more references at once than those of one interval."""

    def __init__(
        self,
        planes: Sequence[Tensor],
        intervals: Intervals,
        motion: Tensor,
        steps: dict[str, Tensor],
        coding: MotionCoding,
        peak: int,
        with_filter: bool,
    ) -> None:
        self.planes, self.intervals, self.steps, self.coding, self.peak = planes, intervals, steps, coding, peak
        device = planes[0].device
        height, width = (-(-side // STRIDE) for side in planes[0].shape[1:])
        self.values = {
            name: torch.zeros(intervals.frames, height << index, width << index, channels, device=device)
            for index, (name, channels) in enumerate(zip(BANDS, BAND_CHANNELS, strict=True))
        }
        step = steps[MOTION][0].to(motion)
        self.values[MOTION] = (motion / step).round() + 0.0  # no negative zeros
        rows = torch.arange(intervals.frames, device=device)
        self.motion = with_inherited(self.values[MOTION] * step, float(coding.inherits), rows, intervals)
        self.filter = torch.zeros(intervals.levels, WEIGHTS, device=device)
        self.has_filter = [not with_filter] * intervals.levels
        self.decoded: dict[int, Picture] = {}
        self.squared_error = 0.0
        self.chunk = max(1, CHUNK_PIXELS // (height * width * STRIDE**2))

    def run(self) -> WarmStart:
        row_of = self.intervals.row_of
        self._code([0])
        for low, high in pairwise(self.intervals.keys):
            self._code([row_of[high]])
            between = sorted(row_of[low + 1 : high])
            for level in range(1, self.intervals.levels):
                rows = [row for row in between if self.intervals.level[row] == level]
                for first in range(0, len(rows), self.chunk):
                    self._code(rows[first : first + self.chunk])
            self.decoded = {row_of[high]: self.decoded[row_of[high]]}
        squared_error = self.squared_error / self.intervals.frames
        return WarmStart(self.values, self.steps, self.filter, self.coding.inherits, squared_error)

    def _code(self, rows: list[int]) -> None:
        """Quantises what the prediction of rows of one level misses, and keeps the result as a reference."""
        level = self.intervals.level[rows[0]]
        wanted = luma, chroma = self._picture(rows)
        bands = analyse(luma, chroma)
        predicted = self._predict(rows)
        if predicted is not None:
            predicted = self._filtered(level, luma, self._faded(rows, bands, predicted))
            bands = analyse(luma - predicted[0], chroma - predicted[1])
        for name, band in bands.items():
            step = self.steps[name][level].to(band)
            values = F.softshrink(band / step, SHRINKAGE)
            self.values[name][rows] = values
            bands[name] = values.round() * step
        luma, chroma = synthesise(bands)
        if predicted is not None:
            luma, chroma = luma + predicted[0], chroma + predicted[1]
        of_luma, of_chroma = (
            (seen - picture).square_().mean() for seen, picture in zip((luma, chroma), wanted, strict=True)
        )
        self.squared_error += len(rows) * float(torch.lerp(of_chroma, of_luma, LUMA_WEIGHT))
        self.decoded.update((row, (luma[[i]], chroma[[i]])) for i, row in enumerate(rows))

    def _predict(self, rows: list[int]) -> Picture | None:
        intervals = self.intervals
        level, first = intervals.level[rows[0]], intervals.reference0[rows[0]]
        if first == NONE:
            return None
        motion, overlapping = self.motion[rows].movedim(-1, 1), self.coding.overlapping_cell
        references = self._references([intervals.reference0[row] for row in rows])
        before = warp_picture(references, motion[:, FLOW0], overlapping)
        if level == 0:
            return before
        references = self._references([intervals.reference1[row] for row in rows])
        after = warp_picture(references, motion[:, FLOW1], overlapping)
        return blend(before, after, motion[:, MASK], motion.new_tensor([intervals.position[row] for row in rows]))

    def _faded(self, rows: list[int], wanted: Mapping[str, Tensor], predicted: Picture) -> Picture:
        level = self.intervals.level[rows[0]]
        steps = {name: self.steps[name][level].to(wanted[name]) for name in BANDS}
        symbols = choose_fade(wanted, analyse(*predicted), steps, self.coding.cell // STRIDE)
        self.values[MOTION][rows, ..., FADE] = symbols.unsqueeze(-1)
        return fade(predicted, (symbols * FADE_STEP).unsqueeze(1))

    def _filtered(self, level: int, wanted: Tensor, predicted: Picture) -> Picture:
        """A level's weights follow from its first prediction, so that all of its frames have the same."""
        luma, chroma = predicted
        if not self.has_filter[level]:
            self.filter[level] = choose_filter(luma[:1], wanted[:1])
            self.has_filter[level] = True
        return filtered(luma, self.filter[level]), chroma

    def _references(self, rows: list[int]) -> Picture:
        luma, chroma = zip(*(self.decoded[row] for row in rows), strict=True)
        return torch.cat(luma), torch.cat(chroma)

    def _picture(self, rows: list[int]) -> Picture:
        """The video's samples around zero."""
        times = [self.intervals.frame[row] for row in rows]
        luma, first, second = (plane / self.peak - 0.5 for plane in pad_planes([plane[times] for plane in self.planes]))
        return luma.unsqueeze(1), torch.stack([first, second], dim=1)
