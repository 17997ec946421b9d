"""A small moving clip in any format, for encoders to work on."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from nvrc_formats.video import ColorTags, VideoFormat

FRAMES = 6


@pytest.fixture(scope="session")
def drifting_clip() -> Callable[[VideoFormat], list[np.ndarray]]:
    """Of a format: a textured picture that moves by a sample and a half a frame, Y, U, V [T, H, W]."""

    def clip(video: VideoFormat) -> list[np.ndarray]:
        planes = []
        for index, (height, width) in enumerate(video.plane_shapes):
            scale = width / video.width
            t, y, x = np.ogrid[:FRAMES, :height, :width]
            waves = np.sin((x / scale + 1.5 * t) * 0.35) + np.cos((y / scale - t) * 0.23 * (1 + index))
            fine = np.sin((x / scale + 1.5 * t) * (y / scale) * 0.05)
            peak = video.pixel_format.peak
            picture = (0.5 + 0.15 * waves + 0.1 * fine) * peak
            planes.append(np.round(picture).astype(np.uint8 if peak == 255 else np.uint16))
        return planes

    return clip


@pytest.fixture(scope="session")
def video() -> VideoFormat:
    """80x64, with tags and a rate that is no whole number."""
    tags = ColorTags(1, 1, 1, full_range=False)
    return VideoFormat(80, 64, frame_rate=Fraction(30000, 1001), sample_aspect=Fraction(12, 11), color=tags)


@pytest.fixture(scope="session")
def planes(video: VideoFormat, drifting_clip: Callable[[VideoFormat], list[np.ndarray]]) -> list[np.ndarray]:
    """The clip of `video`."""
    return drifting_clip(video)
