"""Headers survive the way to bytes and back, and everything that breaks a rule is refused by name."""

import dataclasses
import tracemalloc
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats import limits
from nvrc_formats.errors import FormatError, HeaderError, LimitError
from nvrc_formats.header import (
    HinervShape,
    MotionWaveletShape,
    SegmentHeader,
    Settings,
    StreamHeader,
    pack_segment,
    pack_stream_header,
    unpack_segment,
    unpack_stream_header,
)
from nvrc_formats.video import YUV420P, ColorTags, PixelFormat, VideoFormat

VIDEO = VideoFormat(
    1920,
    1080,
    YUV420P,
    Fraction(30000, 1001),
    Fraction(1001, 30000),
    Fraction(1),
    ColorTags(1, 1, 1, False, 1),
)
STREAM = StreamHeader(VIDEO, "nvrc 1.0", Settings("nvrc-s1", 4.0, 0.02, 7))
# The paper's smallest network on UVG.
SHAPE = HinervShape(
    (200, 45, 80), 2, 4, (224, 112, 56, 28), (3, 2, 2, 2), (3, 3, 3, 1), 4, (8, 4, 2, 1), 3, output_stride=1
)
SEGMENT = SegmentHeader(600, 300, (), SHAPE, b"symbols!", b"pictures")
WAVELETS = MotionWaveletShape((0, 32, 48), channels=16, blocks=2, motion_cell=32, overlaps=True)
WAVELET_SEGMENT = SegmentHeader(600, 49, (), WAVELETS, b"symbols!", b"pictures")

text = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=limits.MAX_TEXT_CHARS)
terms = st.integers(1, limits.MAX_TERM)
positive_fractions = st.builds(Fraction, terms, terms)
codes = st.integers(0, limits.MAX_COLOR_CODE)
numbers = st.floats(0, allow_infinity=False)
sides = st.integers(1, limits.MAX_SIDE_PX)
streams = st.builds(
    StreamHeader,
    video=st.builds(
        VideoFormat,
        width=sides,
        height=sides,
        pixel_format=st.just(YUV420P),
        frame_rate=positive_fractions,
        time_base=positive_fractions,
        sample_aspect=positive_fractions | st.just(Fraction(0)),
        color=st.builds(ColorTags, codes, codes, codes, st.sampled_from([None, False, True]), st.integers(0, 6)),
    ),
    encoder=text,
    settings=st.builds(Settings, text, numbers, st.none() | numbers, st.integers(0, limits.MAX_SEED)),
)


@st.composite
def shapes(draw) -> HinervShape:
    stages = draw(st.integers(1, limits.MAX_STAGES))

    def per_stage(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=stages, max_size=stages)))

    return HinervShape(
        grid_size=draw(st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))),
        grid_channels=draw(st.integers(1, 8)),
        grid_levels=draw(st.integers(1, limits.MAX_LEVELS)),
        channels=per_stage(1, 64),
        strides=per_stage(1, 2),
        depths=per_stage(0, 4),
        expansion=draw(st.integers(1, 4)),
        local_grid_channels=per_stage(0, 8),
        local_grid_levels=draw(st.integers(1, limits.MAX_LEVELS)),
        output_stride=draw(st.integers(1, 2)),
    )


@st.composite
def wavelet_shapes(draw, frames: int) -> MotionWaveletShape:
    between = draw(st.sets(st.integers(0, frames - 1)))
    keys = tuple(sorted({0, frames - 1, *between}))
    channels, blocks = draw(st.integers(1, limits.MAX_CHANNELS)), draw(st.integers(0, limits.MAX_DEPTH))
    cell = draw(st.sampled_from(MotionWaveletShape.MOTION_CELLS))
    return MotionWaveletShape(keys, channels, blocks, cell, draw(st.booleans()))


@st.composite
def segments(draw) -> SegmentHeader:
    frames = draw(st.integers(1, 40))
    ticks = st.integers(1, limits.MAX_DURATION_TICKS)
    durations = draw(st.just([]) | st.lists(ticks, min_size=frames, max_size=frames))
    hashes = st.binary(min_size=8, max_size=8)
    first = draw(st.integers(0, limits.MAX_FRAMES - 40))
    shape = draw(shapes() | wavelet_shapes(frames))
    return SegmentHeader(first, frames, tuple(durations), shape, draw(hashes), draw(hashes))


