"""BD-rate: how much rate a codec needs, in percent, to reach another codec's quality.

Bjontegaard's measure (VCEG-M33): ln(rate) as a function of quality, interpolated, averaged over the qualities that
both curves reach. There is no figure without such an overlap: extrapolated curves have no meaning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.interpolation import DEFAULT_METHOD, Curve, mean_difference, shared_range
from nvrc_core.evaluation.curves.quality_metrics import DEFAULT_METRIC, METRICS, QualityMetric
from nvrc_core.evaluation.curves.rd_points import RDPoint

__all__ = ["BDRate", "RDPoint", "bd_rate", "rate_at_quality"]

FEW_POINTS = 4  # JVET's common conditions ask for four rates


@dataclass(frozen=True)
class BDRate:
    """`percent` below 0: the tested codec needs less rate than the anchor.

    `overlap`: the range of quality that the figure is a mean of, in the metric's unit. `quality`: Bjontegaard's
    second measure, the mean difference of quality at equal rate (BD-PSNR), None where the curves share no range of
    rates or one has two points of a rate. `warnings`: what makes the figures less reliable, a line each.
    """

    percent: float
    overlap: tuple[float, float]
    quality: float | None = None
    warnings: tuple[str, ...] = ()


def bd_rate(
    anchor: Sequence[RDPoint],
    test: Sequence[RDPoint],
    metric: QualityMetric = METRICS[DEFAULT_METRIC],
    method: str = DEFAULT_METHOD,
) -> BDRate:
    """The mean difference in rate of `test` against `anchor` at equal quality.

    The points' quality is on the metric's scale (decibels for MS-SSIM too). They may come in any order: they are
    sorted, and repeated ones count once. Raises `UsageError` where a curve has fewer than two points or too few for
    the method, two rates at one quality, a rate that is not positive or a value that is not finite, and where the
    curves share no range of quality.
    """
    unit = metric.unit
    curves = {"anchor": _checked_curve(anchor, "anchor", unit), "test": _checked_curve(test, "test", unit)}
    overlap = shared_range(*curves.values())
    if overlap is None:
        spans = " and ".join(f"{curve.x[0]:.2f} to {curve.x[-1]:.2f} {unit} ({n})" for n, curve in curves.items())
        raise UsageError(f"no BD-rate: the curves share no range of quality, {spans}; add points that overlap")
    percent = 100 * math.expm1(mean_difference(*curves.values(), method))

    notes = []
    for name, (quality, log_rate) in curves.items():
        if len(quality) < FEW_POINTS:
            notes.append(f"the {name} curve has {len(quality)} points; {FEW_POINTS} or more are usual")
        if np.any(np.diff(log_rate) <= 0):
            notes.append(f"the {name} curve is not monotone: some point has more quality at no more rate")
    low, high = overlap
    if high - low < metric.narrow:
        notes.append(f"the curves share only {high - low:.2f} {unit}, from {low:.2f} to {high:.2f} {unit}")
    return BDRate(percent, overlap, _quality_difference(*curves.values(), method), tuple(notes))


def rate_at_quality(curve: Sequence[RDPoint], quality_db: float) -> float | None:
    """The rate at which a curve (PCHIP on ln(rate)) has a quality, None beyond its ends. Raises like `bd_rate`."""
    log_rate = _checked_curve(curve, "given", "dB").at(quality_db)
    return None if log_rate is None else math.exp(log_rate)


def _checked_curve(points: Sequence[RDPoint], name: str, unit: str) -> Curve:
    """ln(rate) as a function of quality."""
    pairs = sorted({(float(point.quality), float(point.bpp)) for point in points})
    for quality, rate in pairs:
        if not (math.isfinite(quality) and math.isfinite(rate) and rate > 0):
            raise UsageError(f"no BD-rate: the {name} curve has a point of {rate:g} bpp and {quality:g} {unit}")
    if len(pairs) < 2:
        raise UsageError(f"no BD-rate: the {name} curve needs 2 different points or more, it has {len(pairs)}")
    quality, rates = np.array(pairs).T
    for index in np.flatnonzero(np.diff(quality) == 0):
        both = f"{rates[index]:g} and {rates[index + 1]:g} bpp"
        raise UsageError(f"no BD-rate: the {name} curve has {both} at the same {quality[index]:g} {unit}")
    return Curve(quality, np.log(rates))


def _quality_difference(anchor: Curve, test: Curve, method: str) -> float | None:
    """The same with the axes exchanged: quality as a function of ln(rate)."""
    exchanged = []
    for quality, log_rate in (anchor, test):
        order = np.argsort(log_rate)
        exchanged.append(Curve(log_rate[order], quality[order]))
    if any(np.any(np.diff(curve.x) == 0) for curve in exchanged) or shared_range(*exchanged) is None:
        return None
    return mean_difference(*exchanged, method)
