"""Where a video cuts to another scene."""

import math
from itertools import pairwise

import numpy as np

SUDDEN = 0.05
"""Mean absolute difference from the frame before, in units of the peak, beyond those of the frames around it. Motion
as fast as that goes on for some frames; a flash differs twice."""


def scene_cuts(luma: np.ndarray, peak: int) -> tuple[int, ...]:
    """The frames that begin another scene, ascending. A single frame is no scene.

    `luma`: integer samples [T, H, W] up to `peak`. The measure is that of FFmpeg's scdet, against both neighbours.
    """
    changes = [math.inf, *(_difference(*frames) / peak for frames in pairwise(luma)), math.inf]
    around = zip(changes, changes[1:], changes[2:], strict=False)
    return tuple(
        frame for frame, (before, here, after) in enumerate(around, start=1) if here - max(before, after) > SUDDEN
    )


def _difference(before: np.ndarray, frame: np.ndarray) -> float:
    return float(np.abs(frame.astype(np.int32) - before).mean())
