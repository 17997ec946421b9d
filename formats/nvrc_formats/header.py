"""What the headers say: frozen dataclasses that check themselves, and msgpack arrays of their fields.

A dataclass here validates its fields whoever makes it, an encoder or a parser, so a header that exists is a
valid one. On the wire a record is an array of its fields in the order of declaration (SPEC sections 3 and 4).
Fields after the known ones are ignored: that is how a newer minor version adds some.

Everything raises `HeaderError` naming the field and its value; a representation that is too large as a whole is a
`LimitError`.
"""

import math
import reprlib
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from typing import Any

import msgpack

from nvrc_formats import limits
from nvrc_formats.errors import HeaderError, LimitError
from nvrc_formats.records import (
    check_fraction,
    check_hash,
    check_int,
    check_ints,
    check_number,
    check_text,
    read_record,
    unpack_strict,
)
from nvrc_formats.shapes import HinervShape, MotionWaveletShape
from nvrc_formats.video import PIXEL_FORMATS, ColorTags, VideoFormat

Shape = HinervShape | MotionWaveletShape
SHAPES = {shape.KIND: shape for shape in (HinervShape, MotionWaveletShape)}
"""The kinds of representation, by the name that a file has for them."""


@dataclass(frozen=True)
class Settings:
    """What made the file, for people and tools; decoding does not depend on it.

    `preset`: its name, 1 to 64 printable ASCII characters. `quality_weight`: lambda of the loss, >= 0.
    `target_bpp`: the requested bits per luma pixel, >= 0, None where no rate was requested.
    `seed`: 0 to 2**64 - 1.
    """

    preset: str
    quality_weight: float
    target_bpp: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_text("preset", self.preset)
        check_number("quality_weight", self.quality_weight)
        if self.target_bpp is not None:
            check_number("target_bpp", self.target_bpp)
        check_int("seed", self.seed, 0, limits.MAX_SEED)


@dataclass(frozen=True)
class StreamHeader:
    """What holds for the whole file.

    `encoder`: name and version of the program that wrote it, 1 to 64 printable ASCII characters.
    """

    video: VideoFormat
    encoder: str
    settings: Settings

    def __post_init__(self) -> None:
        video, color = self.video, self.video.color
        check_int("width", video.width, 1, limits.MAX_SIDE_PX)
        check_int("height", video.height, 1, limits.MAX_SIDE_PX)
        if PIXEL_FORMATS.get(video.pixel_format.name) != video.pixel_format:
            raise HeaderError(f"pixel_format is {video.pixel_format}, which is not in the format's table")
        check_fraction("frame_rate", video.frame_rate, 1)
        check_fraction("time_base", video.time_base, 1)
        check_fraction("sample_aspect", video.sample_aspect, 0)
        check_int("primaries", color.primaries, 0, limits.MAX_COLOR_CODE)
        check_int("transfer", color.transfer, 0, limits.MAX_COLOR_CODE)
        check_int("matrix", color.matrix, 0, limits.MAX_COLOR_CODE)
        if type(color.full_range) not in (bool, type(None)):
            raise HeaderError(f"full_range is {reprlib.repr(color.full_range)}, not true, false or nil")
        check_int("chroma_location", color.chroma_location, 0, limits.MAX_CHROMA_LOCATION)
        check_text("encoder", self.encoder)


def pack_stream_header(header: StreamHeader) -> bytes:
    """The payload of a HEAD chunk."""
    video = header.video
    return msgpack.packb(
        [
            video.width,
            video.height,
            video.pixel_format.name,
            video.frame_rate.as_integer_ratio(),
            video.time_base.as_integer_ratio(),
            video.sample_aspect.as_integer_ratio(),
            astuple(video.color),
            header.encoder,
            astuple(header.settings),
        ]
    )


def unpack_stream_header(payload: bytes) -> StreamHeader:
    """Read the payload of a HEAD chunk; HeaderError if it breaks a rule."""
    record = unpack_strict(payload, "stream header", limits.MAX_HEADER_ITEMS)
    width, height, name, rate, base, aspect, color, encoder, settings = read_record(record, "stream header", 9)
    check_text("pixel_format", name)
    if name not in PIXEL_FORMATS:
        raise HeaderError(f"pixel_format is {name!r}, which needs a newer version of nvrc")
    video = VideoFormat(
        width,
        height,
        PIXEL_FORMATS[name],
        _fraction("frame_rate", rate),
        _fraction("time_base", base),
        _fraction("sample_aspect", aspect),
        ColorTags(*read_record(color, "color", 5)),
    )
    return StreamHeader(video, encoder, Settings(*read_record(settings, "settings", 4)))