@given(streams)
def test_stream_header_round_trip(header):
    assert unpack_stream_header(pack_stream_header(header)) == header


@given(segments(), st.binary(max_size=50))
def test_segment_round_trip(header, coded):
    assert unpack_segment(pack_segment(header, coded)) == (header, coded)


def test_stream_header_golden():
    assert pack_stream_header(STREAM) == bytes.fromhex(
        "99"  # nine fields
        "cd0780 cd0438"  # 1920, 1080
        "a7 79757634323070"  # "yuv420p"
        "92 cd7530 cd03e9"  # 30000/1001 frames a second
        "92 cd03e9 cd7530"  # time base
        "92 01 01"  # square samples
        "95 01 01 01 c2 01"  # BT.709 three times, limited range, chroma on the left
        "a8 6e76726320312e30"  # "nvrc 1.0"
        "94 a7 6e7672632d7331"  # "nvrc-s1"
        "cb 4010000000000000 cb 3f947ae147ae147b 07"  # lambda 4.0, 0.02 bpp, seed 7
    )


def test_segment_golden():
    assert pack_segment(SEGMENT, b"coded") == bytes.fromhex(
        "4400"  # 68 bytes of header
        "96 cd0258 cd012c 90"  # six fields: from frame 600 on 300 frames, all of the same duration
        "9b a7 68696e65727632"  # "hinerv2"
        "93 ccc8 2d 50 02 04"  # grid of 200 x 45 x 80, 2 channels, 4 levels
        "94 cce0 70 38 1c  94 03 02 02 02  94 03 03 03 01 04"  # channels, strides, depths, expansion
        "94 08 04 02 01 03 01"  # local grids of 3 levels, output stride
        "c408 73796d626f6c7321  c408 7069637475726573"  # the hashes
        "636f646564"  # the coded symbols
    )


def test_wavelet_segment_golden():
    assert pack_segment(WAVELET_SEGMENT, b"coded") == bytes.fromhex(
        "2800"  # 40 bytes of header
        "96 cd0258 31 90"  # six fields: from frame 600 on 49 frames, all of the same duration
        "96 a4 6d637737"  # "mcw7"
        "93 00 20 30 10 02 20 c3"  # three keys, 16 channels, 2 blocks, motion in cells of 32 samples that overlaps
        "c408 73796d626f6c7321  c408 7069637475726573"  # the hashes
        "636f646564"  # the coded symbols
    )


@pytest.mark.parametrize("shape", [SHAPE, MotionWaveletShape(tuple(range(limits.MAX_SEGMENT_FRAMES)), 4096, 64)])
def test_largest_segment_header_fits(shape):
    frames = limits.MAX_SEGMENT_FRAMES
    ticks = (limits.MAX_DURATION_TICKS,) * frames
    header = SegmentHeader(limits.MAX_FRAMES - frames, frames, ticks, shape, b"symbols!", b"pictures")
    assert unpack_segment(pack_segment(header, b""))[0] == header


def test_parameter_count():
    grids = 200 * 45 * 80 * 2 + 100 * 22 * 40 * 4 + 50 * 11 * 20 * 8 + 25 * 5 * 10 * 16
    stem = 27 * (2 + 4 + 8 + 16) * 224
    # Stage 0 alone: codes of 8, 16, 32 channels for 600, 300, 150 frames, joined to 224 channels; three blocks.
    stage = 9 * (600 * 8 + 300 * 16 + 150 * 32) + 224 * (8 + 16 + 32) + 3 * (9 * 224 + 2 * 4 * 224 * 224)
    one_stage = HinervShape((200, 45, 80), 2, 4, (224,), (3,), (3,), 4, (8,), 3, 1)
    assert one_stage.parameter_count(600, VIDEO) == grids + stem + stage + 3 * 224
    # A narrower second stage without local grids: its first block goes from 224 to 112 channels.
    two_stages = HinervShape((200, 45, 80), 2, 4, (224, 112), (3, 2), (3, 1), 4, (8, 0), 3, 2)
    second = 9 * 224 + 4 * 112 * 224 + 4 * 112 * 112
    assert two_stages.parameter_count(600, VIDEO) == grids + stem + stage + second + 6 * 112
    assert SHAPE.rendered_size == (1080, 1920)


