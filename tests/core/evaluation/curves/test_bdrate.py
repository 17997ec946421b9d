import json
import math

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from typer.testing import CliRunner

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.bdrate import RDPoint, bd_rate, compare, load_curve, load_curves

CURVE = [
    RDPoint(0.01, 28.0),
    RDPoint(0.02, 31.5),
    RDPoint(0.05, 34.0),
    RDPoint(0.1, 36.8),
    RDPoint(0.3, 39.0),
]


def scaled(curve, factor):
    return [RDPoint(point.bpp * factor, point.quality_db) for point in curve]


def random_curve(rng, monotone=True):
    count = rng.integers(2, 9)
    log_rate = rng.uniform(-5, 1, count)
    quality = np.sort(rng.uniform(25, 45, count))
    return [RDPoint(*pair) for pair in zip(np.exp(np.sort(log_rate) if monotone else log_rate), quality, strict=True)]


def scipy_bd_percent(anchor, test):
    low = max(min(p.quality_db for p in curve) for curve in (anchor, test))
    high = min(max(p.quality_db for p in curve) for curve in (anchor, test))
    means = []
    for curve in (anchor, test):
        quality, rate = np.array([(p.quality_db, p.bpp) for p in curve]).T
        means.append(PchipInterpolator(quality, np.log(rate)).integrate(low, high) / (high - low))
    return 100 * (math.exp(means[1] - means[0]) - 1)


@pytest.mark.parametrize(("factor", "percent"), [(0.5, -50), (1, 0), (1.25, 25), (4, 300)])
def test_a_constant_ratio_of_rates_is_that_ratio(factor, percent):
    result = bd_rate(CURVE, scaled(CURVE, factor))
    assert result.percent == pytest.approx(percent, abs=1e-9)
    assert result.overlap_db == (28.0, 39.0)
    assert result.warnings == ()


def test_two_straight_lines_by_hand():
    # ln(rate) is 0..1 and 0..2 over the same 10 dB: means of 1/2 and 1.
    anchor = [RDPoint(1, 30), RDPoint(math.e, 40)]
    test = [RDPoint(1, 30), RDPoint(math.e**2, 40)]
    assert bd_rate(anchor, test).percent == pytest.approx(100 * (math.exp(0.5) - 1), rel=1e-12)
    # Only 35 to 40 dB are shared: means of 3/4 against 0.
    flat = [RDPoint(1, 35), RDPoint(1, 45)]
    assert bd_rate(anchor, flat).percent == pytest.approx(100 * (math.exp(-0.75) - 1), rel=1e-12)


@pytest.mark.parametrize("monotone", [True, False])
def test_equals_scipys_interpolator(monotone):
    rng = np.random.default_rng(11)
    compared = 0
    for _ in range(300):
        anchor, test = random_curve(rng, monotone), random_curve(rng, monotone)
        try:
            result = bd_rate(anchor, test)
        except UsageError:
            continue
        compared += 1
        assert result.percent == pytest.approx(scipy_bd_percent(anchor, test), rel=1e-9, abs=1e-9)
    assert compared > 150


def test_exchange_of_the_sides_inverts_the_ratio():
    rng = np.random.default_rng(5)
    other = [RDPoint(p.bpp * rng.uniform(0.5, 2), p.quality_db + rng.uniform(-1, 1)) for p in CURVE]
    forth, back = bd_rate(CURVE, other), bd_rate(other, CURVE)
    assert (1 + forth.percent / 100) * (1 + back.percent / 100) == pytest.approx(1, rel=1e-12)
    assert forth.overlap_db == back.overlap_db
    assert abs(forth.percent) > 1


def test_order_unit_of_rate_and_repeated_points_do_not_matter():
    other = [RDPoint(p.bpp**1.1, p.quality_db + 0.3) for p in CURVE]
    plain = bd_rate(CURVE, other)
    assert bd_rate(CURVE[::-1], [*other[2:], *other[:3]]) == plain
    assert bd_rate(scaled(CURVE, 1e6), scaled(other, 1e6)).percent == pytest.approx(plain.percent, rel=1e-9)


