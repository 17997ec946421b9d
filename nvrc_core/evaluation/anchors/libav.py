"""x264, x265 and SVT-AV1 as they come with PyAV, and decoders of elementary streams.

A point is what `Anchor.command` writes with the ffmpeg program: one intra frame, then the encoder's own choice
of B-frames and references, and no message that spells out the settings. Streams carry geometry, timing and
colour tags, as an .nvrc file does. Every encoder gets constant frame durations: some spend bits by them.
"""

import functools
import os
import re
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.anchors.encoder import Anchor, Encoded, Planes, frames_of
from nvrc_core.evaluation.anchors.frames import coded_format, from_coded, sample_type, to_coded

ONE_INTRA_FRAME = "9999"
SVT_PSNR = "1"

# A supplemental enhancement information unit of H.264 with its start code, up to the next one.
_H264_SEI = re.compile(rb"\x00?\x00\x00\x01\x06.*?(?=\x00?\x00\x00\x01|\Z)", re.DOTALL)

_SVT_GREY_FRAME = """
import av, fractions
encoder = av.CodecContext.create("libsvtav1", "w")
encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p10le"
encoder.framerate, encoder.time_base = 25, fractions.Fraction(1, 25)
encoder.options = {"preset": "12"}
encoder.encode(av.VideoFrame(64, 64, "yuv420p10le"))
encoder.encode(None)
"""


@dataclass(frozen=True)
class LibavAnchor(Anchor):
    """An encoder of FFmpeg's libraries. `coded_bit_depth` is what it always works in, None for the source's own.

    Odd 4:2:0 sides and sides under `smallest_side_px` are padded at the right and at the bottom by repeating
    the last samples; rate and quality are over the true area.
    """

    encoder: ClassVar[str]
    decoder: ClassVar[str]
    smallest_side_px: ClassVar[int]
    coded_bit_depth: ClassVar[int | None] = None
    command_tail: ClassVar[str] = ""

    @abstractmethod
    def options(self, q: float) -> dict[str, str]:
        """FFmpeg's options of the encoder, by name."""

    def encode(self, planes: Planes, video: VideoFormat, q: float) -> Encoded:
        self.check_q(q)
        return Encoded(b"".join(self._packets(planes, video, self.options(q))))

    def decode(self, stream: bytes, video: VideoFormat) -> Iterator[Planes]:
        return decode_stream(stream, self.decoder, video, self._coded(video), self.threads)

    def command(self, video: VideoFormat, q: float) -> str:
        options = " ".join(f"-{name} {value}" for name, value in self.options(q).items())
        pixels = self._coded(video).pixel_format.name
        return f"ffmpeg -i CLIP -an -pix_fmt {pixels} -c:v {self.encoder} {options}{self.command_tail} OUT"

    def _coded(self, video: VideoFormat) -> VideoFormat:
        if self.coded_bit_depth is not None and video.pixel_format.bit_depth > self.coded_bit_depth:
            raise UsageError(
                f"{self.codec} codes {self.coded_bit_depth} bits a sample, not the {video.pixel_format.bit_depth} "
                f"of {video.pixel_format.name}"
            )
        return coded_format(video, self.smallest_side_px, self.coded_bit_depth)

    def _packets(self, planes: Planes, video: VideoFormat, options: dict[str, str]) -> Iterator[bytes]:
        coded = self._coded(video)
        encoder = self._context(coded)
        encoder.options = dict(options)  # FFmpeg takes out what it knows
        try:
            for index, frame_planes in enumerate(frames_of(planes)):
                frame = av.VideoFrame(coded.width, coded.height, coded.pixel_format.name)
                for plane, target in zip(to_coded(frame_planes, video, coded), frame.planes, strict=True):
                    _samples(target, coded)[:, : plane.shape[1]] = plane
                frame.pts, frame.time_base = index, encoder.time_base
                yield from map(bytes, encoder.encode_lazy(frame))
            # Lazily: an interrupt waits for a packet, not for all frames that the encoder still holds.
            yield from map(bytes, encoder.encode_lazy(None))
        except av.error.FFmpegError as error:
            settings = " ".join(f"{name}={value}" for name, value in options.items())
            size = f"{coded.width}x{coded.height}"
            raise UsageError(f"{self.codec} refuses {size} with {settings}: {error.strerror}") from error

    def _context(self, coded: VideoFormat) -> av.VideoCodecContext:
        try:
            codec = av.Codec(self.encoder, "w")
        except av.codec.codec.UnknownCodecError:
            raise ResourceError(
                f"this PyAV has no {self.codec}; its wheels from PyPI have one: pip install av"
            ) from None
        if coded.pixel_format.name not in {layout.name for layout in codec.video_formats}:
            raise UsageError(f"this PyAV's {self.codec} does not code {coded.pixel_format.name}")
        encoder = codec.create()
        encoder.width, encoder.height, encoder.pix_fmt = coded.width, coded.height, coded.pixel_format.name
        encoder.framerate, encoder.time_base = coded.frame_rate, 1 / coded.frame_rate
        encoder.sample_aspect_ratio = coded.sample_aspect or Fraction(0, 1)
        encoder.color_primaries, encoder.color_trc = coded.color.primaries, coded.color.transfer
        encoder.colorspace = coded.color.matrix
        encoder.color_range = {None: 0, False: 1, True: 2}[coded.color.full_range]
        # Threads work on frames of their own, as in the ffmpeg program: on slices they would cost bits.
        encoder.thread_count, encoder.thread_type = self.threads, "FRAME"
        return encoder


