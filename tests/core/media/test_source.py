import io
import itertools
import os
import re
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from nvrc_formats.video import PLANAR_FORMATS, YUV420P
from nvrc_formats.y4m import Y4mWriter

from nvrc_core.errors import MediaError
from nvrc_core.media.frame import FrameClock
from nvrc_core.media.source import open_input, open_source, read_source


def read(path, **options):
    with open_source(path, **options) as source:
        return source, list(source)


@pytest.fixture
def pipe_in(monkeypatch):
    """Makes bytes arrive on standard input through a real pipe."""
    with ExitStack() as cleanup:

        def feed(writing: int, data: bytes) -> None:
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
                pipe.write(data)

        def pipe_in(data: bytes) -> None:
            reading, writing = os.pipe()
            stream = cleanup.enter_context(os.fdopen(reading, "rb"))
            feeder = threading.Thread(target=feed, args=(writing, data))
            feeder.start()
            cleanup.callback(feeder.join)
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))

        yield pipe_in


def same_frames(found, expected) -> bool:
    return len(found) == len(expected) and all(
        a.pts == b.pts and all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("size", [(32, 16), (33, 17), (1, 1), (9, 15)])
def test_planes_are_those_that_were_coded(make_clip, size):
    path = make_clip(size=size)
    source, frames = read(path)
    assert (source.video.width, source.video.height, source.video.pixel_format) == (*size, YUV420P)
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    assert len(frames) == len(pictures) == 4
    for frame, picture in zip(frames, pictures, strict=True):
        assert tuple(plane.shape for plane in frame.planes) == source.video.plane_shapes
        for found, plane in zip(frame.planes, picture.planes, strict=True):
            lines = bytes(plane)
            for y, row in enumerate(found):
                assert row.tobytes() == lines[y * plane.line_size :][: plane.width]


def test_colour_aspect_and_siting(make_clip):
    path = make_clip(
        "clip.mp4",
        codec="libx264",
        options={"chroma_sample_location": "topleft"},
        sample_aspect_ratio=Fraction(128, 117),
        color_primaries=9,
        color_trc=16,
        colorspace=9,
        color_range=1,
    )
    source, _ = read(path)
    color = source.video.color
    assert (color.primaries, color.transfer, color.matrix) == (9, 16, 9)
    assert (color.full_range, color.chroma_location) == (False, 3)
    assert source.video.sample_aspect == Fraction(128, 117)
    assert av.logging.get_level() is None


def test_a_silent_source_stays_unspecified(make_clip):
    source, _ = read(make_clip())
    color = source.video.color
    assert (color.primaries, color.transfer, color.matrix, color.full_range) == (2, 2, 2, None)
    assert source.video.sample_aspect == 0


@pytest.mark.parametrize(("codec", "pixel_format"), [("mjpeg", "yuvj420p"), ("ffv1", "yuv420p")])
def test_full_range(make_clip, codec, pixel_format):
    source, _ = read(make_clip(codec=codec, pixel_format=pixel_format, color_range=2))
    assert source.video.pixel_format == YUV420P
    assert source.video.color.full_range is True


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_variable_rate_is_kept(make_clip, name):
    stamps = (0, 1000, 3000, 4000, 7000, 8000)
    source, frames = read(make_clip(name, codec="libx264", pts=stamps))
    seconds = [frame.pts * source.video.time_base for frame in frames]
    assert seconds == [Fraction(stamp, 24000) for stamp in stamps]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_constant_rates_are_exact_in_matroska(make_clip, rate):
    stamps = tuple(round(index * 24000 / rate) for index in range(30))
    source, frames = read(make_clip(pts=stamps, rate=rate))
    assert source.video.frame_rate == rate
    assert [frame.pts * source.video.time_base for frame in frames] == [index / rate for index in range(30)]
    assert source.video.frame_duration is not None


def test_time_starts_with_the_first_frame(make_clip):
    _, frames = read(make_clip("clip.mp4", codec="libx264", pts=(5000, 6000, 7000)))
    assert frames[0].pts == 0


def test_clock_fills_in_missing_and_repeated_stamps():
    clock = FrameClock(Fraction(25), Fraction(1, 1000))
    assert [clock.stamp(pts) for pts in (None, None, None)] == [0, 40, 80]
    clock = FrameClock(Fraction(25), Fraction(1, 1000))
    assert [clock.stamp(pts) for pts in (100, 140, 140, 90, 300)] == [0, 40, 80, 120, 200]


def test_clock_advances_when_ticks_outrun_the_rate():
    clock = FrameClock(Fraction(60), Fraction(1, 1000))
    stamps = [clock.stamp(pts) for pts in range(100)]
    assert all(later > earlier for earlier, later in itertools.pairwise(stamps))
    exact = [Fraction(pts, 1000) for pts in range(100)]
    assert all(abs(a * clock.time_base - b) < Fraction(1, 1000) for a, b in zip(stamps, exact, strict=True))


def test_clock_of_an_odd_rate_keeps_a_time_base_that_containers_can_hold():
    clock = FrameClock(Fraction(2**31 - 1, 2**30), Fraction(1, 90000))
    assert clock.time_base == Fraction(1, 90000)


@pytest.mark.parametrize(("name", "codec"), [("clip.mkv", "ffv1"), ("clip.mp4", "libx264"), ("clip.ts", "libx264")])
def test_a_pipe_gives_what_the_file_gives(make_clip, pipe_in, name, codec):
    path = make_clip(name, codec=codec)
    expected, frames = read(path)
    pipe_in(path.read_bytes())
    source, piped = read("-")
    assert source.video == expected.video
    assert source.name == "standard input"
    assert same_frames(piped, frames)


def y4m_of(path) -> bytes:
    source, frames = read(path)
    stream = io.BytesIO()
    writer = Y4mWriter(stream, source.video)
    for frame in frames:
        writer.write(frame.planes)
    return stream.getvalue()


def test_y4m_is_known_by_its_content(make_clip, tmp_path, pipe_in):
    _, frames = read(make_clip(size=(13, 9)))
    data = y4m_of(make_clip(size=(13, 9)))
    (tmp_path / "misnamed.mkv").write_bytes(data)
    _, from_file = read(tmp_path / "misnamed.mkv")
    pipe_in(data)
    source, from_pipe = read("-")
    assert source.video.time_base == Fraction(1, 24)
    assert [frame.pts for frame in from_pipe] == [0, 1, 2, 3]
    assert same_frames(from_pipe, from_file)
    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(frames, from_file, strict=True))


