"""Where decoded frames go: y4m and raw planes, lossless FFV1 in Matroska, or a lossy MP4 for viewing.

A sink is chosen by the suffix of its target. All of them write to one binary stream, front to back.
"""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

import av
import av.filter
import numpy as np
from nvrc_formats.rawvideo import Planes, RawWriter, check_planes
from nvrc_formats.video import VideoFormat
from nvrc_formats.y4m import Y4mWriter

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.media.output import STDOUT, check_output, is_special, output_stream, write_errors
from nvrc_core.media.source import SAMPLE_ASPECT_TAG

# By ColorTags.chroma_location.
_CHROMA_NAMES = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")

# FFmpeg's FFV1 encoder finds no valid slices for some pictures of a few rows or columns.
MIN_SLICED_SIDE_PX = 8

Durations = Sequence[int] | None


class _Writer(Protocol):
    def write(self, planes: Planes) -> None: ...

    def finish(self) -> None:
        """Write what is still held back; called once, after the last frame."""

    def abandon(self) -> None:
        """Release what is held without caring for the output; must not raise."""


class Sink:
    """An open output. `notices` say, a line each, what the target cannot keep."""

    def __init__(self, name: str, writer: _Writer, notices: tuple[str, ...]) -> None:
        self.name = name
        self.notices = notices
        self._writer = writer

    def write(self, planes: Planes) -> None:
        """Append one frame of uint8 planes [H, W].

        Raises ResourceError where it cannot be written, BrokenPipeError where the reader of a pipe has
        gone, and ValueError for planes that are not those of the sink's VideoFormat.
        """
        with _writing(self.name):
            self._writer.write(planes)


def open_sink(
    target: str | Path, video: VideoFormat, overwrite: bool = False, durations: Durations = None
) -> AbstractContextManager[Sink]:
    """A context manager of a Sink; a file stands complete at `target` when the block ends well, or not at all.

    By suffix: .y4m, .yuv (planes only), .mkv (FFV1: bit-exact, with colour tags, sample aspect and time
    stamps, these to the millisecond), .mp4 (H.264 at CRF 12: a lossy copy for viewing, with the same
    tags and exact time stamps). "-" is y4m on standard output, as is a device or FIFO without a suffix.
    `durations` are those of the frames in `video.time_base` units; None stands for the constant rate.

    Raises UsageError at once, before the block is entered, where the suffix is unknown, the target cannot
    hold this video, or `check_output` refuses it.
    """
    kind = _kind_of(target)
    check_output(target, overwrite)
    name = "standard output" if str(target) == STDOUT else str(target)
    direct = str(target) == STDOUT or is_special(target)
    if direct and not kind.streamable:
        raise UsageError(f"{name}: {Path(target).suffix} output needs a regular file")
    if kind.even_sizes_only and (video.width % 2 or video.height % 2):
        raise UsageError(
            f"{name}: {video.width}x{video.height} is odd, which H.264 in 4:2:0 cannot hold; use .mkv or .y4m"
        )
    notices = []
    if not kind.keeps_timing and durations and _varies(video, durations):
        notices.append(f"{name} cannot keep the input's variable frame durations; .mkv and .mp4 can")
    return _opened(target, name, kind, video, overwrite, durations, tuple(notices))


@contextmanager
def _opened(
    target: str | Path,
    name: str,
    kind: "_Kind",
    video: VideoFormat,
    overwrite: bool,
    durations: Durations,
    notices: tuple[str, ...],
) -> Iterator[Sink]:
    with output_stream(target, overwrite) as stream:
        with _writing(name):
            writer = kind.open(stream, video, durations)
        try:
            yield Sink(name, writer, notices)
            with _writing(name):
                writer.finish()
                stream.flush()
        finally:
            writer.abandon()


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """`write_errors` for FFmpeg's failures as well."""
    try:
        with write_errors(name):
            yield
    except av.error.FFmpegError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise ResourceError(f"cannot write {name}: {error.strerror}") from error


