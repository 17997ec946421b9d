import io
import os
import sys
import threading
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from nvrc_formats.video import ColorTags, VideoFormat

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.media.selection import Clip, read_clip
from nvrc_core.media.sink import open_sink
from nvrc_core.media.source import open_source

TAGS = ColorTags(primaries=9, transfer=16, matrix=9, full_range=False, chroma_location=3)


def clip_of(video: VideoFormat, durations: tuple[int, ...]) -> Clip:
    generator = np.random.default_rng(0)
    planes = [generator.integers(0, 256, (len(durations), *shape), dtype=np.uint8) for shape in video.plane_shapes]
    return Clip(video, planes, durations)


def write(target, clip: Clip, given: tuple[int, ...] | None = None):
    """Write the clip with its own durations, or those that are `given`."""
    with open_sink(target, clip.video, durations=given or clip.durations) as sink:
        for index in range(clip.frame_count):
            sink.write(tuple(plane[index] for plane in clip.planes))
    return sink


def read(path, **options) -> Clip:
    with open_source(path, **options) as source:
        return read_clip(source)


def same_samples(a: Clip, b: Clip) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


def video_of(width, height, **properties) -> VideoFormat:
    fields = {"frame_rate": Fraction(24), "time_base": Fraction(1, 24000), "sample_aspect": Fraction(1), "color": TAGS}
    return VideoFormat(width, height, **fields | properties)


@pytest.mark.parametrize("size", [(32, 16), (33, 17), (1, 1), (2, 5), (70, 3)])
@pytest.mark.parametrize("suffix", [".mkv", ".y4m", ".yuv"])
def test_lossless_targets_are_bit_exact(tmp_path, suffix, size):
    clip = clip_of(video_of(*size), (1000,) * 5)
    write(tmp_path / f"clip{suffix}", clip)
    raw = {"raw_size": size, "raw_rate": Fraction(24)} if suffix == ".yuv" else {}
    assert same_samples(read(tmp_path / f"clip{suffix}", **raw), clip)
    assert [path.name for path in tmp_path.iterdir()] == [f"clip{suffix}"]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("full_range", [None, False, True])
@pytest.mark.parametrize("aspect", [Fraction(0), Fraction(1), Fraction(128, 117)])
def test_containers_keep_tags_and_aspect(tmp_path, suffix, full_range, aspect):
    color = ColorTags(primaries=1, transfer=1, matrix=1, full_range=full_range, chroma_location=3)
    clip = clip_of(video_of(32, 16, sample_aspect=aspect, color=color), (1000,) * 3)
    write(tmp_path / f"clip{suffix}", clip)
    found = read(tmp_path / f"clip{suffix}")
    # An H.264 stream says "limited" where the source says nothing.
    assert found.video.color.full_range is (bool(full_range) if suffix == ".mp4" else full_range)
    assert (found.video.color.primaries, found.video.color.matrix, found.video.color.chroma_location) == (1, 1, 3)
    assert found.video.sample_aspect == aspect
    assert found.video.frame_rate == 24


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_containers_keep_variable_durations(tmp_path, suffix):
    clip = clip_of(video_of(32, 16), (1000, 2000, 1000, 3000, 1000, 1000))
    sink = write(tmp_path / f"clip{suffix}", clip)
    found = read(tmp_path / f"clip{suffix}")
    seconds = [duration * found.video.time_base for duration in found.durations]
    assert seconds == [Fraction(duration, 24000) for duration in clip.durations]
    assert sink.notices == ()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_rate_that_is_no_whole_number_of_units_keeps_its_mean(tmp_path, suffix):
    video = video_of(32, 16, time_base=Fraction(1, 1000))
    with open_sink(tmp_path / f"clip{suffix}", video) as sink:
        for index in range(25):
            sink.write(tuple(np.full(shape, index, np.uint8) for shape in video.plane_shapes))
    found = read(tmp_path / f"clip{suffix}")
    assert abs(sum(found.durations) * found.video.time_base - Fraction(25, 24)) < Fraction(2, 1000)


