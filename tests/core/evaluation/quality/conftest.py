"""Pairs of clips, of every kind that measures have to cope with."""

from collections.abc import Callable

import numpy as np
import pytest
from nvrc_formats.video import PLANAR_FORMATS, VideoFormat

Clip = list[list[np.ndarray]]

KINDS = {
    "8 bits": (176, 168, "yuv420p", 3),
    "10 bits": (176, 168, "yuv420p10le", 2),
    "odd sizes": (181, 163, "yuv420p", 2),
    "a single frame": (162, 164, "yuv420p", 1),
    "10 bits 4:4:4, odd": (171, 165, "yuv444p10le", 1),
}


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., tuple[Clip, Clip]]:
    """Makes two clips, each a list of frames of planes: bright slopes and texture, and the same with an error that
    grows from frame to frame and is cut at black and white."""

    def make(video: VideoFormat, frames: int, seed: int = 5) -> tuple[Clip, Clip]:
        rng = np.random.default_rng(seed)
        peak = video.pixel_format.peak
        dtype = np.uint8 if peak == 255 else np.uint16
        reference, test = [], []
        for index in range(frames):
            planes, others = [], []
            for height, width in video.plane_shapes:
                rows, columns = np.mgrid[:height, :width]
                slope = 0.5 + 0.6 * np.sin(columns / (17 + index)) * np.cos(rows / 23)
                plane = slope + 0.1 * rng.standard_normal(slope.shape) * (columns > width / 2)
                other = plane + (0.01 + 0.03 * index) * rng.standard_normal(slope.shape) + 0.004
                planes.append(np.clip(plane * peak, 0, peak).round().astype(dtype))
                others.append(np.clip(other * peak, 0, peak).round().astype(dtype))
            reference.append(planes)
            test.append(others)
        return reference, test

    return make


@pytest.fixture(scope="session", params=KINDS, ids=str)
def pair(request: pytest.FixtureRequest, make_pair) -> tuple[VideoFormat, Clip, Clip]:
    """A video's format and two clips of it, one kind after the other."""
    width, height, name, frames = KINDS[request.param]
    video = VideoFormat(width, height, PLANAR_FORMATS[name])
    return video, *make_pair(video, frames)
