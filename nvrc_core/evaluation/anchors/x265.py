"""Conventional encoders as reference points: real bytes of x265 on the same frames, under the same meter.

A point is what `ffmpeg -c:v libx265 -preset P -x265-params crf=Q:keyint=-1:info=0 -f hevc` writes: one
intra frame, x265's own choice of B-frames and references, and no message that spells out the settings.
The stream carries geometry, timing and colour tags, as an .nvrc file does.
"""

import functools
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from nvrc_formats.video import YUV420P, VideoFormat

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.quality.psnr import Psnr, PsnrMeter

Planes = Sequence[np.ndarray]

CRF_RANGE = (0.0, 51.0)
# x265 refuses sides under 16, and x265 4.2 writes beyond its buffers (a crash, now and then) at widths under
# 50. From its largest coding tree unit on, every even size is safe.
SMALLEST_SIDE_PX = 64
FIRST_CRF = 28.0  # x265's default
LOG_RATE_PER_CRF = math.log(2) / 5  # typical: five steps of CRF halve the rate


@dataclass(frozen=True)
class AnchorPoint:
    """One encode of a clip. `bytes` is the elementary stream's length, `bpp` the same over luma samples."""

    codec: str
    preset: str
    crf: float
    bytes: int
    bpp: float
    psnr: Psnr
    encode_s: float
    version: str
    tune: str | None = None

    def rd_record(self, clip: str) -> dict[str, object]:
        """The point as `nvrc_core.evaluation.curves.bdrate` reads it, plain values for a JSON file."""
        return {
            "clip": clip,
            "codec": self.codec,
            "series": "_".join(filter(None, (self.codec, self.preset, self.tune))),
            "q": self.crf,
            "version": self.version,
            "bytes": self.bytes,
            "bpp": self.bpp,
            "psnr_y": self.psnr.y,
            "psnr_u": self.psnr.u,
            "psnr_v": self.psnr.v,
            "psnr_yuv": self.psnr.yuv,
            "encode_s": self.encode_s,
        }


def encode_x265(
    planes: Planes,
    video: VideoFormat,
    crf: float,
    preset: str = "veryslow",
    tune: str | None = None,
    threads: int = 2,
) -> AnchorPoint:
    """Encode Y, U, V (uint8 [T, H, W] each, uint16 above 8 bits), decode the bytes again and measure them.

    x265 takes no odd 4:2:0 sides and no small ones (`SMALLEST_SIDE_PX`): such planes are padded at the
    right and at the bottom by repeating their last samples; rate and PSNR are over the true area. Raises
    `UsageError` where x265 refuses the settings, `ResourceError` where PyAV comes without x265.
    """
    _check_planes(planes, video)
    if not CRF_RANGE[0] <= crf <= CRF_RANGE[1]:
        raise UsageError(f"x265 takes a CRF from {CRF_RANGE[0]:g} to {CRF_RANGE[1]:g}, not {crf:g}")
    options = {"preset": preset, "x265-params": _parameters(crf, threads)} | ({"tune": tune} if tune else {})
    start = time.perf_counter()
    stream = _encode(planes, video, options)
    encode_s = time.perf_counter() - start
    meter = PsnrMeter(video.pixel_format.peak)
    for original, decoded in zip(_frames(planes), _decode(stream, video), strict=True):
        meter.update(original, decoded)
    frames, height, width = planes[0].shape
    return AnchorPoint(
        codec="x265",
        preset=preset,
        crf=crf,
        bytes=len(stream),
        bpp=8 * len(stream) / (width * height * frames),
        psnr=meter.result(),
        encode_s=encode_s,
        version=x265_version(),
        tune=tune,
    )


def x265_curve(
    planes: Planes,
    video: VideoFormat,
    crfs: Sequence[float],
    preset: str = "veryslow",
    tune: str | None = None,
    threads: int = 2,
) -> list[AnchorPoint]:
    """One point for each CRF, in the order given."""
    return [encode_x265(planes, video, crf, preset, tune, threads) for crf in crfs]


def x265_at_bpp(
    planes: Planes,
    video: VideoFormat,
    bpp: float,
    preset: str = "veryslow",
    tune: str | None = None,
    threads: int = 2,
    tolerance: float = 0.01,
    max_encodes: int = 8,
) -> AnchorPoint:
    """The encode whose rate is nearest to `bpp` (as a ratio), by a bracketing search over the CRF.

    Ends within `tolerance` of the target, or after `max_encodes`, or where the CRF has no further to go:
    read the rate off the point. Raises `UsageError` for a rate that is not positive.
    """
    if not (math.isfinite(bpp) and bpp > 0):
        raise UsageError(f"a target rate must be above 0 bits per pixel, not {bpp:g}")
    tried: dict[float, AnchorPoint] = {}
    excess: dict[float, float] = {}  # CRF -> ln(rate / target)
    crf = FIRST_CRF
    while crf not in tried and len(tried) < max_encodes:
        tried[crf] = encode_x265(planes, video, crf, preset, tune, threads)
        excess[crf] = math.log(tried[crf].bpp / bpp)
        if abs(excess[crf]) <= tolerance:
            break
        crf = _next_crf(excess)
    return tried[min(excess, key=lambda crf: abs(excess[crf]))]