@pytest.mark.parametrize("suffix", [".y4m", ".yuv"])
def test_lost_timing_is_noticed(tmp_path, suffix):
    constant, variable = clip_of(video_of(4, 4), (1000, 1000)), clip_of(video_of(4, 4), (1000, 2000))
    assert write(tmp_path / f"a{suffix}", constant).notices == ()
    assert "variable frame durations" in write(tmp_path / f"b{suffix}", variable).notices[0]


def test_mp4_is_close_to_the_source(tmp_path):
    ramp = np.add.outer(np.arange(32), np.arange(64)).astype(np.uint8) + 60
    clip = Clip(video_of(64, 32), [ramp[None], ramp[None, ::2, ::2], ramp[None, ::2, ::2]], (1000,))
    write(tmp_path / "clip.mp4", clip)
    error = read(tmp_path / "clip.mp4").planes[0].astype(int) - clip.planes[0]
    assert np.abs(error).max() <= 4


def test_standard_output_is_y4m(tmp_path, monkeypatch):
    stdout = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=stdout))
    clip = clip_of(video_of(5, 3), (1000, 1000))
    write("-", clip)
    (tmp_path / "clip.y4m").write_bytes(stdout.getvalue())
    assert same_samples(read(tmp_path / "clip.y4m"), clip)


@pytest.mark.parametrize("name", ["fifo", "fifo.y4m", "fifo.mkv"])
def test_a_fifo_is_written_directly(tmp_path, name):
    fifo = tmp_path / name
    os.mkfifo(fifo)
    received = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    clip = clip_of(video_of(5, 3), (1000, 1000))
    write(fifo, clip)
    reader.join()
    (tmp_path / "copy").write_bytes(received[0])
    assert same_samples(read(tmp_path / "copy"), clip)


def test_a_reader_that_leaves_is_a_broken_pipe(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    pipe = os.fdopen(writing, "wb", buffering=0)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=pipe))
    with pytest.raises(BrokenPipeError):
        write("-", clip_of(video_of(5, 3), (1000, 1000)))
    pipe.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clip.avi", r"unknown suffix \.avi; supported are \.y4m, \.yuv, \.mkv, \.mp4"),
        ("clip", "has no suffix; supported are"),
        ("absent/clip.mkv", "does not exist"),
        ("odd.mp4", "33x17 is odd"),
        ("old.mkv", "exists"),
    ],
)
def test_bad_targets_are_refused_before_anything_is_opened(tmp_path, name, words):
    (tmp_path / "old.mkv").touch()
    with pytest.raises(UsageError, match=words):
        open_sink(tmp_path / name, video_of(33, 17))


def test_mp4_needs_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo.mp4")
    with pytest.raises(UsageError, match="needs a regular file"):
        open_sink(tmp_path / "fifo.mp4", video_of(32, 16))


@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv", ".mp4"])
def test_a_failure_leaves_nothing(tmp_path, suffix):
    clip = clip_of(video_of(32, 16), (1000, 1000))

    def fail_halfway():
        with open_sink(tmp_path / f"clip{suffix}", clip.video) as sink:
            sink.write(tuple(plane[0] for plane in clip.planes))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_said(tmp_path, suffix):
    (tmp_path / f"full{suffix}").symlink_to("/dev/full")
    with pytest.raises(ResourceError, match="disk full"):
        write(tmp_path / f"full{suffix}", clip_of(video_of(320, 160), (1000,) * 3))


def test_wrong_planes_are_a_mistake_of_the_caller(tmp_path):
    for suffix in (".y4m", ".mkv"):
        with pytest.raises(ValueError, match="expected"), open_sink(tmp_path / f"c{suffix}", video_of(4, 4)) as sink:
            sink.write((np.zeros((1, 4), np.uint8),) * 3)
    clip = clip_of(video_of(4, 4), (1000, 1000))
    with pytest.raises(ValueError, match="more frames"):
        write(tmp_path / "clip.mkv", clip, given=(1000,))