def test_parameter_count_of_wavelets():
    # As many values as samples of the picture in whole cells of 16 by 16, and 6 of motion in each of its own.
    network = 18 * 16 + 2 * (9 * 16 + 2 * 16 * 16 + 2 * 16 * 16) + 6 * 9 * 16
    assert WAVELETS.coarsest_size(VIDEO) == (68, 120)
    assert WAVELETS.motion_size(VIDEO) == (34, 60)
    # And 18 weights of the filter for each level: keys, and five halvings of 32 frames.
    assert WAVELETS.levels == 6
    assert WAVELETS.parameter_count(49, VIDEO) == 49 * (68 * 120 * (256 + 128) + 34 * 60 * 6) + 6 * 18 + network
    assert WAVELETS.coarsest_size(VideoFormat(1, 17)) == (2, 1)
    assert WAVELETS.motion_size(VideoFormat(1, 33)) == (2, 1)


def fields_of(payload: bytes) -> list:
    return msgpack.unpackb(payload)


def with_field(fields: list, path: tuple[int, ...], value) -> bytes:
    """The message with one element, found by its positions from the outermost array inwards, replaced."""
    target = fields
    for position in path[:-1]:
        target = target[position]
    target[path[-1]] = value
    return msgpack.packb(fields)


STREAM_FAULTS = [
    ((0,), 0, "width"),
    ((0,), 16385, "width"),
    ((0,), True, "width"),
    ((0,), "1920", "width"),
    ((1,), 1080.0, "height"),
    ((1,), None, "height"),
    ((2,), "yuv9000p", "newer version"),
    ((2,), b"yuv420p", "pixel_format"),
    ((3,), [25], "frame_rate"),
    ((3,), [25, 0], "lowest terms"),
    ((3,), [50, 2], "lowest terms"),
    ((3,), [0, 1], "frame_rate numerator"),
    ((3,), [25, 1, 1], "frame_rate"),
    ((3,), 25, "frame_rate"),
    ((4,), [-1, 25], "time_base"),
    ((4,), [1, 2**31], "time_base"),
    ((5,), [1, True], "sample_aspect"),
    ((6,), [1, 1, 1, False], "color"),
    ((6, 0), 256, "primaries"),
    ((6, 1), -1, "transfer"),
    ((6, 2), "1", "matrix"),
    ((6, 3), 1, "full_range"),
    ((6, 4), 7, "chroma_location"),
    ((7,), "", "encoder"),
    ((7,), "x" * 65, "encoder"),
    ((7,), "a\x1b[31m", "encoder"),
    ((7,), "é", "encoder"),
    ((7,), 5, "encoder"),
    ((8,), None, "settings"),
    ((8, 0), ["draft"], "preset"),
    ((8, 1), 4, "quality_weight"),
    ((8, 1), float("nan"), "quality_weight"),
    ((8, 1), -1.0, "quality_weight"),
    ((8, 2), float("inf"), "target_bpp"),
    ((8, 2), False, "target_bpp"),
    ((8, 3), -1, "seed"),
    ((8, 3), 1.5, "seed"),
]

