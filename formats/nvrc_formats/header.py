"""What the headers say: frozen dataclasses that check themselves, and msgpack arrays of their fields.

A dataclass here validates its fields whoever makes it, an encoder or a parser, so a header that exists is a
valid one. On the wire a record is an array of its fields in the order of declaration (SPEC sections 3 and 4).
Fields after the known ones are ignored: that is how a newer minor version adds some.

Everything raises `HeaderError` naming the field and its value; a network that is too large as a whole is a
`LimitError`.
"""

import math
import reprlib
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import Any, ClassVar

import msgpack

from nvrc_formats import limits
from nvrc_formats.checksum import HASH_BYTES
from nvrc_formats.errors import HeaderError, LimitError
from nvrc_formats.video import PIXEL_FORMATS, ColorTags, VideoFormat


def unpack_strict(data: bytes, what: str, max_items: int) -> Any:
    """Exactly one msgpack value without maps and extensions, arrays of at most `max_items` as tuples.

    Raises HeaderError naming `what` for anything else.
    """

    def refuse(code: int, _: bytes) -> None:
        raise ValueError(f"extension type {code}")

    try:
        # The first pass builds nothing. It proves that the bytes are there for every length they declare;
        # without it a few kilobytes of nested array headers would make the second reserve tens of megabytes.
        scanner = msgpack.Unpacker(max_buffer_size=max(len(data), 1))
        scanner.feed(data)
        scanner.skip()
        if scanner.tell() != len(data):
            raise ValueError(f"{len(data) - scanner.tell()} bytes too many")
        return msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            ext_hook=refuse,
            max_str_len=limits.MAX_STRING_BYTES,
            max_bin_len=limits.MAX_STRING_BYTES,
            max_array_len=max_items,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise HeaderError(f"the {what} is not valid msgpack: {error or type(error).__name__}") from error


def read_record(value: Any, name: str, fields: int) -> tuple:
    """The first `fields` elements of an array; HeaderError if `value` is none or has fewer."""
    if type(value) is not tuple or len(value) < fields:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not an array of at least {fields} fields")
    return value[:fields]