def _fraction(name: str, value: Any) -> Fraction:
    check_ints(name, value, (2, 2), 0, limits.MAX_TERM)
    numerator, denominator = value
    # One value, one spelling: a file that is read and written again stays the same.
    if denominator == 0 or math.gcd(numerator, denominator) != 1:
        raise HeaderError(f"{name} is {value}, not a fraction in lowest terms")
    return Fraction(numerator, denominator)


@dataclass(frozen=True)
class SegmentHeader:
    """One segment: frames `first_frame` to `first_frame + frames - 1` of the video, counted in display order.

    `durations`: of each frame in units of the video's time base, >= 1; empty where all frames last
    `VideoFormat.frame_duration`. `symbol_hash`, `picture_hash`: 8 bytes each, see `checksum`.
    """

    first_frame: int
    frames: int
    durations: tuple[int, ...]
    representation: Shape
    symbol_hash: bytes
    picture_hash: bytes

    def __post_init__(self) -> None:
        check_int("first_frame", self.first_frame, 0, limits.MAX_FRAMES - 1)
        check_int("frames", self.frames, 1, min(limits.MAX_SEGMENT_FRAMES, limits.MAX_FRAMES - self.first_frame))
        if self.durations != ():
            check_ints("durations", self.durations, (self.frames,) * 2, 1, limits.MAX_DURATION_TICKS)
        check_hash("symbol_hash", self.symbol_hash)
        check_hash("picture_hash", self.picture_hash)

    def check_against(self, video: VideoFormat, first_frame: int, frames: int | None = None) -> None:
        """HeaderError if the segment cannot stand at `first_frame` of `video`, LimitError if it would be too large.

        Nothing of what the segment declares may be allocated before this.

        `first_frame`: the frames of all segments before it. `frames`: what the index says, where it was read.
        """
        check_int("first_frame", self.first_frame, first_frame, first_frame)
        if frames is not None:
            check_int("frames", self.frames, frames, frames)
        self.representation.check_segment(self.frames, video)
        parameters = self.representation.parameter_count(self.frames, video)
        if parameters > limits.MAX_PARAMETERS:
            raise LimitError(f"the segment has {parameters} parameters, more than {limits.MAX_PARAMETERS}")
        duration = video.frame_duration or 0
        if not self.durations and not 0 < duration <= limits.MAX_DURATION_TICKS:
            raise HeaderError(
                f"durations are empty, but at {video.frame_rate} frames a second a frame does not last "
                f"1 to {limits.MAX_DURATION_TICKS} times {video.time_base} s"
            )


def pack_segment(header: SegmentHeader, coded: bytes) -> bytes:
    """The payload of a SEGM chunk: u16 length of the header, the header, the coded symbols."""
    packed = msgpack.packb(
        [
            header.first_frame,
            header.frames,
            header.durations,
            [header.representation.KIND, *astuple(header.representation)],
            header.symbol_hash,
            header.picture_hash,
        ]
    )
    assert len(packed) <= limits.MAX_HEADER_BYTES, "MAX_SEGMENT_FRAMES durations of 5 bytes and as many keys of 3 fit"
    return len(packed).to_bytes(2, "little") + packed + coded


def unpack_segment(payload: bytes) -> tuple[SegmentHeader, bytes]:
    """Split the payload of a SEGM chunk into header and coded symbols; HeaderError if it breaks a rule."""
    length = int.from_bytes(payload[:2], "little")
    if len(payload) < 2 + length or length == 0:
        raise HeaderError(f"a segment header of {length} bytes in a payload of {len(payload)} bytes")
    record = unpack_strict(payload[2 : 2 + length], "segment header", limits.MAX_HEADER_ITEMS)
    first, frames, durations, shape, symbols, picture = read_record(record, "segment header", 6)
    header = SegmentHeader(first, frames, durations, _shape(shape), symbols, picture)
    return header, payload[2 + length :]


def _shape(value: Any) -> Shape:
    (kind,) = read_record(value, "representation", 1)
    check_text("representation kind", kind)
    if kind not in SHAPES:
        raise HeaderError(f"representation kind is {kind!r}, which needs another version of nvrc")
    shape = SHAPES[kind]
    return shape(*read_record(value, "representation", 1 + len(fields(shape)))[1:])
