"""Small clips made on the spot."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


def _picture(width: int, height: int, pixel_format: str, seed: int) -> av.VideoFrame:
    """Noise, also in the padding, so that a reader that takes padding for samples is found out."""
    generator = np.random.default_rng(seed)
    picture = av.VideoFrame(width, height, pixel_format)
    # Deep formats keep each sample in two bytes, of which the upper has to stay small.
    peak = 256 if "10" not in pixel_format else 4
    for plane in picture.planes:
        samples = np.frombuffer(plane, np.uint8)
        samples[:] = generator.integers(0, peak, samples.size)
    return picture


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip of noise with PyAV; `pts` are in 1/24000 s."""

    def make(
        name: str = "clip.mkv",
        *,
        codec: str = "ffv1",
        size: tuple[int, int] = (32, 16),
        pixel_format: str = "yuv420p",
        pts: tuple[int, ...] = (0, 1000, 2000, 3000),
        rate: Fraction = Fraction(24),
        options: dict[str, str] | None = None,
        **properties: object,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            track = container.add_stream(codec, rate, options or {})
            track.width, track.height = size
            track.pix_fmt = pixel_format
            track.codec_context.time_base = Fraction(1, 24000)
            for key, value in properties.items():
                setattr(track.codec_context, key, value)
            for index, stamp in enumerate(pts):
                picture = _picture(*size, pixel_format, index)
                picture.pts, picture.time_base = stamp, Fraction(1, 24000)
                container.mux(track.encode(picture))
            container.mux(track.encode(None))
        return path

    return make


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[[], Path]:
    """Writes a file that has sound only."""

    def make() -> Path:
        path = tmp_path / "sound.mkv"
        with av.open(str(path), "w") as container:
            track = container.add_stream("pcm_s16le", rate=8000)
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            chunk.sample_rate = 8000
            container.mux(track.encode(chunk))
            container.mux(track.encode(None))
        return path

    return make
