import os
import threading
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from nvrc_formats.video import PLANAR_FORMATS, VideoFormat

from nvrc_core.config import EncodeConfig
from nvrc_core.encode import encode
from nvrc_core.errors import MediaError
from nvrc_core.evaluation.quality.compare import compare
from nvrc_core.evaluation.quality.meter import QualityMeter
from nvrc_core.evaluation.quality.pictures import RawVideo
from nvrc_core.events import FrameProgress, Notice
from nvrc_core.media.selection import FrameRange


def write_mkv(path: Path, video: VideoFormat, clip, **properties) -> str:
    with av.open(str(path), "w") as container:
        track = container.add_stream("ffv1", Fraction(25))
        track.width, track.height, track.pix_fmt = video.width, video.height, video.pixel_format.name
        for key, value in properties.items():
            setattr(track.codec_context, key, value)
        for planes in clip:
            picture = av.VideoFrame(video.width, video.height, video.pixel_format.name)
            for plane, samples in zip(picture.planes, planes, strict=True):
                lines = np.frombuffer(plane, samples.dtype).reshape(-1, plane.line_size // samples.itemsize)
                lines[: samples.shape[0], : samples.shape[1]] = samples
            container.mux(track.encode(picture))
        container.mux(track.encode(None))
    return str(path)


def write_raw(path: Path, clip) -> str:
    path.write_bytes(b"".join(plane.tobytes() for planes in clip for plane in planes))
    return str(path)


def test_files_measure_like_planes(pair, tmp_path):
    video, reference, test = pair
    meter = QualityMeter(video)
    for planes in zip(reference, test, strict=True):
        meter.update(*planes)
    expected = meter.result()
    raw = RawVideo((video.width, video.height), pixel_format=video.pixel_format)
    paths = [
        (write_mkv(tmp_path / "a.mkv", video, reference), write_mkv(tmp_path / "b.mkv", video, test)),
        (write_raw(tmp_path / "a.yuv", reference), write_raw(tmp_path / "b.YUV", test)),
        (str(tmp_path / "a.mkv"), str(tmp_path / "b.YUV")),
    ]
    for a, b in paths:
        events = []
        found = compare(a, b, raw=raw, on_event=events.append)
        assert found.figures() == pytest.approx(expected.figures(), abs=1e-12)
        assert events == [FrameProgress("measure", done + 1, None) for done in range(expected.frames)]
        assert (found.video.width, found.video.pixel_format, found.vmaf) == (video.width, video.pixel_format, None)


@pytest.fixture
def three(make_pair, tmp_path):
    """Paths of two clips of three frames, and their planes."""
    video = VideoFormat(32, 24)
    reference, test = make_pair(video, 3)
    return write_mkv(tmp_path / "a.mkv", video, reference), write_mkv(tmp_path / "b.mkv", video, test), reference, test


def test_frames_are_selected_of_both(three):
    a, b, reference, test = three
    meter = QualityMeter(VideoFormat(32, 24))
    for planes in list(zip(reference, test, strict=True))[1:3]:
        meter.update(*planes)
    assert compare(a, b, frames=FrameRange(1)).figures() == meter.result().figures()
    assert compare(a, b, frames=FrameRange(1, 9)).quality.frames == 2
    with pytest.raises(MediaError, match=r"a\.mkv and .*b\.mkv have no frames in the range 3:"):
        compare(a, b, frames=FrameRange(3))


def test_a_nvrc_file_is_decoded_on_the_fly(tmp_path, moving_disc, write_yuv, tiny_preset):
    planes = moving_disc(5, 24, 32)
    source = str(write_yuv(tmp_path / "disc.yuv", planes))
    file = str(tmp_path / "disc.nvrc")
    raw = RawVideo((32, 24))
    config = EncodeConfig(
        preset=tiny_preset, target_bpp=1.0, device="cpu", threads=1, raw_size=(32, 24), raw_rate=Fraction(25)
    )
    told = encode(source, file, config)
    found = compare(source, file, raw=raw, device="cpu", threads=1)
    assert found.quality.frames == 5
    for name in ("psnr_y", "psnr_u", "psnr_v", "psnr_yuv"):
        assert found.figures()[name] == getattr(told, name)
    part = compare(source, file, frames=FrameRange(1, 3), raw=raw, device="cpu", threads=1)
    for name, values in part.per_frame.items():
        np.testing.assert_array_equal(values, found.per_frame[name][1:3])


def test_different_lengths_are_told_with_both_names(three, make_pair, tmp_path):
    a, _, _, test = three
    short = write_mkv(tmp_path / "short.mkv", VideoFormat(32, 24), test[:1])
    for first, second in ((a, short), (short, a)):
        with pytest.raises(MediaError) as caught:
            compare(first, second)
        counts = {a: 3, short: 1}
        assert str(caught.value).startswith(f"{first} has {counts[first]} frames, {second} has {counts[second]};")
        assert compare(first, second, frames=FrameRange(0, 1)).quality.frames == 1
    with pytest.raises(MediaError, match=r"has 2 frames in the range 0:2, .* has 1"):
        compare(a, short, frames=FrameRange(0, 2))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (VideoFormat(32, 22), "a.mkv is 32x24 yuv420p, {} is 32x22 yuv420p"),
        (VideoFormat(32, 24, PLANAR_FORMATS["yuv420p10le"]), "{} is 32x24 yuv420p10le"),
        (VideoFormat(32, 24, PLANAR_FORMATS["yuv444p"]), "{} is 32x24 yuv444p"),
    ],
)
def test_different_formats_are_told_with_both_names(three, make_pair, tmp_path, other, words):
    clip, _ = make_pair(other, 3)
    path = write_mkv(tmp_path / "other.mkv", other, clip)
    with pytest.raises(MediaError) as caught:
        compare(three[0], path)
    assert words.format(path) in str(caught.value)


def test_ranges_that_differ_are_noticed(three, tmp_path):
    video = VideoFormat(32, 24)
    limited = write_mkv(tmp_path / "limited.mkv", video, three[2], color_range=1)
    full = write_mkv(tmp_path / "full.mkv", video, three[2], color_range=2)
    events = []
    compare(limited, full, on_event=events.append)
    (message,) = [event.message for event in events if isinstance(event, Notice)]
    assert message.startswith(f"{limited} is marked as limited range and {full} is marked as full range")


def feed(path: str, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with open(path, "wb") as pipe:
        for _ in range(frames):
            pipe.write(rng.integers(0, 256, 160 * 120 * 3 // 2, dtype=np.uint8).tobytes())


def peak_bytes(folder: Path, frames: int) -> int:
    """Of a comparison of two pipes of raw frames."""
    paths = [str(folder / f"{name}{frames}.yuv") for name in "ab"]
    for seed, path in enumerate(paths):
        os.mkfifo(path)
        threading.Thread(target=feed, args=(path, frames, seed)).start()
    tracemalloc.start()
    try:
        assert compare(*paths, raw=RawVideo((160, 120)), threads=1, device="cpu").quality.frames == frames
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length(tmp_path):
    peak_bytes(tmp_path, 2)  # what is loaded once
    short, long = (peak_bytes(tmp_path, frames) for frames in (8, 72))
    assert long - short < 2 * 160 * 120  # 64 more frames on both sides have 3.7 million bytes