SEGMENT_FAULTS = [
    ((0,), -1, "first_frame"),
    ((0,), limits.MAX_FRAMES, "first_frame"),
    ((0,), limits.MAX_FRAMES - 299, "frames"),
    ((1,), 0, "frames"),
    ((1,), limits.MAX_SEGMENT_FRAMES + 1, "frames"),
    ((1,), False, "frames"),
    ((2,), [1, 2], "durations"),
    ((2,), [1] * 299 + [0], "durations\\[299\\]"),
    ((2,), None, "durations"),
    ((3,), [], "representation"),
    ((3,), "hinerv2", "representation"),
    ((3, 0), "warp3", "'warp3', which needs another version"),
    ((3, 0), 2, "representation kind"),
    ((3, 1), [200, 45], "grid_size"),
    ((3, 1, 0), 8193, "grid_size"),
    ((3, 1, 1), 0, "grid_size"),
    ((3, 2), 0, "grid_channels"),
    ((3, 2), 513, "coarsest grid level"),
    ((3, 3), 9, "grid_levels"),
    ((3, 4), [], "channels"),
    ((3, 4), [8] * 9, "channels"),
    ((3, 4, 0), 4097, "channels\\[0\\]"),
    ((3, 5), [3, 2, 2], "strides"),
    ((3, 5, 0), 17, "strides"),
    ((3, 5), [16, 16, 2, 2], "rendered"),
    ((3, 6, 3), -1, "depths"),
    ((3, 6, 3), 65, "depths"),
    ((3, 7), 0, "expansion"),
    ((3, 8), [0, 0, 0, 0, 0], "local_grid_channels"),
    ((3, 8, 0), 1025, "coarsest local grid level"),
    ((3, 9), 0, "local_grid_levels"),
    ((3, 10), 3, "output_stride"),
    ((4,), b"short", "symbol_hash"),
    ((4,), "symbols!", "symbol_hash"),
    ((5,), b"123456789", "picture_hash"),
]


WAVELET_FAULTS = [
    ((3, 1), [], "keys"),
    ((3, 1), None, "keys"),
    ((3, 1), 48, "keys"),
    ((3, 1), [1, 48], "keys\\[0\\] is 1"),
    ((3, 1), [0, 32, 32, 48], "keys\\[2\\] is 32, not above 32"),
    ((3, 1), [0, 47, 46, 48], "keys\\[2\\] is 46, not above 47"),
    ((3, 1), [0, -1, 48], "keys\\[1\\]"),
    ((3, 1), [0, limits.MAX_SEGMENT_FRAMES], "keys\\[1\\]"),
    ((3, 1), [0, True, 48], "keys\\[1\\]"),
    ((3, 1), [0, 1.5, 48], "keys\\[1\\]"),
    ((3, 2), 0, "channels"),
    ((3, 2), limits.MAX_CHANNELS + 1, "channels"),
    ((3, 2), [16], "channels"),
    ((3, 3), -1, "blocks"),
    ((3, 3), limits.MAX_DEPTH + 1, "blocks"),
    ((3, 3), None, "blocks"),
    ((3, 4), 8, "motion_cell"),
    ((3, 4), 48, "motion_cell is 48, not one of"),
    ((3, 4), None, "motion_cell"),
    ((3, 5), 1, "overlaps is 1, not true or false"),
    ((3, 5), None, "overlaps"),
    ((3,), ["mcw7", [0, 48], 16, 2, 32], "representation"),
    ((3, 0), "mcw9", "'mcw9', which needs another version"),
    ((3, 0), "hinerv2", "representation"),
]


@pytest.mark.parametrize(("path", "value", "message"), STREAM_FAULTS)
def test_stream_header_refuses(path, value, message):
    with pytest.raises(HeaderError, match=message):
        unpack_stream_header(with_field(fields_of(pack_stream_header(STREAM)), path, value))


def segment_payload(fields: bytes) -> bytes:
    return len(fields).to_bytes(2, "little") + fields


@pytest.mark.parametrize(("path", "value", "message"), SEGMENT_FAULTS)
def test_segment_header_refuses(path, value, message):
    fields = fields_of(pack_segment(SEGMENT, b"")[2:])
    with pytest.raises(HeaderError, match=message):
        unpack_segment(segment_payload(with_field(fields, path, value)))


@pytest.mark.parametrize(("path", "value", "message"), WAVELET_FAULTS)
def test_wavelet_header_refuses(path, value, message):
    fields = fields_of(pack_segment(WAVELET_SEGMENT, b"")[2:])
    with pytest.raises(HeaderError, match=message):
        unpack_segment(segment_payload(with_field(fields, path, value)))


@pytest.mark.parametrize("frames", [48, 50])
def test_keys_end_with_the_segment(frames: int):
    WAVELET_SEGMENT.check_against(VIDEO, 600)
    with pytest.raises(HeaderError, match=f"the last of the keys is 48, not frame {frames - 1}"):
        dataclasses.replace(WAVELET_SEGMENT, frames=frames).check_against(VIDEO, 600)


