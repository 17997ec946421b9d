"""How motion is coded: in which cells, how finely, as what differs from inherited motion or not, overlapping or not.

Large cells suit large pictures, as what moves in them is large, and low rates. Detail that is worth its bits wants
fine steps, fast motion of plain things coarse ones. Motion that goes on evenly, as where the camera moves, is inherited
at no cost, and differences from it can be fine; where it does not, inherited motion leads between samples, and blurs.
Where things move past each other, predictions that overlap are better than flow between that of both.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from nvrc_formats.shapes import MotionWaveletShape
from torch import Tensor

from nvrc_core.fitting.motion_coding import FLOW_STEP, MotionCoding
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.warm_start import estimate_bits, pad_planes, warm_start
from nvrc_core.representation.intervals import Intervals
from nvrc_core.representation.motion_channels import MOTION

TO_GAIN = 0.005  # of the loss, for what is unusual: smaller differences did not last through whole fits
SAMPLE_FRAMES, SAMPLE_SIDE = 17, 384
"""From the middle of the segment, and luma samples along a side from the middle of the picture: few enough to search
seven times, and most frames have references as near as here."""

BAND_SHARE, MOTION_SHARE = 0.85, 0.5
"""Of the estimated bits, what counts: bands' when their priors are fitted; motion's so that the choice is that of whole
fits, which save more on fine motion than on coarse."""


def choose_motion_coding(planes: Sequence[Tensor], *, quality_weight: float, peak: int) -> MotionCoding:
    """The coding with the lowest bits per luma pixel + lambda * squared error of first symbols.

    `planes`: Y, U, V [T, H, W] of integer samples up to `peak`.
    """
    sample = _middle(planes)
    frames = len(sample[0])
    intervals = Intervals(frames, tuple(sorted({0, frames - 1})))
    luma = pad_planes(sample)[0]

    @cache
    def loss(coding: MotionCoding) -> float:
        motion = search_motion(luma, intervals, coding=coding, quality_weight=quality_weight, peak=peak)
        start = warm_start(sample, intervals, motion, quality_weight, peak=peak, coding=coding, with_filter=False)
        by_name = estimate_bits(start.symbols, intervals)
        bits = sum(bits * (MOTION_SHARE if name == MOTION else BAND_SHARE) for name, bits in by_name.items())
        return bits / sample[0].numel() + quality_weight * start.squared_error

    coding = MotionCoding(inherits=True)
    for cell in MotionWaveletShape.MOTION_CELLS[1:]:
        larger = replace(coding, cell=cell)
        if loss(larger) >= loss(coding):
            break
        coding = larger
    steps = (replace(coding, flow_step=FLOW_STEP * factor) for factor in (0.5, 2))
    coding = min(
        (coding, *steps, replace(coding, inherits=False)),
        key=lambda coding: loss(coding) * (1 - TO_GAIN * (coding.flow_step == FLOW_STEP)),
    )
    overlapping = replace(coding, overlaps=True)
    return overlapping if loss(overlapping) < loss(coding) * (1 - TO_GAIN) else coding


def _middle(planes: Sequence[Tensor]) -> list[Tensor]:
    """The sample of Y, U, V [T, H, W]."""
    frames, height, width = planes[0].shape
    first = max(0, frames - SAMPLE_FRAMES) // 2
    top, left = (max(0, side - SAMPLE_SIDE) // 4 * 2 for side in (height, width))  # even: chroma has half
    return [
        plane[
            first : first + SAMPLE_FRAMES,
            top // scale : (top + SAMPLE_SIDE) // scale,
            left // scale : (left + SAMPLE_SIDE) // scale,
        ]
        for plane, scale in zip(planes, (1, 2, 2), strict=True)
    ]
