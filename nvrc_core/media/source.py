"""Video inputs, files or pipes, as native planes: nothing is converted, scaled or interpolated.

YUV4MPEG2 (known by its content) and raw planes are read by `nvrc_formats`; all else goes through PyAV.
"""

import io
import itertools
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.stream
import numpy as np
from nvrc_formats import y4m
from nvrc_formats.container import MAGIC as NVRC_MAGIC
from nvrc_formats.errors import VideoFileError
from nvrc_formats.rawvideo import RawReader
from nvrc_formats.video import PIXEL_FORMATS, YUV420P, ColorTags, PixelFormat, VideoFormat

from nvrc_core.errors import MediaError
from nvrc_core.media.frame import Frame, FrameClock
from nvrc_core.media.output import STDOUT as STDIN

# FFmpeg's other names of layouts, which state full range by the name alone.
FULL_RANGE_NAMES = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p"}

# Where a container states no rate at all, FFmpeg's own convention.
DEFAULT_RATE = Fraction(25)

# A guessed (nominal) rate this near to the measured average is the rate; further off, the rate varies.
NOMINAL_RATE_TOLERANCE = Fraction(1, 50)

# Bytes 4 to 8 of an MP4 or QuickTime file.
MP4_MARK = b"ftyp"

# A Matroska track tag for what PyAV cannot set in the track itself; `sink` writes it, we read it back.
SAMPLE_ASPECT_TAG = "SAMPLE_ASPECT_RATIO"

_CHROMA_LOCATIONS = {"left": 1, "center": 2, "topleft": 3, "top": 4, "bottomleft": 5, "bottom": 6}


@dataclass(frozen=True)
class Source:
    """An open input. Iterate once: frames come in display order, each with planes of its own.

    `notices` are things about the input that its user should know, a line each. Iterating raises
    MediaError, naming the frame, where the input turns out damaged or changes its size or format.
    """

    name: str
    video: VideoFormat
    frames: Iterator[Frame]
    notices: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Frame]:
        return self.frames


@dataclass(frozen=True)
class Input:
    """An open file or pipe. `start`: its first bytes, which `stream` still has before it."""

    name: str
    stream: BinaryIO
    start: bytes


@contextmanager
def open_source(
    path: str | Path, *, raw_size: tuple[int, int] | None = None, raw_rate: Fraction | None = None
) -> Iterator[Source]:
    """Open a file, or standard input where `path` is "-".

    Raw planes, which state nothing about themselves, need `raw_size` (width, height in luma samples) and
    `raw_rate` (frames per second); input named .yuv is raw, and any input for which a size is given.
    Raises MediaError, one line, for an input that is missing, unreadable, empty, without video, or of a
    kind that is not supported yet, which is all but 8-bit 4:2:0.
    """
    with open_input(path) as opened, read_source(opened, PIXEL_FORMATS, raw_size, raw_rate) as source:
        yield source


@contextmanager
def open_input(path: str | Path) -> Iterator[Input]:
    """Open a file, or standard input for "-", of any kind. Raises MediaError where it is missing or empty."""
    name = "standard input" if str(path) == STDIN else str(path)
    with ExitStack() as cleanup:
        with read_errors(name):
            stream, start = _with_first_bytes(_open_stream(path, cleanup), len(y4m.MAGIC))
            if start[4:8] == MP4_MARK and not stream.seekable():
                stream = _spooled(stream, cleanup)
        if not start:
            raise MediaError(f"{name} is empty")
        yield Input(name, stream, start)


@contextmanager
def read_source(
    opened: Input,
    formats: Mapping[str, PixelFormat],
    raw_size: tuple[int, int] | None = None,
    raw_rate: Fraction | None = None,
    raw_format: PixelFormat = YUV420P,
) -> Iterator[Source]:
    """The video of an open input; see `open_source`. `formats` are the pixel formats that the caller can take."""
    name, stream = opened.name, opened.stream
    with ExitStack() as cleanup:
        if raw_size is not None or Path(name).suffix.lower() == ".yuv":
            video = _raw_format(name, raw_size, raw_rate, raw_format)
            source = Source(name, video, _stream_frames(name, RawReader(stream, video)))
        elif opened.start.startswith(NVRC_MAGIC):
            raise MediaError(f"{name} is a .nvrc file already: `nvrc decode` makes a video of it")
        elif opened.start == y4m.MAGIC:
            with read_errors(name):
                reader = y4m.Y4mReader(stream)
            _check_format(name, reader.video.pixel_format.name, formats)
            first, frames = _expect_frame(name, _stream_frames(name, reader))
            source = Source(name, reader.video, itertools.chain([first], frames))
        else:
            source = _container_source(name, stream, cleanup, formats)
        yield source


