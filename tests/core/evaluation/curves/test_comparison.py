"""Two sources of curves: which clips belong together, and what is said of them."""

import json
import math

import pytest

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.comparison import compare

CURVE = [(0.01, 28.0), (0.02, 31.5), (0.05, 34.0), (0.1, 36.8), (0.3, 39.0)]
SEQUENCES = ("Beauty", "Bosphorus", "HoneyBee", "Jockey", "ReadySteadyGo", "ShakeNDry", "YachtRide")


def records(factor=1.0, rise=0.0, curve=CURVE, **names):
    return [
        {"bpp": bpp * factor, "psnr_y": quality + rise - 1, "psnr_yuv": quality + rise, "psnr_rgb": quality} | names
        for bpp, quality in curve
    ]


@pytest.fixture
def write(tmp_path):
    def to_file(name, points):
        path = tmp_path / name
        path.write_text(json.dumps(points))
        return path

    return to_file


@pytest.fixture
def two_files(write):
    anchor = [*records(clip="a"), *records(clip="b"), *records(clip="c")]
    test = [
        *records(0.5, clip="a", codec="x"),
        *records(0.8, clip="b", codec="x"),
        *records(9, clip="b", codec="y"),
        *records(rise=20, clip="c", codec="x"),
        *records(clip="d", codec="x"),
    ]
    return write("anchor.json", anchor), write("test.json", test)


def test_the_mean_is_of_the_clips_that_have_a_figure(two_files):
    comparison = compare(*two_files, test_series="x")
    figures = {result.clip: result.bd and result.bd.percent for result in comparison.clips}
    assert figures == {"a": pytest.approx(-50), "b": pytest.approx(-20), "c": None}
    assert "share no range" in comparison.clips[2].reason
    assert comparison.mean_percent == pytest.approx(-35)
    assert (comparison.only_in_anchor, comparison.only_in_test) == ((), ("d",))
    assert comparison.series == ("anchor", "x")
    assert compare(*two_files, test_series="y").only_in_anchor == ("a", "c")
    one = compare(*two_files, clip="a")
    assert (one.mean_percent, one.average) == (pytest.approx(-50), None)


def test_without_any_figure_there_is_a_reason(two_files):
    comparison = compare(*two_files, clip="c")
    assert comparison.mean_percent is None
    assert comparison.no_figure.startswith("c: no BD-rate: the curves share no range")


def test_what_has_no_answer_is_refused(two_files, write):
    anchor, test = two_files
    with pytest.raises(UsageError, match="clip 'b' has several series, choose one of x, y"):
        compare(anchor, test)
    with pytest.raises(UsageError, match=r"no clip is in both files: .* has a, b, c, .* has z"):
        compare(anchor, write("other.json", records(clip="z")))
    with pytest.raises(UsageError, match="no quality 'psnr'; choose one of psnr_yuv, psnr_y"):
        compare(anchor, test, metric="psnr")


def test_the_average_curve_is_of_the_means_at_every_index(write):
    low, high = CURVE, [(4 * bpp, quality + 2) for bpp, quality in CURVE]
    anchor = write("anchor.json", records(curve=low, clip="a") + records(curve=high[::-1], clip="b"))
    # Half the rate on one clip, one and a half on the other: their plain mean is 0.
    test = write("test.json", records(0.5, curve=low, clip="a") + records(1.5, curve=high, clip="b"))
    comparison = compare(anchor, test)
    assert comparison.mean_percent == pytest.approx(0)
    # The averages: (1 + 4) / 2 against (0.5 + 6) / 2 at every quality.
    assert comparison.average.bd.percent == pytest.approx(30)
    assert comparison.average.bd.overlap == (29, 40)


def test_no_average_curve_of_unlike_clips(write):
    anchor = write("anchor.json", records(clip="a") + records(curve=CURVE[:4], clip="b"))
    test = write("test.json", records(0.5, clip="a") + records(0.5, clip="b"))
    comparison = compare(anchor, test)
    assert comparison.mean_percent == pytest.approx(-50, abs=1)
    assert comparison.average.bd is None
    assert comparison.average.reason == "no average curve: the clips of ANCHOR have 4 and 5 points"


def test_ms_ssim_is_compared_in_decibels_and_averaged_before(write):
    decibels = [[10, 12, 14, 16], [12, 14, 16, 18]]

    def points(factor, clip, values):
        return [{"clip": clip, "bpp": factor * 2**i, "ms_ssim_y": 1 - 10 ** (-x / 10)} for i, x in enumerate(values)]

    anchor = write("anchor.json", points(1, "a", decibels[0]) + points(1, "b", decibels[1]))
    test = write("test.json", points(2, "a", decibels[0]) + points(2, "b", decibels[1]))
    comparison = compare(anchor, test, "ms_ssim_y")
    assert [result.bd.overlap for result in comparison.clips] == [pytest.approx((10, 16)), pytest.approx((12, 18))]
    assert comparison.average.bd.overlap[0] == pytest.approx(-10 * math.log10((10**-1.0 + 10**-1.2) / 2))
    assert comparison.average.bd.percent == pytest.approx(100)
    perfect = write("perfect.json", [{"clip": "a", "bpp": i, "ms_ssim_y": 1} for i in (1, 2)])
    assert "a point has ms_ssim_y 1; only values below 1" in compare(anchor, perfect, "ms_ssim_y").no_figure


