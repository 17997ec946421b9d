"""VVenC (H.266) through the ffmpeg program that the package imageio-ffmpeg brings; PyAV decodes its streams."""

import functools
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.anchors.encoder import Anchor, Encoded, Planes, frames_of
from nvrc_core.evaluation.anchors.frames import coded_format, raw_bytes, to_coded
from nvrc_core.evaluation.anchors.libav import decode_stream

PRESETS = ("faster", "fast", "medium", "slow", "slower")

# Seconds from one intra frame to the next, longer than the clips that are measured.
INTRA_PERIOD_S = 100


@dataclass(frozen=True)
class VVenC(Anchor):
    """VVenC at a constant QP, in 10 bits, without its perceptual QP adaptation (`-qpa 0`): tuned for PSNR.

    Needs 4:2:0 of at most 10 bits. Sides are padded as for the other encoders.
    """

    preset: str = "medium"

    codec: ClassVar[str] = "vvenc"
    default_q: ClassVar[tuple[float, ...]] = (16, 22, 28, 34, 40, 46)
    q_name: ClassVar[str] = "QP"
    q_range: ClassVar[tuple[float, float]] = (0, 63)
    whole_q: ClassVar[bool] = True
    smallest_side_px: ClassVar[int] = 64
    coded_bit_depth: ClassVar[int] = 10

    @property
    def version(self) -> str:
        return _version(_program())

    def encode(self, planes: Planes, video: VideoFormat, q: float) -> Encoded:
        self._check_settings(q)
        coded = self._coded(video)
        with tempfile.TemporaryDirectory(prefix="nvrc-vvenc-") as folder:
            stream = Path(folder, "stream.vvc")
            command = [_program(), *_quiet(), *_raw_input(coded), *self._options(q), str(stream)]
            frames = (raw_bytes(to_coded(frame, video, coded)) for frame in frames_of(planes))
            _run(command, frames, Path(folder))
            return Encoded(stream.read_bytes())

    def decode(self, stream: bytes, video: VideoFormat) -> Iterator[Planes]:
        return decode_stream(stream, "vvc", video, self._coded(video), self.threads)

    def command(self, video: VideoFormat, q: float) -> str:
        options = shlex.join(self._options(q))
        return f"ffmpeg -i CLIP -an -pix_fmt {self._coded(video).pixel_format.name} {options} OUT"

    def _options(self, q: float) -> list[str]:
        settings = {"c:v": "libvvenc", "preset": self.preset, "qp": f"{q:g}", "qpa": 0, "period": INTRA_PERIOD_S}
        settings |= {"threads": self.threads, "f": "vvc"}
        return [word for name, value in settings.items() for word in (f"-{name}", str(value))]

    def _check_settings(self, q: float) -> None:
        self.check_q(q)
        if self.preset not in PRESETS:
            raise UsageError(f"vvenc has no preset {self.preset!r}; it has {', '.join(PRESETS)}")
        if self.tune is not None:
            raise UsageError(f"vvenc has no tunes, so not {self.tune!r} either")

    def _coded(self, video: VideoFormat) -> VideoFormat:
        layout = video.pixel_format
        if layout.bit_depth > self.coded_bit_depth or (layout.chroma_x, layout.chroma_y) != (2, 2):
            raise UsageError(f"vvenc codes 4:2:0 in 10 bits, not {layout.name}")
        return coded_format(video, self.smallest_side_px, self.coded_bit_depth)


def _program() -> str:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ResourceError("vvenc needs imageio-ffmpeg: pip install 'nvrc[eval]'") from None
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise ResourceError("imageio-ffmpeg has no ffmpeg for this machine; IMAGEIO_FFMPEG_EXE can name one") from None


def _quiet() -> list[str]:
    return ["-hide_banner", "-nostats", "-loglevel", "error", "-y"]


def _raw_input(coded: VideoFormat) -> list[str]:
    """Raw frames on standard input, with everything that a container would tell about them."""
    color = coded.color
    told = {
        "color_primaries": color.primaries,
        "color_trc": color.transfer,
        "colorspace": color.matrix,
        "color_range": {None: 0, False: 1, True: 2}[color.full_range],
        "f": "rawvideo",
        "pix_fmt": coded.pixel_format.name,
        "video_size": f"{coded.width}x{coded.height}",
        "framerate": coded.frame_rate,
        "i": "pipe:0",
    }
    words = [word for name, value in told.items() for word in (f"-{name}", str(value))]
    return [*words, "-vf", f"setsar={coded.sample_aspect or 0}"]


def _run(command: list[str], frames: Iterator[bytes], folder: Path) -> None:
    """Feeds the program; an interruption ends it. Raises `ResourceError` with its last words where it fails."""
    log = folder / "log"
    with log.open("wb") as errors, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors) as process:
        try:
            with suppress(BrokenPipeError), process.stdin as pipe:  # where it fails, its exit status tells
                for frame in frames:
                    pipe.write(frame)
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
    if status:
        words = log.read_text(errors="replace").strip().splitlines() or ["it says nothing"]
        raise ResourceError(f"vvenc's ffmpeg ended with exit status {status}: {words[-1]}")


@functools.cache
def _version(program: str) -> str:
    """Its verbose log tells, e.g. "VVenC 1.15.0-dev"."""
    video = coded_format(VideoFormat(64, 64), 64, 10)
    grey = raw_bytes([np.full(shape, 512, np.uint16) for shape in video.plane_shapes])
    command = [program, "-hide_banner", "-loglevel", "verbose", *_raw_input(video), "-c:v", "libvvenc"]
    command += ["-preset", "faster", "-f", "null", "-"]
    done = subprocess.run(command, input=grey, capture_output=True, check=False)
    found = re.search(rb"libvvenc version: (\S+)", done.stderr)
    return f"VVenC {found[1].decode()}" if found else "VVenC"