def test_raw_video_needs_its_size_and_rate(tmp_path, pipe_in):
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(range(12)))
    with pytest.raises(MediaError, match=r"clip\.yuv is raw video: its frame size and frame rate"):
        read(path)
    with pytest.raises(MediaError, match="is raw video"):
        read(path, raw_size=(2, 2))
    with pytest.raises(MediaError, match=r"0x2 .* is not possible"):
        read(path, raw_size=(0, 2), raw_rate=Fraction(5))
    source, frames = read(path, raw_size=(2, 2), raw_rate=Fraction(5))
    assert (source.video.frame_rate, source.video.frame_duration) == (5, 1)
    assert [frame.planes[0].tolist() for frame in frames] == [[[0, 1], [2, 3]], [[6, 7], [8, 9]]]
    pipe_in(bytes(6))
    assert len(read("-", raw_size=(2, 2), raw_rate=Fraction(5))[1]) == 1


def message_of(path, **options) -> str:
    with pytest.raises(MediaError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_inputs_that_are_no_files(tmp_path):
    assert "no such file" in message_of(tmp_path / "absent.mkv")
    assert "is a directory" in message_of(tmp_path)


def test_unreadable_file(own_folder):
    path = own_folder / "clip.mkv"
    path.write_bytes(b"data")
    path.chmod(0)
    assert "permission denied" in message_of(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"words, not pictures\n" * 50, "is not a video file"),
        (bytes(5000), "is not a video file"),
        (b"YUV4MPEG2 W2 H2\n", "has no video frames"),
        (b"YUV4MPEG2 W2 H2 C444\n", "pixel format yuv444p is not supported yet (8-bit 4:2:0 only)"),
        (b"YUV4MPEG2 W2 H2\nFRAME\n" + bytes(9), "frame 1"),
    ],
)
def test_inputs_that_are_no_video(tmp_path, data, words):
    path = tmp_path / "input"
    path.write_bytes(data)
    assert words in message_of(path)


