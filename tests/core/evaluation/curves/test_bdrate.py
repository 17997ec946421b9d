import math

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.bdrate import bd_rate, rate_at_quality
from nvrc_core.evaluation.curves.quality_metrics import METRICS
from nvrc_core.evaluation.curves.rd_points import RDPoint

CURVE = [
    RDPoint(0.01, 28.0),
    RDPoint(0.02, 31.5),
    RDPoint(0.05, 34.0),
    RDPoint(0.1, 36.8),
    RDPoint(0.3, 39.0),
]


def scaled(curve, factor):
    return [RDPoint(point.bpp * factor, point.quality) for point in curve]


def random_curve(rng, monotone=True):
    count = rng.integers(2, 9)
    log_rate = rng.uniform(-5, 1, count)
    quality = np.sort(rng.uniform(25, 45, count))
    return [RDPoint(*pair) for pair in zip(np.exp(np.sort(log_rate) if monotone else log_rate), quality, strict=True)]


def scipy_bd_percent(anchor, test):
    low = max(min(p.quality for p in curve) for curve in (anchor, test))
    high = min(max(p.quality for p in curve) for curve in (anchor, test))
    means = []
    for curve in (anchor, test):
        quality, rate = np.array([(p.quality, p.bpp) for p in curve]).T
        means.append(PchipInterpolator(quality, np.log(rate)).integrate(low, high) / (high - low))
    return 100 * (math.exp(means[1] - means[0]) - 1)


@pytest.mark.parametrize(("factor", "percent"), [(0.5, -50), (1, 0), (1.25, 25), (4, 300)])
def test_a_constant_ratio_of_rates_is_that_ratio(factor, percent):
    result = bd_rate(CURVE, scaled(CURVE, factor))
    assert result.percent == pytest.approx(percent, abs=1e-9)
    assert result.overlap == (28.0, 39.0)
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
    other = [RDPoint(p.bpp * rng.uniform(0.5, 2), p.quality + rng.uniform(-1, 1)) for p in CURVE]
    forth, back = bd_rate(CURVE, other), bd_rate(other, CURVE)
    assert (1 + forth.percent / 100) * (1 + back.percent / 100) == pytest.approx(1, rel=1e-12)
    assert forth.overlap == back.overlap
    assert abs(forth.percent) > 1


def test_order_unit_of_rate_and_repeated_points_do_not_matter():
    other = [RDPoint(p.bpp**1.1, p.quality + 0.3) for p in CURVE]
    plain = bd_rate(CURVE, other)
    assert bd_rate(CURVE[::-1], [*other[2:], *other[:3]]) == plain
    assert bd_rate(scaled(CURVE, 1e6), scaled(other, 1e6)).percent == pytest.approx(plain.percent, rel=1e-9)


def test_no_overlap_is_refused_with_both_ranges():
    higher = [RDPoint(p.bpp, p.quality + 12) for p in CURVE]
    with pytest.raises(UsageError, match=r"28\.00 to 39\.00 dB \(anchor\) and 40\.00 to 51\.00 dB \(test\)"):
        bd_rate(CURVE, higher)
    touching = [RDPoint(p.bpp, p.quality + 11) for p in CURVE]
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


def test_bd_psnr_is_the_mean_difference_of_quality_at_equal_rate():
    better = [RDPoint(p.bpp, p.quality + 0.7) for p in CURVE]
    assert bd_rate(CURVE, better).quality == pytest.approx(0.7, abs=1e-9)
    assert bd_rate(better, CURVE).quality == pytest.approx(-0.7, abs=1e-9)
    # Curves that meet in quality need not meet in rate.
    assert bd_rate(CURVE, scaled(CURVE, 100)).quality is None
    same_rate = [*CURVE[:4], RDPoint(0.1, 39.0)]
    assert bd_rate(CURVE, same_rate).quality is None


def test_messages_and_the_narrowest_overlap_are_in_the_metrics_unit():
    vmaf = METRICS["vmaf"]
    scores = [RDPoint(0.1, 60), RDPoint(0.2, 75), RDPoint(0.4, 88), RDPoint(0.8, 94)]
    near = [RDPoint(p.bpp, p.quality + 31.5) for p in scores]
    assert bd_rate(scores, near, vmaf).warnings == ("the curves share only 2.50 VMAF, from 91.50 to 94.00 VMAF",)
    with pytest.raises(UsageError, match=r"60\.00 to 94\.00 VMAF \(anchor\)"):
        bd_rate(scores, [RDPoint(p.bpp, p.quality - 40) for p in scores], vmaf)


def test_rate_at_a_quality():
    assert rate_at_quality(CURVE, 34.0) == pytest.approx(0.05)
    assert 0.02 < rate_at_quality(CURVE, 33.0) < 0.05
    assert rate_at_quality(CURVE, 27.9) is None
    assert rate_at_quality(CURVE, 39.1) is None