@dataclass(frozen=True)
class X264(LibavAnchor):
    """x264 at a constant rate factor. The bytes depend on the number of threads."""

    preset: str = "veryslow"

    codec: ClassVar[str] = "x264"
    default_q: ClassVar[tuple[float, ...]] = (18, 24, 30, 36, 42)
    q_range: ClassVar[tuple[float, float]] = (0, 51)
    encoder: ClassVar[str] = "libx264"
    decoder: ClassVar[str] = "h264"
    smallest_side_px: ClassVar[int] = 16
    command_tail: ClassVar[str] = " -bsf:v filter_units=remove_types=6 -f h264"

    @property
    def version(self) -> str:
        return _x264_version()

    def options(self, q: float) -> dict[str, str]:
        tune = {"tune": self.tune} if self.tune else {}
        options = {"preset": self.preset} | tune | {"crf": f"{q:g}", "g": ONE_INTRA_FRAME, "threads": str(self.threads)}
        # x264's AVX-512 code for macroblock trees reads memory that nobody wrote: the bytes would depend, by
        # about 1 %, on what the process did before.
        return options | ({"x264-params": "asm=AVX2"} if _has_avx512() else {})

    def encode(self, planes: Planes, video: VideoFormat, q: float) -> Encoded:
        return Encoded(_H264_SEI.sub(b"", super().encode(planes, video, q).stream))


@dataclass(frozen=True)
class X265(LibavAnchor):
    """x265 at a constant rate factor. The bytes do not depend on the number of threads."""

    preset: str = "veryslow"

    codec: ClassVar[str] = "x265"
    default_q: ClassVar[tuple[float, ...]] = (18, 24, 30, 36, 42)
    q_range: ClassVar[tuple[float, float]] = (0, 51)
    encoder: ClassVar[str] = "libx265"
    decoder: ClassVar[str] = "hevc"
    # x265 refuses sides under 16, and x265 4.2 writes beyond its buffers (a crash, now and then) at widths
    # under 50. From its largest coding tree unit on, every even size is safe.
    smallest_side_px: ClassVar[int] = 64
    command_tail: ClassVar[str] = " -f hevc"

    @property
    def version(self) -> str:
        return _x265_version()

    def options(self, q: float) -> dict[str, str]:
        # One frame at a time: with the frame threads of a large machine the stream could become another one.
        parameters = f"crf={q:g}:keyint=-1:info=0:pools={self.threads}:frame-threads=1:log-level=none"
        return {"preset": self.preset} | ({"tune": self.tune} if self.tune else {}) | {"x265-params": parameters}