def test_input_without_pictures(make_sound):
    assert "has only audio" in message_of(make_sound())


def test_container_without_frames(make_clip):
    path = make_clip()
    data = path.read_bytes()
    path.write_bytes(data[: data.index(bytes.fromhex("1F43B675"))])  # up to the first cluster
    assert "is not a video file" in message_of(path)


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv444p", "gray"])
def test_other_pixel_formats_are_refused_by_name(make_clip, pixel_format):
    message = message_of(make_clip(pixel_format=pixel_format))
    assert message.endswith(f"pixel format {pixel_format} is not supported yet (8-bit 4:2:0 only)")


def read_any(path, *raw):
    with open_input(path) as opened, read_source(opened, PLANAR_FORMATS, *raw) as source:
        return source, list(source)


@pytest.mark.parametrize("name", [name for name in PLANAR_FORMATS if name != "yuv420p"])
@pytest.mark.parametrize("size", [(32, 16), (33, 17)])
def test_who_can_take_more_formats_gets_them(make_clip, name, size):
    path = make_clip(pixel_format=name, size=size)
    source, frames = read_any(path)
    assert source.video.pixel_format == PLANAR_FORMATS[name]
    deep = name.endswith("le")
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    assert len(frames) == len(pictures) == 4
    for frame, picture in zip(frames, pictures, strict=True):
        assert tuple(plane.shape for plane in frame.planes) == source.video.plane_shapes
        for found, plane in zip(frame.planes, picture.planes, strict=True):
            assert found.dtype == (np.uint16 if deep else np.uint8)
            lines = bytes(plane)
            for y, row in enumerate(found):
                assert row.tobytes() == lines[y * plane.line_size :][: plane.width * (1 + deep)]
    raw = path.with_suffix(".yuv")
    raw.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame.planes))
    _, from_raw = read_any(raw, size, Fraction(25), PLANAR_FORMATS[name])
    assert len(from_raw) == 4
    for a, b in zip(from_raw, frames, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


def test_what_nobody_can_take_is_refused_with_what_can(make_clip):
    with pytest.raises(MediaError, match=r"pixel format gray is not supported yet \(yuv420p, .*yuv444p10le only\)"):
        read_any(make_clip(pixel_format="gray"))


def damaged(path):
    """Overwrite the middle half of an MP4's coded pictures with noise."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat")
    size = len(data) - start
    noise = np.random.default_rng(0).bytes(size // 2)
    data[start + size // 4 : start + size // 4 + len(noise)] = noise
    path.write_bytes(data)
    return path


def test_damage_is_reported_with_its_frame(make_clip):
    path = damaged(make_clip("clip.mp4", codec="libx264", size=(64, 64), pts=tuple(range(0, 20000, 1000))))
    assert re.search(r"clip\.mp4 (is damaged|cannot be decoded) at frame \d+", message_of(path))


def test_a_change_of_size_is_reported(make_clip, tmp_path):
    parts = [
        make_clip("a.h264", codec="libx264", size=(32, 16)).read_bytes(),
        make_clip("b.h264", codec="libx264", size=(48, 16)).read_bytes(),
    ]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    assert "changes to 48x16 yuv420p at frame 4" in message_of(path)


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {}\n"]
)
def test_lists_of_files_are_not_followed(make_clip, tmp_path, text):
    path = tmp_path / "list.m3u8"
    path.write_text(text.format(make_clip().name))
    message_of(path)


def test_nothing_reaches_the_terminal(make_clip):
    path = damaged(make_clip("clip.mp4", codec="libx264", size=(64, 64), pts=tuple(range(0, 20000, 1000))))
    code = (
        "import sys; from nvrc_core.media.source import open_source; from nvrc_core.errors import MediaError\n"
        "try:\n  with open_source(sys.argv[1]) as source: list(source)\nexcept MediaError: pass"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_rotation_is_noticed(tmp_path, make_clip):
    path = tmp_path / "turned.mp4"
    with av.open(str(make_clip("plain.mp4", codec="libx264"))) as plain, av.open(str(path), "w") as turned:
        track = turned.add_stream_from_template(plain.streams.video[0])
        track.set_display_rotation(90)
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                packet.stream = track
                turned.mux(packet)
    source, _ = read(path)
    assert any("rotated by" in notice for notice in source.notices)