def test_wavelet_grids_are_bounded_as_a_whole():
    """Frames and pictures that are each allowed are together too much; so is a network of allowed width and depth."""
    frames = limits.MAX_SEGMENT_FRAMES
    long = SegmentHeader(0, frames, (), MotionWaveletShape((0, frames - 1), 1, 0), b"symbols!", b"pictures")
    long.check_against(dataclasses.replace(VIDEO, width=16, height=16), 0)
    wide = dataclasses.replace(WAVELET_SEGMENT, representation=MotionWaveletShape((0, 48), 4096, 64))
    for header, video in (
        (long, VIDEO),
        (long, dataclasses.replace(VIDEO, width=16384, height=16384)),
        (wide, dataclasses.replace(VIDEO, width=16, height=16)),
    ):
        tracemalloc.start()
        with pytest.raises(LimitError, match="parameters"):
            header.check_against(video, header.first_frame)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100_000


def test_network_size_is_bounded_as_a_whole():
    fields = fields_of(pack_segment(SEGMENT, b"")[2:])
    header, _ = unpack_segment(segment_payload(with_field(fields, (3, 1), [8192, 1365, 1365])))
    with pytest.raises(LimitError, match="parameters"):
        header.check_against(VIDEO, 600)


def test_dataclasses_refuse_what_parsers_refuse():
    with pytest.raises(HeaderError, match="seed"):
        Settings("draft", 1.0, None, seed=-1)
    with pytest.raises(HeaderError, match="pixel_format"):
        StreamHeader(VideoFormat(8, 8, PixelFormat("yuv420p", 9, 2, 2)), "nvrc", STREAM.settings)
    with pytest.raises(HeaderError, match="frame_rate"):
        StreamHeader(VideoFormat(8, 8, frame_rate=25.0), "nvrc", STREAM.settings)
    with pytest.raises(HeaderError, match="durations"):
        dataclasses.replace(SEGMENT, durations=[1] * 300)


def test_no_local_grids_need_no_levels():
    dataclasses.replace(SHAPE, local_grid_channels=(0, 0, 0, 0), local_grid_levels=0)


def test_fields_of_a_newer_minor_version_are_ignored():
    fields = fields_of(pack_stream_header(STREAM))
    for record in (fields, fields[6], fields[8]):
        record.extend(["new", [1, [2]], None, 2.5])
    assert unpack_stream_header(msgpack.packb(fields)) == STREAM
    fields = fields_of(pack_segment(SEGMENT, b"")[2:])
    for record in (fields, fields[3]):
        record.extend(["new", [1, [2]], None, 2.5])
    assert unpack_segment(segment_payload(msgpack.packb(fields)) + b"coded") == (SEGMENT, b"coded")
    fields = fields_of(pack_segment(WAVELET_SEGMENT, b"")[2:])
    for record in (fields, fields[3]):
        record.extend(["new", [1, [2]], None, 2.5])
    assert unpack_segment(segment_payload(msgpack.packb(fields))) == (WAVELET_SEGMENT, b"")


def test_missing_fields_are_refused():
    fields = fields_of(pack_stream_header(STREAM))
    for count in range(9):
        with pytest.raises(HeaderError, match="stream header"):
            unpack_stream_header(msgpack.packb(fields[:count]))
    fields = fields_of(pack_segment(SEGMENT, b"")[2:])
    for count in range(6):
        with pytest.raises(HeaderError, match="segment header"):
            unpack_segment(segment_payload(msgpack.packb(fields[:count])))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91",
        b"\x91" * 1024 + b"\x90",
        b"\x91" * 60_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffabc",
        b"\xd9\xff" + b"a" * 255 + b"\xff" * 9,
        b"\xa2\xff\xff",
        b"\x81\x01\x02",
        b"\x81\x90\x02",
        b"\xd4\x05\x00",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\x05",
        b"\x99" + b"\xc4\xff" + b"a" * 255,
        msgpack.packb([0] * (limits.MAX_HEADER_ITEMS + 1)),
        pack_stream_header(STREAM) + b"\x00",
    ],
)
def test_foreign_msgpack_is_a_header_error(data):
    with pytest.raises(HeaderError, match="stream header"):
        unpack_stream_header(data)


