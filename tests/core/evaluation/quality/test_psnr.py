from fractions import Fraction

import av
import numpy as np
import pytest

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.quality.psnr import PSNR_CAP_DB, PsnrMeter, plane_psnr_db


def test_known_values_by_frame():
    reference = np.zeros((3, 4, 5), np.uint8)
    test = reference.copy()
    test[0] = 255  # the worst: a mean squared error of peak**2
    test[1] = 1  # an error of 1 everywhere: 20 log10(255)
    test[2, 0, 0] = 10  # one sample of 20: a mean squared error of 5
    expected = [0.0, 48.130803608679074, 10 * np.log10(255**2 / 5)]
    np.testing.assert_allclose(plane_psnr_db(reference, test, 255), expected, rtol=1e-12)


def test_differences_do_not_wrap_around():
    low, high = np.full((1, 2, 2), 3, np.uint8), np.full((1, 2, 2), 250, np.uint8)
    forth, back = plane_psnr_db(low, high, 255), plane_psnr_db(high, low, 255)
    assert forth == back == pytest.approx(20 * np.log10(255 / 247))


def test_sixteen_bits_do_not_overflow():
    black, white = np.zeros((1, 300, 300), np.uint16), np.full((1, 300, 300), 65535, np.uint16)
    assert plane_psnr_db(black, white, 65535)[0] == pytest.approx(0, abs=1e-12)


def test_identical_planes_score_the_cap_and_nothing_scores_more():
    plane = np.zeros((1, 512, 512), np.uint8)
    nearly = plane.copy()
    nearly[0, 0, 0] = 1  # 102 dB without the cap
    assert plane_psnr_db(plane, plane, 255)[0] == PSNR_CAP_DB
    assert plane_psnr_db(plane, nearly, 255)[0] == PSNR_CAP_DB


def test_meter_averages_decibels_and_weights_planes():
    black = [np.zeros(shape, np.uint8) for shape in ((6, 4), (3, 2), (3, 2))]
    meter = PsnrMeter()
    meter.update(black, [plane + step for plane, step in zip(black, (1, 2, 5), strict=True)])
    meter.update(black, [plane + step for plane, step in zip(black, (10, 2, 255), strict=True)])
    psnr = meter.result()
    one = 20 * np.log10(255)
    assert psnr.y == pytest.approx(one - 10)  # (one + one - 20) / 2, and not 10 log10 of a mean error
    assert psnr.u == pytest.approx(one - 20 * np.log10(2))
    assert psnr.v == pytest.approx((one - 20 * np.log10(5)) / 2)
    assert psnr.yuv == pytest.approx((6 * psnr.y + psnr.u + psnr.v) / 8)
    assert psnr.per_frame.shape == (2, 3)
    assert psnr.per_frame[1, 0] == pytest.approx(one - 20)


def test_frames_may_come_one_by_one_or_together():
    rng = np.random.default_rng(3)
    clips = [[rng.integers(0, 1024, (4, h, w), dtype=np.uint16) for h, w in ((6, 8), (3, 4), (3, 4))] for _ in "ab"]
    together, one_by_one = PsnrMeter(1023), PsnrMeter(1023)
    together.update(*clips)
    for t in range(4):
        one_by_one.update(*([plane[t] for plane in clip] for clip in clips))
    assert together.result() == one_by_one.result()


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 4, 4), (1, 2, 10)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match="shapes"):
        plane_psnr_db(np.zeros((1, 4, 5), np.uint8), np.zeros(shape, np.uint8), 255)


def test_floats_and_nothing_are_refused():
    with pytest.raises(TypeError, match="float32"):
        plane_psnr_db(np.zeros((1, 4, 5), np.uint8), np.zeros((1, 4, 5), np.float32), 255)
    with pytest.raises(UsageError, match="no samples"):
        plane_psnr_db(np.zeros((1, 0, 5), np.uint8), np.zeros((1, 0, 5), np.uint8), 255)
    with pytest.raises(UsageError, match="no frame"):
        PsnrMeter().result()


def test_pooling_is_the_decibels_of_the_mean_error():
    black = [np.zeros(shape, np.uint8) for shape in ((6, 4), (3, 2), (3, 2))]
    meter = PsnrMeter()
    meter.update(black, [plane + step for plane, step in zip(black, (1, 2, 5), strict=True)])
    meter.update(black, [plane + step for plane, step in zip(black, (10, 2, 0), strict=True)])
    pooled = meter.result().pooled
    assert pooled.y == pytest.approx(10 * np.log10(255**2 / 50.5))
    assert pooled.u == pytest.approx(10 * np.log10(255**2 / 4))
    assert pooled.v == pytest.approx(10 * np.log10(255**2 / 12.5))  # no cap on the frame without an error
    assert pooled.yuv == pytest.approx(10 * np.log10(255**2 * 8 / (6 * 50.5 + 4 + 12.5)))
    meter = PsnrMeter()
    meter.update(black, black)
    assert meter.result().pooled.yuv == PSNR_CAP_DB


def test_agrees_with_plain_arithmetic_in_float64(pair):
    video, reference, test = pair
    meter = PsnrMeter(video.pixel_format.peak)
    for planes in zip(reference, test, strict=True):
        meter.update(*planes)
    expected = []
    for planes, others in zip(reference, test, strict=True):
        errors = [
            np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2) for a, b in zip(planes, others, strict=True)
        ]
        expected.append(20 * np.log10(video.pixel_format.peak) - 10 * np.log10(errors))
    np.testing.assert_allclose(meter.result().per_frame, expected, rtol=0, atol=1e-9)


def ffmpeg_psnr(video, reference, test) -> np.ndarray:
    """[T, 3] in dB, by FFmpeg's filter."""
    name, base = video.pixel_format.name, Fraction(1, 25)
    graph = av.filter.Graph()
    sides = [graph.add_buffer(width=video.width, height=video.height, format=name, time_base=base) for _ in range(2)]
    measure, sink = graph.add("psnr"), graph.add("buffersink")
    for index, side in enumerate(sides):
        side.link_to(measure, 0, index)
    measure.link_to(sink)
    graph.configure()
    figures = []
    for index, frames in enumerate(zip(reference, test, strict=True)):
        for side, planes in zip(sides, frames, strict=True):
            picture = av.VideoFrame(video.width, video.height, name)
            for target, plane in zip(picture.planes, planes, strict=True):
                lines = np.frombuffer(target, plane.dtype).reshape(-1, target.line_size // plane.itemsize)
                lines[: plane.shape[0], : plane.shape[1]] = plane
            picture.pts, picture.time_base = index, base
            side.push(picture)
        metadata = sink.pull().metadata
        figures.append([float(metadata[f"lavfi.psnr.psnr.{plane}"]) for plane in "yuv"])
    return np.array(figures)


def test_agrees_with_ffmpeg(pair):
    video, reference, test = pair
    meter = PsnrMeter(video.pixel_format.peak)
    for planes in zip(reference, test, strict=True):
        meter.update(*planes)
    # The filter prints its float32 with six decimals.
    np.testing.assert_allclose(meter.result().per_frame, ffmpeg_psnr(*pair), rtol=0, atol=2e-5)