def check_int(name: str, value: Any, low: int, high: int) -> None:
    """HeaderError unless `value` is an int (not a bool) from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not an integer from {low} to {high}")


def _check_ints(name: str, value: Any, lengths: tuple[int, int], low: int, high: int) -> None:
    if type(value) is not tuple or not lengths[0] <= len(value) <= lengths[1]:
        count = " to ".join(map(str, dict.fromkeys(lengths)))
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not an array of {count} integers")
    for position, item in enumerate(value):
        check_int(f"{name}[{position}]", item, low, high)


def _check_text(name: str, value: Any) -> None:
    # These strings go to terminals, where control characters would act. Beyond ASCII, what is printable changes
    # with each version of Unicode.
    is_printable = type(value) is str and value.isascii() and value.isprintable()
    if not is_printable or not 0 < len(value) <= limits.MAX_TEXT_CHARS:
        raise HeaderError(
            f"{name} is {reprlib.repr(value)}, not 1 to {limits.MAX_TEXT_CHARS} printable ASCII characters"
        )


def _check_number(name: str, value: Any) -> None:
    if type(value) is not float or not math.isfinite(value) or value < 0:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not a finite float of at least 0")


def _check_fraction(name: str, value: Fraction, low: int) -> None:
    if type(value) is not Fraction:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not a fraction")
    check_int(f"{name} numerator", value.numerator, low, limits.MAX_TERM)
    check_int(f"{name} denominator", value.denominator, 1, limits.MAX_TERM)


def _check_hash(name: str, value: Any) -> None:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not {HASH_BYTES} bytes")


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
        _check_text("preset", self.preset)
        _check_number("quality_weight", self.quality_weight)
        if self.target_bpp is not None:
            _check_number("target_bpp", self.target_bpp)
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
        _check_fraction("frame_rate", video.frame_rate, 1)
        _check_fraction("time_base", video.time_base, 1)
        _check_fraction("sample_aspect", video.sample_aspect, 0)
        check_int("primaries", color.primaries, 0, limits.MAX_COLOR_CODE)
        check_int("transfer", color.transfer, 0, limits.MAX_COLOR_CODE)
        check_int("matrix", color.matrix, 0, limits.MAX_COLOR_CODE)
        if type(color.full_range) not in (bool, type(None)):
            raise HeaderError(f"full_range is {reprlib.repr(color.full_range)}, not true, false or nil")
        check_int("chroma_location", color.chroma_location, 0, limits.MAX_CHROMA_LOCATION)
        _check_text("encoder", self.encoder)


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
    fields = unpack_strict(payload, "stream header", limits.MAX_HEADER_ITEMS)
    width, height, name, rate, base, aspect, color, encoder, settings = read_record(fields, "stream header", 9)
    _check_text("pixel_format", name)
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
    _check_ints(name, value, (2, 2), 0, limits.MAX_TERM)
    numerator, denominator = value
    # One value, one spelling: a file that is read and written again stays the same.
    if denominator == 0 or math.gcd(numerator, denominator) != 1:
        raise HeaderError(f"{name} is {value}, not a fraction in lowest terms")
    return Fraction(numerator, denominator)


@dataclass(frozen=True)
class HinervShape:
    """All that a decoder needs to know of the paper's representation in order to build it.

    `grid_size`: [T, H, W] of the finest level, whose cells the stages upsample; each further one of the
    `grid_levels` halves T, H, W (rounding down, at least 1) and doubles the channels, from `grid_channels`.
    Stage i upsamples both sides by `strides[i]`, adds a local temporal grid of `local_grid_channels[i]`
    (0: none) in `local_grid_levels`, and runs `depths[i]` blocks of `channels[i]`, widened `expansion` times
    inside.
    `output_stride`: luma pixels along each side of a rendered position, 1 or 2.
    """

    KIND: ClassVar[str] = "hinerv2"  # first element on the wire

    grid_size: tuple[int, int, int]
    grid_channels: int
    grid_levels: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    expansion: int
    local_grid_channels: tuple[int, ...]
    local_grid_levels: int
    output_stride: int

    def __post_init__(self) -> None:
        _check_ints("grid_size", self.grid_size, (3, 3), 1, limits.MAX_SIDE_PX)
        check_int("grid_size[0]", self.grid_size[0], 1, limits.MAX_SEGMENT_FRAMES)
        check_int("grid_channels", self.grid_channels, 1, limits.MAX_CHANNELS)
        check_int("grid_levels", self.grid_levels, 1, limits.MAX_LEVELS)
        _check_ints("channels", self.channels, (1, limits.MAX_STAGES), 1, limits.MAX_CHANNELS)
        stages = (len(self.channels), len(self.channels))
        _check_ints("strides", self.strides, stages, 1, limits.MAX_STRIDE)
        _check_ints("depths", self.depths, stages, 0, limits.MAX_DEPTH)
        check_int("expansion", self.expansion, 1, limits.MAX_EXPANSION)
        _check_ints("local_grid_channels", self.local_grid_channels, stages, 0, limits.MAX_CHANNELS)
        uses_local_grids = any(self.local_grid_channels)
        check_int("local_grid_levels", self.local_grid_levels, int(uses_local_grids), limits.MAX_LEVELS)
        check_int("output_stride", self.output_stride, 1, 2)
        coarsest = self.grid_channels << (self.grid_levels - 1)
        check_int("channels of the coarsest grid level", coarsest, 1, limits.MAX_CHANNELS)
        if uses_local_grids:
            coarsest = max(self.local_grid_channels) << (self.local_grid_levels - 1)
            check_int("channels of the coarsest local grid level", coarsest, 1, limits.MAX_CHANNELS)
        for side in self.rendered_size:
            check_int("a side of the rendered picture", side, 1, limits.MAX_RENDERED_SIDE_PX)

    @property
    def rendered_size(self) -> tuple[int, int]:
        """[H, W] in luma pixels of what the network renders; the picture is its top left part."""
        scale = math.prod(self.strides) * self.output_stride
        return self.grid_size[1] * scale, self.grid_size[2] * scale

    def check_covers(self, video: VideoFormat) -> None:
        """HeaderError if the network renders less than the picture, or cuts the chroma samples at its edges."""
        (rows, columns) = self.rendered_size
        if rows % video.pixel_format.chroma_y or columns % video.pixel_format.chroma_x:
            raise HeaderError(
                f"the network renders {columns}x{rows} pixels, not whole {video.pixel_format.name} samples"
            )
        if rows < video.height or columns < video.width:
            raise HeaderError(f"the network renders {columns}x{rows} pixels of a {video.width}x{video.height} picture")

    def parameter_count(self, frames: int) -> int:
        """Grid values and layer weights of a segment of `frames` frames; biases are not counted.

        SPEC section 9 defines this sum; it bounds what a header can make a decoder allocate.
        """
        total = 0
        width_in = self.channels[0]
        for level in range(self.grid_levels):
            cells = math.prod(max(side >> level, 1) for side in self.grid_size)
            total += (self.grid_channels << level) * (cells + 27 * width_in)  # a 3x3x3 stem
        stages = zip(self.channels, self.strides, self.depths, self.local_grid_channels, strict=True)
        for width, stride, depth, codes in stages:
            for level in range(self.local_grid_levels):
                total += (codes << level) * (max(frames >> level, 1) * stride**2 + width_in)
            for _ in range(depth):  # 3x3 depth-wise, expand, project
                total += 9 * width_in + self.expansion * width * (width_in + width)
                width_in = width
        return total + 3 * self.output_stride * width_in  # the head


@dataclass(frozen=True)
class SegmentHeader:
    """One segment: frames `first_frame` to `first_frame + frames - 1` of the video, counted in display order.

    `durations`: of each frame in units of the video's time base, >= 1; empty where all frames last
    `VideoFormat.frame_duration`. `symbol_hash`, `picture_hash`: 8 bytes each, see `checksum`.
    """

    first_frame: int
    frames: int
    durations: tuple[int, ...]
    representation: HinervShape
    symbol_hash: bytes
    picture_hash: bytes

    def __post_init__(self) -> None:
        check_int("first_frame", self.first_frame, 0, limits.MAX_FRAMES - 1)
        check_int("frames", self.frames, 1, min(limits.MAX_SEGMENT_FRAMES, limits.MAX_FRAMES - self.first_frame))
        if self.durations != ():
            _check_ints("durations", self.durations, (self.frames,) * 2, 1, limits.MAX_DURATION_TICKS)
        _check_hash("symbol_hash", self.symbol_hash)
        _check_hash("picture_hash", self.picture_hash)
        parameters = self.representation.parameter_count(self.frames)
        if parameters > limits.MAX_PARAMETERS:
            raise LimitError(f"the network has {parameters} parameters, more than {limits.MAX_PARAMETERS}")

    def check_against(self, video: VideoFormat, first_frame: int, frames: int | None = None) -> None:
        """HeaderError if the segment cannot stand at `first_frame` of `video`.

        `first_frame`: the frames of all segments before it. `frames`: what the index says, where it was read.
        """
        check_int("first_frame", self.first_frame, first_frame, first_frame)
        if frames is not None:
            check_int("frames", self.frames, frames, frames)
        self.representation.check_covers(video)
        duration = video.frame_duration or 0
        if not self.durations and not 0 < duration <= limits.MAX_DURATION_TICKS:
            raise HeaderError(
                f"durations are empty, but at {video.frame_rate} frames a second a frame does not last "
                f"1 to {limits.MAX_DURATION_TICKS} times {video.time_base} s"
            )


def pack_segment(header: SegmentHeader, coded: bytes) -> bytes:
    """The payload of a SEGM chunk: u16 length of the header, the header, the coded symbols."""
    fields = msgpack.packb(
        [
            header.first_frame,
            header.frames,
            header.durations,
            [HinervShape.KIND, *astuple(header.representation)],
            header.symbol_hash,
            header.picture_hash,
        ]
    )
    assert len(fields) <= limits.MAX_HEADER_BYTES, "MAX_SEGMENT_FRAMES durations of 5 bytes fit"
    return len(fields).to_bytes(2, "little") + fields + coded


def unpack_segment(payload: bytes) -> tuple[SegmentHeader, bytes]:
    """Split the payload of a SEGM chunk into header and coded symbols; HeaderError if it breaks a rule."""
    length = int.from_bytes(payload[:2], "little")
    if len(payload) < 2 + length or length == 0:
        raise HeaderError(f"a segment header of {length} bytes in a payload of {len(payload)} bytes")
    fields = unpack_strict(payload[2 : 2 + length], "segment header", limits.MAX_HEADER_ITEMS)
    first, frames, durations, shape, symbols, picture = read_record(fields, "segment header", 6)
    header = SegmentHeader(first, frames, durations, _shape(shape), symbols, picture)
    return header, payload[2 + length :]


def _shape(value: Any) -> HinervShape:
    (kind,) = read_record(value, "representation", 1)
    _check_text("representation kind", kind)
    if kind != HinervShape.KIND:
        raise HeaderError(f"representation kind is {kind!r}, which needs a newer version of nvrc")
    return HinervShape(*read_record(value, "representation", 11)[1:])
