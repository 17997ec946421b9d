"""Anything that can be measured, opened as one kind of thing: video files, raw planes, and .nvrc files, decoded frame
by frame while they are read."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from nvrc_formats import y4m
from nvrc_formats.container import MAGIC
from nvrc_formats.rawvideo import Planes
from nvrc_formats.video import PLANAR_FORMATS, YUV420P, PixelFormat, VideoFormat

from nvrc_core.media.selection import FrameRange
from nvrc_core.media.source import Input, open_input, read_errors, read_source
from nvrc_core.segment import SegmentDecoder
from nvrc_core.stream import STDIN, Stream, read_stream


@dataclass(frozen=True)
class RawVideo:
    """What raw planes do not state: size (width, height in luma samples), frames per second, pixel format."""

    size: tuple[int, int]
    rate: Fraction = y4m.DEFAULT_RATE
    pixel_format: PixelFormat = YUV420P


@dataclass(frozen=True)
class Pictures:
    """An open video. `frames` starts to decode, a .nvrc file on the device given; it may be called once.

    Each frame is its planes, uint8 or uint16 [H, W].
    """

    name: str
    video: VideoFormat
    frames: Callable[[torch.device], Iterator[Planes]]
    notices: tuple[str, ...] = ()


@contextmanager
def open_pictures(path: str, frames: FrameRange, raw: RawVideo | None = None) -> Iterator[Pictures]:
    """Open the wanted frames of a path, or of standard input for "-".

    `raw` describes the input where it is raw planes: where it is named .yuv, or is standard input that starts
    neither as y4m nor as .nvrc. Raises MediaError and FormatError, now or while frames are read.
    """
    with open_input(path) as opened:
        if opened.start.startswith(MAGIC):
            with read_errors(opened.name):
                stream = read_stream(opened.name, opened.stream)
            yield Pictures(opened.name, stream.header.video, lambda device: _decoded(stream, frames, device))
            return
        with read_source(opened, PLANAR_FORMATS, *_raw_parameters(path, opened, raw)) as source:
            wanted = itertools.islice(source, frames.start, frames.stop)
            yield Pictures(
                source.name, source.video, lambda _device: (frame.planes for frame in wanted), source.notices
            )


def _raw_parameters(path: str, opened: Input, raw: RawVideo | None) -> tuple:
    is_raw = Path(path).suffix.lower() == ".yuv" or (path == STDIN and opened.start != y4m.MAGIC)
    return (raw.size, raw.rate, raw.pixel_format) if raw and is_raw else ()


def _decoded(stream: Stream, frames: FrameRange, device: torch.device) -> Iterator[Planes]:
    with read_errors(stream.name):
        for segment in stream.segments:
            header = segment.header
            wanted = frames.within(header.first_frame, header.frames)
            if wanted:
                yield from SegmentDecoder(header, segment.payload, stream.header.video).frames(wanted, device)
            elif frames.stop is not None and header.first_frame >= frames.stop:
                return
