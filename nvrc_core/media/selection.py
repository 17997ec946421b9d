"""Which frames of a source are wanted, and those frames in memory."""

import itertools
import re
from dataclasses import dataclass

import numpy as np
from nvrc_formats.limits import MAX_SEGMENT_FRAMES
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import MediaError, UsageError
from nvrc_core.media.source import Source


@dataclass(frozen=True)
class FrameRange:
    """Frames `start` (from 0) up to, not including, `stop`; None stands for the end of the input."""

    start: int = 0
    stop: int | None = None

    @classmethod
    def parse(cls, text: str) -> "FrameRange":
        """Read "A:B", either side may be empty. Raises UsageError for anything else or an empty range."""
        match = re.fullmatch(r"([0-9]{0,9}):([0-9]{0,9})", text)
        if not match:
            raise UsageError(f"frame range {text!r} is not of the form A:B, such as 0:60, 30: or :100")
        start, stop = int(match[1] or 0), int(match[2]) if match[2] else None
        if stop is not None and stop <= start:
            raise UsageError(f"frame range {text!r} is empty: B is the first frame that is left out")
        return cls(start, stop)

    def within(self, first: int, count: int) -> range:
        """The wanted ones of `count` frames from `first` on, counted from these frames' own first."""
        stop = count if self.stop is None else min(count, self.stop - first)
        return range(max(0, self.start - first), stop)

    def __str__(self) -> str:
        return f"{self.start}:{'' if self.stop is None else self.stop}"


ALL_FRAMES = FrameRange()


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames in memory: `planes` are Y, U, V, each uint8 [T, H, W]; `durations` has T entries.

    Durations are in `video.time_base` units. The last frame's, which no time stamp tells, is that of the
    frame before it, or else the nominal one.
    """

    video: VideoFormat
    planes: list[np.ndarray]
    durations: tuple[int, ...]

    @property
    def frame_count(self) -> int:
        """T, the number of frames."""
        return len(self.durations)


def read_clip(source: Source, frame_range: FrameRange = ALL_FRAMES, most: int = MAX_SEGMENT_FRAMES) -> Clip:
    """Read the wanted frames, and nothing after the last of them.

    `most`: how many there may be, below 1 where pictures are too large. Raises MediaError where the range selects no
    frame or too many, and whatever reading the source raises.
    """
    chosen: list[list[np.ndarray]] = [[], [], []]
    stamps: list[int] = []
    seen = 0
    for frame in source:
        if seen >= frame_range.start:
            if len(stamps) >= most:
                raise MediaError(f"{source.name} has {_too_much(source.video, most)}")
            stamps.append(frame.pts)
            for stack, plane in zip(chosen, frame.planes, strict=True):
                stack.append(plane)
        seen += 1
        if seen == frame_range.stop:
            break
    if not stamps:
        raise MediaError(f"{source.name} has {seen} frames, so the range {frame_range} selects none")
    planes = []
    for stack in chosen:
        planes.append(np.stack(stack))
        stack.clear()  # a plane's frames are held twice only while that plane is stacked
    return Clip(source.video, planes, _durations(stamps, source.video))


def _too_much(video: VideoFormat, most: int) -> str:
    if most < 1:
        return f"pictures of {video.width}x{video.height}, which are too large to code"
    return f"more frames than the {most} that are coded at once; choose some with --frames"


def _durations(stamps: list[int], video: VideoFormat) -> tuple[int, ...]:
    known = [later - earlier for earlier, later in itertools.pairwise(stamps)]
    return (*known, known[-1] if known else video.frame_duration or 1)