def _check_format(name: str, layout: str, formats: Mapping[str, PixelFormat]) -> None:
    if FULL_RANGE_NAMES.get(layout, layout) not in formats:
        supported = "8-bit 4:2:0" if set(formats) == {YUV420P.name} else ", ".join(formats)
        raise MediaError(f"{name}: pixel format {layout} is not supported yet ({supported} only)")


@contextmanager
def read_errors(name: str, frame_idx: int | None = None) -> Iterator[None]:
    """Turn whatever reading can raise in the block into a MediaError of one line."""
    where = "" if frame_idx is None else f" at frame {frame_idx}"
    try:
        yield
    except InterruptedError:
        raise KeyboardInterrupt from None
    except FileNotFoundError:
        raise MediaError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise MediaError(f"{name} is a directory, not a video") from None
    except PermissionError:
        raise MediaError(f"{name}: permission denied") from None
    except VideoFileError as error:
        raise MediaError(f"{name}: {error}") from error
    except av.error.FFmpegError as error:
        raise MediaError(f"{name} cannot be decoded{where}: {error.strerror}") from error
    except OSError as error:
        raise MediaError(f"{name} cannot be read{where}: {error.strerror or error}") from error


def _open_stream(path: str | Path, cleanup: ExitStack) -> BinaryIO:
    if str(path) == STDIN:
        return sys.stdin.buffer
    return cleanup.enter_context(open(path, "rb"))