def test_no_overlap_is_refused_with_both_ranges():
    higher = [RDPoint(p.bpp, p.quality_db + 12) for p in CURVE]
    with pytest.raises(UsageError, match=r"28\.00 to 39\.00 dB \(anchor\) and 40\.00 to 51\.00 dB \(test\)"):
        bd_rate(CURVE, higher)
    touching = [RDPoint(p.bpp, p.quality_db + 11) for p in CURVE]
    with pytest.raises(UsageError, match="share no range"):
        bd_rate(CURVE, touching)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ([], "test curve needs 2 different points or more, it has 0"),
        (CURVE[:1] * 3, "it has 1"),
        ([*CURVE, RDPoint(0.0, 41.0)], "0 bpp and 41 dB"),
        ([*CURVE, RDPoint(-0.1, 41.0)], "-0.1 bpp"),
        ([*CURVE, RDPoint(math.nan, 41.0)], "nan bpp"),
        ([*CURVE, RDPoint(0.4, math.inf)], "inf dB"),
        ([*CURVE, RDPoint(0.4, math.nan)], "nan dB"),
        ([*CURVE, RDPoint(0.4, 39.0)], "0.3 and 0.4 bpp at the same 39 dB"),
    ],
)
def test_bad_curves_are_refused(curve, message):
    with pytest.raises(UsageError, match=message):
        bd_rate(CURVE, curve)


def test_doubtful_figures_come_with_warnings():
    kinked = [*CURVE[:3], RDPoint(0.04, 36.8), CURVE[4]]
    assert bd_rate(CURVE, kinked).warnings == (
        "the test curve is not monotone: some point has more quality at no more rate",
    )
    narrow = [RDPoint(0.2, 38.5), RDPoint(0.3, 42.0), RDPoint(0.4, 43.0)]
    few, overlap = bd_rate(CURVE, narrow).warnings
    assert few.startswith("the test curve has 3 points")
    assert overlap == "the curves share only 0.50 dB, from 38.50 to 39.00 dB"


def records(curve, **names):
    return [{"bpp": p.bpp, "psnr_y": p.quality_db - 1, "psnr_yuv": p.quality_db} | names for p in curve]


