"""How finely motion is coded: detail that is worth its bits wants fine motion, fast motion of plain things coarse."""

from collections.abc import Sequence

from torch import Tensor

from nvrc_core.fitting.motion_search import FLOW_STEP, search_motion
from nvrc_core.fitting.warm_start import MOTION, estimate_bits, pad_planes, warm_start
from nvrc_core.representation.intervals import Intervals

CANDIDATES = (FLOW_STEP, FLOW_STEP / 2, FLOW_STEP * 2)
TO_GAIN = 0.01  # of the loss: smaller differences did not last through whole fits
SAMPLE_FRAMES, SAMPLE_SIDE = 17, 384
"""From the middle of the segment, and luma samples along a side from the middle of the picture: few enough to search
three times, and most frames have references as near as here."""

BAND_SHARE, MOTION_SHARE = 0.85, 0.5
"""Of the estimated bits, what counts: bands' when their priors are fitted; motion's so that the choice is that of whole
fits, which save more on fine motion than on coarse."""


def choose_flow_step(planes: Sequence[Tensor], *, quality_weight: float, peak: int) -> float:
    """The step of flow in luma samples with the lowest bits per luma pixel + lambda * squared error of first symbols.

    `planes`: Y, U, V [T, H, W] of integer samples up to `peak`.
    """
    sample = _middle(planes)
    frames = len(sample[0])
    intervals = Intervals(frames, tuple(sorted({0, frames - 1})))
    luma = pad_planes(sample)[0]

    def loss(flow_step: float) -> float:
        motion = search_motion(luma, intervals, flow_step=flow_step, quality_weight=quality_weight, peak=peak)
        start = warm_start(sample, intervals, motion, quality_weight, peak=peak, flow_step=flow_step)
        by_name = estimate_bits(start.symbols, intervals)
        bits = sum(bits * (MOTION_SHARE if name == MOTION else BAND_SHARE) for name, bits in by_name.items())
        return bits / sample[0].numel() + quality_weight * start.squared_error

    return min(CANDIDATES, key=lambda step: loss(step) * (1 - TO_GAIN * (step == FLOW_STEP)))


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
