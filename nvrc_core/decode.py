"""From a file to a video."""

import time
from dataclasses import dataclass
from itertools import chain

from nvrc_formats.checksum import PictureHash
from nvrc_formats.video import VideoFormat

from nvrc_core.devices import runtime
from nvrc_core.errors import UsageError
from nvrc_core.events import EventHandler, FrameProgress, Notice, ignore
from nvrc_core.media.output import refuse_same_file
from nvrc_core.media.selection import ALL_FRAMES, FrameRange
from nvrc_core.media.sink import open_sink
from nvrc_core.segment import SegmentDecoder
from nvrc_core.stream import Segment, open_stream


@dataclass(frozen=True)
class DecodeResult:
    """Figures of a finished decode.

    `pixels_exact`: whether the samples are the encoder's own (False: they differ by rounding on this machine);
    None where only a part of a segment was rendered, which no hash covers.
    """

    frames: int
    width: int
    height: int
    decode_s: float
    device: str
    pixels_exact: bool | None


def decode(
    source: str,
    target: str,
    *,
    frames: FrameRange = ALL_FRAMES,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    on_event: EventHandler = ignore,
) -> DecodeResult:
    """Decodes the wanted frames of `source` ("-": standard input) to `target` ("-": y4m on standard output).

    Raises UsageError, MediaError, FormatError, SymbolMismatchError, ResourceError; `target` is then untouched.
    """
    start = time.monotonic()
    refuse_same_file(source, target)
    with open_stream(source) as stream, runtime(device, threads, stream.header.video.pixels) as where:
        video = stream.header.video
        parts = _select(list(stream.segments), frames)
        durations = tuple(chain.from_iterable(part.durations(video) for part in parts))
        done, exact = 0, []
        with open_sink(target, video, overwrite, durations) as sink:
            for notice in sink.notices:
                on_event(Notice(notice))
            for part in parts:
                segment = part.segment
                decoder = SegmentDecoder(segment.header, segment.payload, video)
                picture_hash = PictureHash()
                for planes in decoder.frames(part.frames, where.device):
                    sink.write(planes)
                    picture_hash.update(planes)
                    done += 1
                    on_event(FrameProgress("decode", done, len(durations)))
                if len(part.frames) == segment.header.frames:
                    exact.append(picture_hash.digest() == segment.header.picture_hash)
    if not all(exact):
        on_event(Notice("samples differ from the encoder's by rounding here; `nvrc verify` measures by how much"))
    return DecodeResult(
        frames=done,
        width=video.width,
        height=video.height,
        decode_s=time.monotonic() - start,
        device=where.name,
        pixels_exact=all(exact) if len(exact) == len(parts) else None,
    )


@dataclass(frozen=True)
class _Part:
    """Frames of a segment, counted from its first."""

    segment: Segment
    frames: range

    def durations(self, video: VideoFormat) -> tuple[int, ...]:
        """Of each frame, in `video.time_base` units."""
        durations = self.segment.header.durations
        return (
            durations[self.frames.start : self.frames.stop] if durations else (video.frame_duration,) * len(self.frames)
        )


def _select(segments: list[Segment], frames: FrameRange) -> list[_Part]:
    parts = []
    for segment in segments:
        wanted = frames.within(segment.header.first_frame, segment.header.frames)
        if wanted:
            parts.append(_Part(segment, wanted))
    if not parts:
        total = sum(segment.header.frames for segment in segments)
        raise UsageError(f"--frames {frames} selects none of the file's {total} frames")
    return parts