@pytest.fixture
def write(tmp_path):
    def to_file(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def test_three_kinds_of_files_hold_the_same_curve(write):
    points = records(CURVE)
    lines = [{"event": "progress", "bpp": 9}, *({"event": "done", **point} for point in points)]
    files = [
        write("list.json", points),
        write("own.json", {"format": "nvrc-rd", "version": 1, "points": points}),
        write("lines.ndjson", "\n".join(json.dumps(line) for line in lines) + "\n"),
    ]
    for path in files:
        assert load_curve(path, "psnr_yuv") == CURVE
        assert [p.quality_db + 1 for p in load_curve(path, "psnr_y")] == [p.quality_db for p in CURVE]
    one = write("one.ndjson", json.dumps({"event": "done", **points[0]}))
    assert len(load_curve(one, "psnr_y")) == 1


def test_curves_are_grouped_by_clip_and_selected_by_series_or_codec(write):
    points = [
        *records(CURVE, clip="a", series="fast_1", codec="fast"),
        *records(scaled(CURVE, 2), clip="a", codec="slow", preset="9"),
        *records(scaled(CURVE, 3), clip="b", codec="slow", preset="9"),
    ]
    path = write("points.json", points)
    assert {clip: len(found) for clip, found in load_curves(path).items()} == {"a": 10, "b": 5}
    assert load_curve(path, "psnr_yuv", "a", "fast_1") == load_curve(path, "psnr_yuv", "a", "fast") == CURVE
    assert load_curve(path, "psnr_yuv", "b") == load_curve(path, "psnr_yuv", "b", "slow_9") == scaled(CURVE, 3)
    with pytest.raises(UsageError, match="several series, choose one of fast_1, slow_9"):
        load_curve(path, "psnr_yuv", "a")
    with pytest.raises(UsageError, match="several clips, choose one of a, b"):
        load_curve(path, "psnr_yuv")
    with pytest.raises(UsageError, match="no points of 'av9': series fast_1, slow_9; clips a, b"):
        load_curve(path, "psnr_yuv", series="av9")
    with pytest.raises(UsageError, match="no points of 'slow' on 'c'"):
        load_curve(path, "psnr_yuv", "c", "slow")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("{'bpp': 1}", "is not JSON"),
        ('{"bpp": 1}\n{"bpp": ', "line 2 is not JSON"),
        ("[]", "no rate-distortion points"),
        ('{"event": "progress"}', "no rate-distortion points"),
        ("[3]", "must be a JSON object"),
        ('{"format": "nvrc-rd", "version": 2, "points": []}', "version 1 but 'nvrc-rd' 2"),
        ('{"format": "other", "version": 1, "points": []}', "but 'other' 1"),
        ('[{"bpp": 1, "psnr_y": 30}]', "no number for 'psnr_yuv', only bpp, psnr_y"),
        ('[{"bpp": "1", "psnr_yuv": 30}]', "no number for 'bpp'"),
        ('[{"bpp": 1, "psnr_yuv": null}]', "no number for 'psnr_yuv'"),
    ],
)
def test_bad_files_are_refused(write, content, message):
    with pytest.raises(UsageError, match=message):
        load_curve(write("bad.json", content), "psnr_yuv")


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        load_curves(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a JSON file"):
        load_curves(tmp_path / "binary.json")


@pytest.fixture
def two_files(write):
    anchor = [*records(CURVE, clip="a"), *records(CURVE, clip="b"), *records(CURVE, clip="c")]
    far = [RDPoint(p.bpp, p.quality_db + 20) for p in CURVE]
    test = [
        *records(scaled(CURVE, 0.5), clip="a", codec="x"),
        *records(scaled(CURVE, 0.8), clip="b", codec="x"),
        *records(scaled(CURVE, 9), clip="b", codec="y"),
        *records(far, clip="c", codec="x"),
        *records(CURVE, clip="d", codec="x"),
    ]
    return write("anchor.json", anchor), write("test.json", test)


def test_compare_averages_the_clips_that_have_a_figure(two_files):
    comparison = compare(*two_files, test_series="x")
    figures = {result.clip: result.bd and result.bd.percent for result in comparison.clips}
    assert figures == {"a": pytest.approx(-50), "b": pytest.approx(-20), "c": None}
    assert "share no range" in comparison.clips[2].reason
    assert comparison.mean_percent == pytest.approx(-35)
    assert (comparison.only_in_anchor, comparison.only_in_test) == ((), ("d",))
    assert compare(*two_files, test_series="y").only_in_anchor == ("a", "c")
    assert compare(*two_files, clip="a").mean_percent == pytest.approx(-50)


def test_compare_refuses_what_has_no_answer(two_files, write):
    anchor, test = two_files
    with pytest.raises(UsageError, match="clip 'b' has several series, choose one of x, y"):
        compare(anchor, test)
    with pytest.raises(UsageError, match="c: no BD-rate"):
        compare(anchor, test, clip="c")
    with pytest.raises(UsageError, match=r"no clip is in both files: .* has a, b, c, .* has z"):
        compare(anchor, write("other.json", records(CURVE, clip="z")))


def test_a_nameless_curve_stands_for_the_only_clip(two_files, write):
    nameless = write("nameless.json", records(scaled(CURVE, 0.25)))
    (result,) = compare(two_files[0], nameless, clip="b").clips
    assert (result.clip, result.bd.percent) == ("b", pytest.approx(-75))
    with pytest.raises(UsageError, match="no clip is in both files"):
        compare(two_files[0], nameless)


def test_points_of_other_frames_are_warned_of(write):
    anchor = write("whole.json", records(CURVE, width=64, height=48, frames=100))
    test = write("part.json", records(CURVE, width=64, height=48, frames=16))
    (result,) = compare(anchor, test).clips
    assert result.bd.warnings == ("the points are not of the same frames: 64x48 x 16, 64x48 x 100",)


@pytest.fixture
def command():
    import typer

    from nvrc_cli.bdrate import bdrate

    app = typer.Typer()
    app.command()(bdrate)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_command_prints_one_json_object(command, two_files):
    outcome = command(*two_files, "--test-series", "x", "--json", "--metric", "psnr_y")
    assert outcome.exit_code == 0
    assert outcome.stderr == ""
    answer = json.loads(outcome.stdout)
    assert answer["event"] == "done"
    assert answer["metric"] == "psnr_y"
    assert answer["bd_rate_percent"] == pytest.approx(-35)
    assert [clip["clip"] for clip in answer["clips"]] == ["a", "b", "c"]
    assert answer["clips"][0]["overlap_db"] == [27.0, 38.0]
    assert answer["clips"][2]["bd_rate_percent"] is None
    assert answer["only_in_test"] == ["d"]


def test_command_keeps_the_table_and_its_warnings_apart(command, two_files):
    outcome = command(*two_files, "--test-series", "x")
    assert outcome.exit_code == 0
    assert "-50.00 %" in outcome.stdout
    assert "mean of 2" in outcome.stdout
    assert "warning" not in outcome.stdout
    assert "warning: c: no BD-rate" in outcome.stderr
    assert "warning: only in TEST: d" in outcome.stderr


def test_command_leaves_failures_to_the_program(command, two_files):
    assert isinstance(command(*two_files).exception, UsageError)
