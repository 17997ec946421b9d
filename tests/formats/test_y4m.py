import io
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvrc_formats.errors import VideoFileError
from nvrc_formats.video import ColorTags, PixelFormat, VideoFormat
from nvrc_formats.y4m import Y4mReader, Y4mWriter

ratios = st.builds(Fraction, st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
colors = st.builds(ColorTags, full_range=st.sampled_from([None, False, True]), chroma_location=st.integers(0, 3))


def y4m_bytes(video: VideoFormat, frames) -> bytes:
    stream = io.BytesIO()
    writer = Y4mWriter(stream, video)
    for planes in frames:
        writer.write(planes)
    return stream.getvalue()


def header(fields: str) -> VideoFormat:
    return Y4mReader(io.BytesIO(f"YUV4MPEG2 {fields}\n".encode())).video


@given(
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    rate=ratios,
    aspect=st.one_of(st.just(Fraction(0)), ratios),
    color=colors,
    count=st.integers(0, 3),
)
def test_frames_and_format_come_back_as_they_were(width, height, rate, aspect, color, count):
    video = VideoFormat(width, height, frame_rate=rate, time_base=1 / rate, sample_aspect=aspect, color=color)
    generator = np.random.default_rng(width)
    frames = [
        tuple(generator.integers(0, 256, shape, dtype=np.uint8) for shape in video.plane_shapes) for _ in range(count)
    ]
    reader = Y4mReader(io.BytesIO(y4m_bytes(video, frames)))
    assert reader.video == video
    read = list(reader)
    assert len(read) == count
    for found, expected in zip(read, frames, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_every_truncation_is_an_error_or_a_clean_end():
    video = VideoFormat(3, 3)
    planes = tuple(np.full(shape, 10, np.uint8) for shape in video.plane_shapes)
    data = y4m_bytes(video, [planes] * 2)
    header_size = data.index(b"\n") + 1
    frame_size = len(b"FRAME\n") + 9 + 4 + 4
    for length in range(len(data)):
        rest = length - header_size
        if rest >= 0 and rest % frame_size == 0:
            assert len(list(Y4mReader(io.BytesIO(data[:length])))) == rest // frame_size
        else:
            with pytest.raises(VideoFileError):
                list(Y4mReader(io.BytesIO(data[:length])))


@given(st.binary(max_size=80))
def test_garbage_raises_nothing_but_video_file_error(junk):
    for data in (junk, b"YUV4MPEG2" + junk, b"YUV4MPEG2 W2 H2" + junk, b"YUV4MPEG2 W2 H2\n" + junk):
        try:
            list(Y4mReader(io.BytesIO(data)))
        except VideoFileError as error:
            assert "\n" not in str(error)  # noqa: PT017 - success is fine as well


@pytest.mark.parametrize(
    ("fields", "location"),
    [("C420", 0), ("C420mpeg2", 1), ("C420jpeg", 2), ("C420paldv", 3), ("", 2)],
)
def test_chroma_siting(fields, location):
    assert header(f"W2 H2 {fields}").color.chroma_location == location


def test_defaults_and_unknowns():
    video = header("W6  H4 F0:0 A0:0 I? Xvendor=thing Zfuture")
    assert (video.width, video.height, video.frame_rate, video.time_base) == (6, 4, 25, Fraction(1, 25))
    assert (video.sample_aspect, video.color.full_range) == (0, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("H2", "no W field"),
        ("W2", "no H field"),
        ("W0 H2", "W0 .* not a size"),
        ("W2 H16385", "not a size"),
        ("W-2 H2", "not a size"),
        ("W² H2", "not ASCII text at byte 10"),
        ("W2 W2 H2", "second W field at byte 13"),
        ("W2 H2 F25", "F25 .* not a ratio"),
        ("W2 H2 F25:0", "not a ratio"),
        ("W2 H2 F4294967296:1", "not a ratio"),
        ("W2 H2 A1:-1", "not a ratio"),
        ("W2 H2 It", r"interlaced video \(It\)"),
        ("W2 H2 C411", "C411 is not supported yet"),
        ("W2 H2 C420p12", "C420p12 is not supported yet"),
        ("W2 H2 Cmono", "Cmono is not supported yet"),
        ("W2 H2 XCOLORRANGE=HALF", "XCOLORRANGE=HALF"),
        ("W2 H2 X" + "x" * 300, "too long"),
    ],
)
def test_bad_headers_say_what_is_wrong(fields, message):
    with pytest.raises(VideoFileError, match=message):
        header(fields)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"FRAMED\n" + bytes(6), "frame 0 does not start with FRAME at byte 16"),
        (b"FRAME\n" + bytes(6) + b"\n", "frame 1's header at byte 28 is empty"),
        (b"FRAME\n", "frame 0 has no samples"),
        (b"FRAME\n" + bytes(5), "frame 0 is cut short: 5 of 6 bytes"),
        (b"FRAME " + b"x" * 300, "frame 0's header at byte 16 is too long"),
    ],
)
def test_bad_frames_say_where(body, message):
    with pytest.raises(VideoFileError, match=message):
        list(Y4mReader(io.BytesIO(b"YUV4MPEG2 W2 H2\n" + body)))


@pytest.mark.parametrize(
    ("tag", "name", "chroma"),
    [
        ("C422", "yuv422p", (3, 2)),
        ("C444", "yuv444p", (3, 3)),
        ("C420p10", "yuv420p10le", (2, 2)),
        ("C422p10", "yuv422p10le", (3, 2)),
        ("C444p10", "yuv444p10le", (3, 3)),
    ],
)
def test_other_layouts_are_read(tag, name, chroma):
    deep = name.endswith("10le")
    samples = np.random.default_rng(4).integers(0, 1024 if deep else 256, 2 * (9 + 2 * chroma[0] * chroma[1]))
    halves = np.split(samples.astype("<u2" if deep else np.uint8), 2)
    data = b"".join(b"FRAME\n" + half.tobytes() for half in halves)
    reader = Y4mReader(io.BytesIO(f"YUV4MPEG2 W3 H3 {tag} XYSCSS=444P10\n".encode() + data))
    assert (reader.video.pixel_format.name, reader.video.color.chroma_location) == (name, 0)
    frames = list(reader)
    assert len(frames) == 2
    for planes, half in zip(frames, halves, strict=True):
        assert tuple(plane.shape for plane in planes) == ((3, 3), chroma, chroma)
        assert {plane.dtype for plane in planes} == {np.dtype(np.uint16 if deep else np.uint8)}
        assert np.array_equal(np.concatenate([plane.ravel() for plane in planes]), half)


def test_samples_beyond_their_bits_are_an_error():
    data = b"YUV4MPEG2 W2 H2 C420p10\nFRAME\n" + np.full(6, 1024, "<u2").tobytes()
    with pytest.raises(VideoFileError, match="frame 0 has a sample of 1024, which is more than 10 bits"):
        list(Y4mReader(io.BytesIO(data)))


def test_frame_parameters_are_skipped():
    assert len(list(Y4mReader(io.BytesIO(b"YUV4MPEG2 W2 H2\nFRAME Ippp Xy\n" + bytes(6))))) == 1


def test_a_format_beyond_y4m_is_refused():
    deep = VideoFormat(2, 2, pixel_format=PixelFormat("yuv420p10le", 10, 2, 2))
    with pytest.raises(ValueError, match="yuv420p10le"):
        Y4mWriter(io.BytesIO(), deep)