def test_segment_shorter_than_it_says():
    payload = pack_segment(SEGMENT, b"")
    for size in range(len(payload)):
        with pytest.raises(HeaderError):
            unpack_segment(payload[:size])
    with pytest.raises(HeaderError, match="0 bytes"):
        unpack_segment(b"\0\0coded")


def test_lying_array_lengths_allocate_nothing():
    # Each of the 1000 nested arrays would get 64 KiB if its length were believed.
    data = b"\xdc\x20\x00" * 1000
    tracemalloc.start()
    with pytest.raises(HeaderError):
        unpack_stream_header(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


def test_check_covers():
    SHAPE.check_covers(VIDEO)
    SHAPE.check_covers(dataclasses.replace(VIDEO, width=1900, height=1057))
    for wrong in ({"width": 1921}, {"height": 1081}):
        with pytest.raises(HeaderError, match="1920x1080 pixels of a"):
            SHAPE.check_covers(dataclasses.replace(VIDEO, **wrong))
    half = dataclasses.replace(SHAPE, output_stride=2)
    half.check_covers(dataclasses.replace(VIDEO, width=3840, height=2160))


def test_check_against():
    SEGMENT.check_against(VIDEO, 600)
    SEGMENT.check_against(VIDEO, 600, frames=300)
    with pytest.raises(HeaderError, match="first_frame"):
        SEGMENT.check_against(VIDEO, 599)
    with pytest.raises(HeaderError, match="frames"):
        SEGMENT.check_against(VIDEO, 600, frames=301)
    milliseconds = dataclasses.replace(VIDEO, time_base=Fraction(1, 1000))
    with pytest.raises(HeaderError, match="durations"):
        SEGMENT.check_against(milliseconds, 600)
    dataclasses.replace(SEGMENT, durations=(33,) * 300).check_against(milliseconds, 600)
    slow = dataclasses.replace(VIDEO, frame_rate=Fraction(1, limits.MAX_TERM), time_base=Fraction(1, limits.MAX_TERM))
    with pytest.raises(HeaderError, match="durations"):
        SEGMENT.check_against(slow, 600)


@given(st.binary(max_size=200))
def test_random_bytes_only_raise_format_errors(data):
    for read in (unpack_stream_header, unpack_segment, lambda data: unpack_segment(segment_payload(data))):
        with suppress(FormatError):
            read(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.data())
def test_any_field_replaced_by_anything_only_raises_format_errors(data):
    fields = fields_of(pack_stream_header(STREAM))
    position = data.draw(st.integers(0, 8))
    with suppress(FormatError):
        unpack_stream_header(with_field(fields, (position,), data.draw(values)))
    fields = fields_of(pack_segment(SEGMENT, b"")[2:])
    path = data.draw(st.sampled_from([*((i,) for i in range(6)), *((3, i) for i in range(11))]))
    with suppress(FormatError):
        unpack_segment(segment_payload(with_field(fields, path, data.draw(values))))


def test_any_flipped_bit_only_raises_format_errors():
    for payload, read in (
        (pack_stream_header(STREAM), unpack_stream_header),
        (pack_segment(SEGMENT, b"x"), unpack_segment),
    ):
        for bit in range(8 * len(payload)):
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            with suppress(FormatError):
                read(bytes(damaged))


def test_spec_states_the_limits_of_the_code():
    spec = Path(__file__).parents[2] / "formats" / "SPEC.md"
    rows = [line.split("|")[1:3] for line in spec.read_text().splitlines() if line.startswith("| MAX_")]
    stated = {name.strip(): int(value) for name, value in rows}
    # These are stated where their one field is.
    elsewhere = {"MAX_SEED", "MAX_COLOR_CODE", "MAX_CHROMA_LOCATION"}
    assert stated == {
        name: value for name, value in vars(limits).items() if name.startswith("MAX_") and name not in elsewhere
    }