class _PlainWriter:
    """y4m or raw planes: nothing is held back."""

    def __init__(self, writer: Y4mWriter | RawWriter) -> None:
        self.write = writer.write

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class _ContainerWriter:
    """One video track through PyAV."""

    def __init__(
        self,
        stream: BinaryIO,
        video: VideoFormat,
        durations: Durations,
        *,
        container: str,
        codec: str,
        options: dict[str, str],
    ) -> None:
        self._video = video
        self._times = itertools.pairwise(_starts(video, durations))
        self._container = av.open(stream, "w", format=container)
        siting = {"chroma_sample_location": _CHROMA_NAMES[video.color.chroma_location]}
        self._track = self._container.add_stream(codec, _nominal_rate(video, durations), options | siting)
        self._track.width, self._track.height = video.width, video.height
        self._track.pix_fmt = video.pixel_format.name
        context = self._track.codec_context
        context.time_base = video.time_base
        context.color_primaries = video.color.primaries
        context.color_trc = video.color.transfer
        context.colorspace = video.color.matrix
        context.color_range = {None: 0, False: 1, True: 2}[video.color.full_range]
        self._aspect_filter = None
        if video.sample_aspect:
            context.sample_aspect_ratio = video.sample_aspect
            aspect = video.sample_aspect
            self._track.metadata[SAMPLE_ASPECT_TAG] = f"{aspect.numerator}/{aspect.denominator}"
            self._aspect_filter = _aspect_filter(video)

    def write(self, planes: Planes) -> None:
        check_planes(planes, self._video.plane_shapes)
        times = next(self._times, None)
        if times is None:
            raise ValueError("there are more frames than durations")
        picture = av.VideoFrame(self._video.width, self._video.height, self._video.pixel_format.name)
        for target, plane in zip(picture.planes, planes, strict=True):
            lines = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
            lines[: plane.shape[0], : plane.shape[1]] = plane
        picture.pts, picture.duration = times[0], times[1] - times[0]
        picture.time_base = self._video.time_base
        if self._aspect_filter is not None:
            self._aspect_filter.push(picture)
            picture = self._aspect_filter.pull()
        self._container.mux(self._track.encode(picture))

    def finish(self) -> None:
        self._container.mux(self._track.encode(None))
        self._container.close()

    def abandon(self) -> None:
        with suppress(OSError, av.error.FFmpegError):
            self._container.close()


def _aspect_filter(video: VideoFormat) -> av.filter.Graph:
    """Marks every frame with the sample aspect, which FFV1 stores in its own headers.

    PyAV can set the aspect of the encoder but not of the Matroska track, so players learn it from the
    frames, and we from a tag.
    """
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(
            width=video.width,
            height=video.height,
            format=video.pixel_format.name,
            time_base=video.time_base,
        ),
        graph.add("setsar", str(video.sample_aspect)),
        graph.add("buffersink"),
    ).configure()
    return graph


def _starts(video: VideoFormat, durations: Durations) -> Iterator[int]:
    """Start times of the frames in `time_base` units, and the end of the last."""
    if durations is not None:
        return itertools.accumulate(durations, initial=0)
    interval = 1 / (video.frame_rate * video.time_base)
    return (round(index * interval) for index in itertools.count())


def _varies(video: VideoFormat, durations: Sequence[int]) -> bool:
    """Whether the durations differ from the constant rate by more than the rounding of a time stamp."""
    interval = 1 / (video.frame_rate * video.time_base)
    return any(abs(duration - interval) >= 1 for duration in durations)


def _nominal_rate(video: VideoFormat, durations: Durations) -> Fraction:
    """The rate to state for a track: of a variable one, that of its commonest duration."""
    if not durations or not _varies(video, durations):
        return video.frame_rate
    return 1 / (statistics.mode(durations) * video.time_base)


def _y4m(stream: BinaryIO, video: VideoFormat, _durations: Durations) -> _Writer:
    return _PlainWriter(Y4mWriter(stream, video))


def _yuv(stream: BinaryIO, video: VideoFormat, _durations: Durations) -> _Writer:
    return _PlainWriter(RawWriter(stream, video))


def _mkv(stream: BinaryIO, video: VideoFormat, durations: Durations) -> _Writer:
    # Every frame a key frame: each can be sought to. Version 3 adds checksums, but its slices need room.
    roomy = min(video.width, video.height) >= MIN_SLICED_SIDE_PX
    options = {"g": "1"} | ({"level": "3", "slicecrc": "1"} if roomy else {"level": "1"})
    return _ContainerWriter(stream, video, durations, container="matroska", codec="ffv1", options=options)


def _mp4(stream: BinaryIO, video: VideoFormat, durations: Durations) -> _Writer:
    return _ContainerWriter(stream, video, durations, container="mp4", codec="libx264", options={"crf": "12"})


@dataclass(frozen=True)
class _Kind:
    """How to open a kind of output, and what it can hold."""

    open: Callable[[BinaryIO, VideoFormat, Durations], _Writer]
    keeps_timing: bool = False
    streamable: bool = True
    even_sizes_only: bool = False


KINDS = {
    ".y4m": _Kind(_y4m),
    ".yuv": _Kind(_yuv),
    ".mkv": _Kind(_mkv, keeps_timing=True),
    ".mp4": _Kind(_mp4, keeps_timing=True, streamable=False, even_sizes_only=True),
}


def _kind_of(target: str | Path) -> _Kind:
    suffix = Path(target).suffix.lower()
    if str(target) == STDOUT or (not suffix and is_special(target)):
        return KINDS[".y4m"]
    if suffix not in KINDS:
        what = f"has the unknown suffix {suffix}" if suffix else "has no suffix"
        raise UsageError(f"output {target} {what}; supported are {', '.join(KINDS)}")
    return KINDS[suffix]