def test_a_nameless_curve_stands_for_the_only_clip(two_files, write):
    nameless = write("nameless.json", records(0.25))
    (result,) = compare(two_files[0], nameless, clip="b").clips
    assert (result.clip, result.bd.percent) == ("b", pytest.approx(-75))
    with pytest.raises(UsageError, match="no clip is in both files"):
        compare(two_files[0], nameless)


def test_points_of_other_frames_are_warned_of(write):
    anchor = write("whole.json", records(width=64, height=48, frames=100))
    test = write("part.json", records(width=64, height=48, frames=16))
    (result,) = compare(anchor, test).clips
    assert result.bd.warnings == ("the points are not of the same frames: 64x48 x 16, 64x48 x 100",)


def test_points_of_other_samples_are_warned_of(write):
    anchor = write("one.json", records(width=64, height=48, frames=16, clip_hash="aa"))
    test = write("other.json", records(width=64, height=48, frames=16, clip_hash="bb"))
    (result,) = compare(anchor, test).clips
    assert result.bd.warnings == ("the points are not of the same frames: their samples differ",)


def test_rgb_by_different_conversions_is_warned_of(write):
    anchor = write("anchor.json", records(rgb="bt601-limited-nearest"))
    test = write("test.json", records(rgb="bt709-limited-bicubic"))
    assert "bt601-limited-nearest (" in compare(anchor, test, "psnr_rgb").warnings[0]
    assert compare(anchor, test, "psnr_y").warnings == ()
    assert "not named (" in compare(anchor, write("bare.json", records()), "psnr_rgb").warnings[0]
    assert compare(anchor, anchor, "psnr_rgb").warnings == ()


def test_files_that_name_their_clips_differently_are_paired_by_test_sequence(write):
    anchor = write("anchor.json", records(clip="Beauty_1920x1080_120fps_420_8bit_YUV.yuv"))
    test = write("test.json", records(0.5, clip="beauty.mkv"))
    comparison = compare(anchor, test)
    assert [(result.clip, result.bd.percent) for result in comparison.clips] == [("Beauty", pytest.approx(-50))]
    assert comparison.warnings == ("the files name their clips differently; they are paired by test sequence",)
    twice = write("twice.json", records(clip="beauty.mkv") + records(clip="beauty_small.mkv"))
    with pytest.raises(UsageError, match=r"'beauty.mkv' and 'beauty_small.mkv' are both of the test sequence Beauty"):
        compare(anchor, twice)
    assert compare("published:hinerv", twice, "psnr_rgb", clip="beauty_small.mkv").clips[0].clip == "Beauty"


def uvg(frames=600, **names):
    points = []
    for sequence in SEQUENCES:
        clip = f"{sequence}_1920x1080_120fps_420_8bit_YUV.mkv"
        size = {"width": 1920, "height": 1080, "frames": 300 if sequence == "ShakeNDry" else frames}
        points += records(clip=clip, series="mine", **size, **names)
    return points


def test_published_sequences_go_by_the_beginning_of_a_clips_name(write):
    mine = write("mine.json", uvg(rgb="bt601-limited-nearest"))
    comparison = compare("published:hinerv", mine, "psnr_rgb")
    expected = tuple(name.replace("Steady", "Set") for name in SEQUENCES)
    assert tuple(result.clip for result in comparison.clips) == expected
    assert comparison.only_in_anchor == comparison.only_in_test == comparison.warnings == ()
    assert comparison.series == ("hinerv", "mine")
    assert all(not result.bd or "not of the same frames" not in str(result.bd.warnings) for result in comparison.clips)
    asked = compare("published:hinerv", mine, "psnr_rgb", clip="ReadySteadyGo_1920x1080.yuv")
    assert [result.clip for result in asked.clips] == ["ReadySetGo"]


def test_fewer_frames_than_were_published_are_warned_of(write):
    comparison = compare(write("mine.json", uvg(frames=32)), "published:vtm-ldb", "psnr_yuv", clip="Beauty")
    assert "1920x1080 x 32, 1920x1080 x 600" in comparison.clips[0].bd.warnings[-1]


def test_a_published_average_is_compared_with_the_average_of_all_sequences(write):
    comparison = compare("published:hm", write("mine.json", uvg(rgb="bt601-limited-nearest")), "psnr_rgb")
    (result,) = comparison.clips
    assert (result.clip, comparison.average) == ("average", None)
    assert [(point.bpp, point.quality) for point in result.test] == [pytest.approx(pair) for pair in CURVE]
    assert comparison.warnings[0].startswith("published:hm is an average over clips")
    assert len(comparison.warnings) == 1
    part = [point for point in uvg() if "Jockey" not in point["clip"]]
    with pytest.raises(UsageError, match=r"published:hm is only known as the average .* lacks Jockey"):
        compare("published:hm", write("part.json", part), "psnr_rgb")