@functools.cache
def x265_version() -> str:
    """What x265 calls itself in the message that real encodes leave out, e.g. "x265 (build 216) - 4.2"."""
    grey = [np.full((1, *shape), 128, np.uint8) for shape in YUV420P.plane_shapes(16, 16)]
    options = {"preset": "ultrafast", "x265-params": "info=1:log-level=none:pools=1"}
    message = re.search(rb"x265 \(build \d+\) - [^:\x00]+", _encode(grey, VideoFormat(16, 16), options))
    return message[0].decode("ascii", "replace") if message else "x265 of an unknown version"


def _parameters(crf: float, threads: int) -> str:
    # One frame at a time: with the frame threads of a large machine the stream could become another one.
    return f"crf={crf:g}:keyint=-1:info=0:pools={threads}:frame-threads=1:log-level=none"


def _next_crf(excess: dict[float, float]) -> float:
    """The CRF to try next; ln(rate) falls nearly linearly with it. Steps are a hundredth."""
    too_large = max((crf for crf, log_ratio in excess.items() if log_ratio > 0), default=None)
    too_small = min((crf for crf, log_ratio in excess.items() if log_ratio <= 0), default=None)
    if too_large is None:
        guess = too_small + excess[too_small] / LOG_RATE_PER_CRF
    elif too_small is None:
        guess = too_large + excess[too_large] / LOG_RATE_PER_CRF
    else:
        share = excess[too_large] / (excess[too_large] - excess[too_small])
        guess = too_large + share * (too_small - too_large)
    return round(min(max(guess, CRF_RANGE[0]), CRF_RANGE[1]), 2)


def _check_planes(planes: Planes, video: VideoFormat) -> None:
    shapes = [plane.shape for plane in planes]
    if shapes != [(len(planes[0]), *shape) for shape in video.plane_shapes] or not len(planes[0]):
        raise ValueError(f"planes of the shapes {shapes} are not a clip of {video.plane_shapes}")
    if any(plane.dtype != _sample_type(video) for plane in planes):
        raise ValueError(f"{video.pixel_format.name} needs planes of {_sample_type(video)}")


def _sample_type(video: VideoFormat) -> np.dtype:
    return np.dtype(np.uint8 if video.pixel_format.bit_depth == 8 else np.uint16)


def _frames(planes: Planes) -> Iterator[tuple[np.ndarray, ...]]:
    return zip(*planes, strict=True)


def _coded_format(video: VideoFormat) -> VideoFormat:
    """`video` with sides grown to what x265 takes: whole chroma samples, and not too few."""

    def grown(side_px: int, multiple: int) -> int:
        return max(-(-side_px // multiple) * multiple, SMALLEST_SIDE_PX)

    layout = video.pixel_format
    return replace(video, width=grown(video.width, layout.chroma_x), height=grown(video.height, layout.chroma_y))


def _encode(planes: Planes, video: VideoFormat, options: dict[str, str]) -> bytes:
    coded = _coded_format(video)
    try:
        encoder = av.CodecContext.create("libx265", "w")
    except av.codec.codec.UnknownCodecError:
        raise ResourceError("this PyAV has no x265; its wheels from PyPI have one") from None
    encoder.width, encoder.height, encoder.pix_fmt = coded.width, coded.height, coded.pixel_format.name
    # Not only a tag: x265 spends bits by a frame's duration.
    encoder.framerate, encoder.time_base = video.frame_rate, 1 / video.frame_rate
    encoder.sample_aspect_ratio = video.sample_aspect or Fraction(0, 1)
    encoder.color_primaries, encoder.color_trc = video.color.primaries, video.color.transfer
    encoder.colorspace = video.color.matrix
    encoder.color_range = {None: 0, False: 1, True: 2}[video.color.full_range]
    encoder.options = options
    stream = bytearray()
    try:
        for index, frame_planes in enumerate(_frames(planes)):
            frame = _to_frame(frame_planes, coded)
            frame.pts, frame.time_base = index, 1 / video.frame_rate
            for packet in encoder.encode(frame):
                stream += bytes(packet)
        for packet in encoder.encode(None):
            stream += bytes(packet)
    except av.error.FFmpegError as error:
        settings = " ".join(f"{name}={value}" for name, value in options.items())
        size = f"{coded.width}x{coded.height}"
        raise UsageError(f"x265 refuses {size} with {settings}: {error.strerror}") from error
    return bytes(stream)


def _decode(stream: bytes, video: VideoFormat) -> Iterator[list[np.ndarray]]:
    """The frames of an Annex B stream in the order of display, cropped to the area of `video`."""
    decoder = av.CodecContext.create("hevc", "r")
    packets = [*decoder.parse(stream), *decoder.parse(None)]
    for packet in [*packets, None]:
        for frame in decoder.decode(packet):
            rows = [_samples(plane, video) for plane in frame.planes]
            yield [r[:h, :w] for r, (h, w) in zip(rows, video.plane_shapes, strict=True)]


def _to_frame(planes: Planes, coded: VideoFormat) -> av.VideoFrame:
    frame = av.VideoFrame(coded.width, coded.height, coded.pixel_format.name)
    for source, target, (height, width) in zip(planes, frame.planes, coded.plane_shapes, strict=True):
        margins = (0, height - source.shape[0]), (0, width - source.shape[1])
        _samples(target, coded)[:, :width] = np.pad(source, margins, mode="edge")
    return frame


def _samples(plane: av.video.plane.VideoPlane, video: VideoFormat) -> np.ndarray:
    """A view of a plane's memory, [rows, columns with the alignment's spare ones]."""
    return np.frombuffer(plane, _sample_type(video)).reshape(plane.height, -1)