def _spooled(stream: BinaryIO, cleanup: ExitStack) -> BinaryIO:
    """The rest of a pipe as a temporary file: an MP4's index may come last, and reading starts with it."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `cleanup`
    cleanup.callback(spool.close)
    shutil.copyfileobj(stream, spool)
    spool.seek(0)
    return spool


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were already taken, put together again."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start, self._rest = start, rest
        self._interrupted = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        chunk = self._start[: len(buffer)]
        self._start = self._start[len(chunk) :]
        if not chunk:
            # read1 returns what a pipe has at once, where read would wait for all of it.
            chunk = self._interruptible(self._rest.read1, len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _interruptible(self, read: Callable[[int], bytes], count: int) -> bytes:
        # PyAV, which may be calling, drops what is not an Exception, and FFmpeg reads on after a failure:
        # an interrupt has to travel as an OSError, again and again. read_errors turns it back.
        try:
            if not self._interrupted:
                return read(count)
        except KeyboardInterrupt:
            self._interrupted = True
        raise InterruptedError


def _with_first_bytes(stream: BinaryIO, count: int) -> tuple[BinaryIO, bytes]:
    """The first `count` bytes (fewer only where the stream ends), and a stream that still starts with them."""
    start = stream.read(count)
    if stream.seekable():
        stream.seek(-len(start), io.SEEK_CUR)  # a redirected standard input may not be at 0
        return stream, start
    return io.BufferedReader(_Rejoined(start, stream)), start


def _raw_format(
    name: str, size: tuple[int, int] | None, rate: Fraction | None, pixel_format: PixelFormat
) -> VideoFormat:
    if size is None or rate is None:
        raise MediaError(f"{name} is raw video: its frame size and frame rate have to be given")
    if not all(1 <= side <= y4m.MAX_SIZE for side in size) or rate <= 0:
        raise MediaError(f"{name}: raw video of {size[0]}x{size[1]} at {rate} frames per second is not possible")
    return VideoFormat(*size, pixel_format=pixel_format, frame_rate=rate, time_base=1 / rate)


def _stream_frames(name: str, reader: RawReader | y4m.Y4mReader) -> Iterator[Frame]:
    with read_errors(name):
        for index, planes in enumerate(reader):
            yield Frame(planes, index)


def _expect_frame(name: str, frames: Iterator) -> tuple:
    """The first frame, and the iterator over the others."""
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{name} has no video frames")
    return first, frames


def _container_source(name: str, stream: BinaryIO, cleanup: ExitStack, formats: Mapping[str, PixelFormat]) -> Source:
    def refuse(url: str, *_: object) -> BinaryIO:
        # A playlist or a reference inside an input must not make us open other files or addresses.
        raise MediaError(f"{name} is not a video itself but refers to {url}, which is not followed")

    with read_errors(name):
        try:
            container = av.open(
                stream,
                "r",
                # No protocol is called that; a list of clips would otherwise open files past io_open.
                container_options={"protocol_whitelist": "none"},
                metadata_errors="replace",
                io_open=refuse,
            )
        except (av.error.InvalidDataError, av.error.EOFError) as error:
            raise MediaError(f"{name} is not a video file that can be read") from error
    cleanup.enter_context(container)
    track = _video_track(name, container)
    # The first picture, not the container, has the last word on size, layout and colour.
    first, others = _expect_frame(name, _pictures(name, container, track))
    layout = first.format.name
    _check_format(name, layout, formats)
    video, clock = _describe(container, track, first, formats[FULL_RANGE_NAMES.get(layout, layout)])

    def frames() -> Iterator[Frame]:
        for index, picture in enumerate(itertools.chain([first], others)):
            found = (picture.width, picture.height, picture.format.name)
            if found != (first.width, first.height, first.format.name):
                raise MediaError(f"{name} changes to {found[0]}x{found[1]} {found[2]} at frame {index}")
            yield Frame(_planes(picture, video.pixel_format), clock.stamp(picture.pts))

    notices = []
    if first.rotation:
        notices.append(f"{name} is marked as rotated by {first.rotation} degrees; the mark is not kept")
    if first.interlaced_frame:
        notices.append(f"{name} is interlaced; its frames are taken as progressive")
    return Source(name, video, frames(), tuple(notices))


def _video_track(name: str, container: av.container.InputContainer) -> av.VideoStream:
    cover = av.stream.Disposition.attached_pic  # a picture beside music is no video
    tracks = [track for track in container.streams.video if not track.disposition & cover]
    if not tracks:
        what = "only audio" if container.streams.audio else "no video stream"
        raise MediaError(f"{name} has {what}")
    if tracks[0].codec_context is None:
        raise MediaError(f"{name}: there is no decoder for its video stream")
    return tracks[0]


def _pictures(name: str, container: av.container.InputContainer, track: av.VideoStream) -> Iterator[av.VideoFrame]:
    decoded = container.decode(track)
    for index in itertools.count():
        with read_errors(name, index):
            picture = next(decoded, None)
        if picture is None:
            return
        if picture.is_corrupt:
            raise MediaError(f"{name} is damaged at frame {index}")
        yield picture


def _describe(
    container: av.container.InputContainer, track: av.VideoStream, first: av.VideoFrame, pixel_format: PixelFormat
) -> tuple[VideoFormat, FrameClock]:
    average = track.average_rate or track.guessed_rate or DEFAULT_RATE
    nominal = track.guessed_rate or average
    clock = FrameClock(nominal, first.time_base or 1 / nominal)
    full_range = True if first.format.name in FULL_RANGE_NAMES else {1: False, 2: True}.get(first.color_range)
    video = VideoFormat(
        width=first.width,
        height=first.height,
        pixel_format=pixel_format,
        frame_rate=nominal if abs(nominal - average) <= average * NOMINAL_RATE_TOLERANCE else average,
        time_base=clock.time_base,
        sample_aspect=track.sample_aspect_ratio or _tagged_aspect(track),
        color=ColorTags(
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
            matrix=int(first.colorspace),
            full_range=full_range,
            chroma_location=_chroma_location(container, track.index),
        ),
    )
    return video, clock


def _tagged_aspect(track: av.VideoStream) -> Fraction:
    match = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", track.metadata.get(SAMPLE_ASPECT_TAG, ""))
    return Fraction(int(match[1]), int(match[2])) if match else Fraction(0)


def _chroma_location(container: av.container.InputContainer, track_idx: int) -> int:
    """Where chroma samples lie, in FFmpeg's numbering; 0 where it is not known.

    PyAV has no property for it, but FFmpeg's description of the input names it at its verbose level:
    "Stream #0:0: Video: h264 (High), ..., yuv420p(tv, bt709, progressive, topleft), 320x240, ...".
    """
    level = av.logging.get_level()
    try:
        av.logging.set_level(av.logging.VERBOSE)
        av.logging.set_libav_level(av.logging.VERBOSE)
        description = container.dumps_format()
    finally:
        av.logging.set_level(level)
        av.logging.set_libav_level(av.logging.INFO)  # FFmpeg's default; PyAV cannot tell what it was
    stream = re.search(rf"Stream #0:{track_idx}\b.*?: Video: .*?\byuvj?\d+p\w*\(([^)]*)\)", description)
    words = re.split(r"[,/]\s*", stream[1]) if stream else []
    return next((_CHROMA_LOCATIONS[word] for word in words if word in _CHROMA_LOCATIONS), 0)


def _planes(picture: av.VideoFrame, pixel_format: PixelFormat) -> tuple[np.ndarray, ...]:
    """Copies of the planes, uint8 or (more than 8 bits) uint16 [H, W], without the padding at the end of each line."""
    samples = np.dtype(np.uint8 if pixel_format.bit_depth <= 8 else "<u2")
    planes = []
    for plane in picture.planes:
        lines = np.frombuffer(plane, samples).reshape(-1, abs(plane.line_size) // samples.itemsize)
        planes.append(lines[: plane.height, : plane.width].astype(samples.newbyteorder("=")))
    return tuple(planes)