@dataclass(frozen=True)
class SvtAv1(LibavAnchor):
    """SVT-AV1 at a constant rate factor, in 10 bits. `preset` and `tune` are its numbers; tune 1, PSNR, if None."""

    preset: str = "4"

    codec: ClassVar[str] = "svtav1"
    default_q: ClassVar[tuple[float, ...]] = (18, 30, 42, 52, 62)
    q_range: ClassVar[tuple[float, float]] = (1, 63)
    whole_q: ClassVar[bool] = True
    encoder: ClassVar[str] = "libsvtav1"
    decoder: ClassVar[str] = "libdav1d"
    smallest_side_px: ClassVar[int] = 64
    coded_bit_depth: ClassVar[int | None] = 10
    command_tail: ClassVar[str] = " -f obu"

    @property
    def series(self) -> str:
        return "_".join(filter(None, (self.codec, f"p{self.preset}", self.tune and f"tune{self.tune}")))

    @property
    def version(self) -> str:
        return _svtav1_version()

    def options(self, q: float) -> dict[str, str]:
        tune = SVT_PSNR if self.tune is None else self.tune
        if not tune.isdecimal():  # FFmpeg would go on without it
            raise UsageError(f"svtav1 has no tune {tune!r}: its tunes are numbers, such as {SVT_PSNR} for PSNR")
        parameters = f"tune={tune}:lp={self.threads}"
        return {"preset": self.preset, "crf": f"{q:g}", "g": ONE_INTRA_FRAME, "svtav1-params": parameters}

    def encode(self, planes: Planes, video: VideoFormat, q: float) -> Encoded:
        # It writes its settings to standard error; this variable is its only switch for that.
        os.environ.setdefault("SVT_LOG", "0")
        return super().encode(planes, video, q)


def decode_stream(
    stream: bytes, decoder: str, video: VideoFormat, coded: VideoFormat, threads: int
) -> Iterator[list[np.ndarray]]:
    """The frames of an elementary stream of `coded`, in the order of display, as frames of `video`, [H, W].

    `decoder` is FFmpeg's name. Raises `ResourceError` where this PyAV lacks it or it fails.
    """
    try:
        context = av.CodecContext.create(decoder, "r")
    except av.codec.codec.UnknownCodecError:
        raise ResourceError(f"this PyAV has no decoder {decoder}: pip install --upgrade av") from None
    context.thread_count, context.thread_type = threads, "AUTO"
    try:
        packets = [*context.parse(stream), *context.parse(None)]
        for packet in [*packets, None]:
            for frame in context.decode(packet):
                yield from_coded([_samples(plane, coded) for plane in frame.planes], video, coded)
    except av.error.FFmpegError as error:
        raise ResourceError(f"the decoder {decoder} fails on the encoder's stream: {error.strerror}") from error


def _samples(plane: av.video.plane.VideoPlane, video: VideoFormat) -> np.ndarray:
    """A view of a plane's memory, [rows, columns with the alignment's spare ones]."""
    return np.frombuffer(plane, sample_type(video)).reshape(plane.height, -1)


@functools.cache
def _has_avx512() -> bool:
    try:
        return "avx512" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _message(anchor: LibavAnchor, options: dict[str, str], pattern: bytes) -> str | None:
    """What the encoder writes into the stream of a grey frame about itself."""
    video = VideoFormat(64, 64)
    grey = [np.full((1, *shape), 128, np.uint8) for shape in video.plane_shapes]
    found = re.search(pattern, b"".join(anchor._packets(grey, video, options)))
    return b" ".join(found.groups()).decode("ascii", "replace") if found else None


@functools.cache
def _x264_version() -> str:
    return _message(X264(), {"preset": "ultrafast"}, rb"(x264) - (core \d+[^-\x00]*[^- \x00])") or "x264"


@functools.cache
def _x265_version() -> str:
    options = {"preset": "ultrafast", "x265-params": "info=1:log-level=none:pools=1"}
    return _message(X265(), options, rb"(x265 \(build \d+\) - [^:\x00]+)") or "x265"


@functools.cache
def _svtav1_version() -> str:
    # Streams do not tell; the log on standard error does, which only another process can be asked for.
    done = subprocess.run(
        [sys.executable, "-c", _SVT_GREY_FRAME], env=os.environ | {"SVT_LOG": "3"}, capture_output=True, check=False
    )
    found = re.search(rb"SVT-AV1 Encoder Lib (\S+)", done.stderr)
    return f"SVT-AV1 {found[1].decode()}" if found else "SVT-AV1"
