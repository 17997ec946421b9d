"""BD-rate: how much rate a codec needs, in percent, to reach another codec's quality.

Bjontegaard's measure (VCEG-M33) as JVET's sheets compute it: ln(rate) as a function of quality,
interpolated by monotone cubics (PCHIP, Fritsch and Carlson 1980), averaged over the qualities that both
curves reach. There is no figure without such an overlap: extrapolated curves have no meaning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.rd_points import (
    RDPoint,
    listed,
    load_curve,
    load_curves,
    place,
    select_series,
    to_rd_points,
)

__all__ = ["BDRate", "ClipResult", "Comparison", "RDPoint", "bd_rate", "compare", "load_curve", "load_curves"]

FEW_POINTS = 4  # JVET's common conditions ask for four rates
NARROW_OVERLAP_DB = 1.0


@dataclass(frozen=True)
class BDRate:
    """`percent` below 0: the tested codec needs less rate than the anchor.

    `overlap_db`: the range of quality that the figure is a mean of. `warnings`: what makes it less
    reliable, a line each.
    """

    percent: float
    overlap_db: tuple[float, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipResult:
    """BD-rate on one clip; `bd` is None where it has no value, and `reason` then says why."""

    clip: str
    bd: BDRate | None
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """BD-rates by clip, and `mean_percent`, their plain mean over the clips that have one."""

    metric: str
    clips: tuple[ClipResult, ...]
    mean_percent: float
    only_in_anchor: tuple[str, ...]
    only_in_test: tuple[str, ...]


def bd_rate(anchor: Sequence[RDPoint], test: Sequence[RDPoint]) -> BDRate:
    """The mean difference in rate of `test` against `anchor` at equal quality.

    Points may come in any order: they are sorted by quality, and repeated ones count once. Raises
    `UsageError` where a curve has fewer than two points, two rates at one quality, a rate that is not
    positive or a value that is not finite, and where the curves share no range of quality.
    """
    curves = {"anchor": _checked_curve(anchor, "anchor"), "test": _checked_curve(test, "test")}
    ranges = {name: (quality[0], quality[-1]) for name, (quality, _) in curves.items()}
    low = max(start for start, _ in ranges.values())
    high = min(end for _, end in ranges.values())
    if low >= high:
        spans = " and ".join(f"{start:.2f} to {end:.2f} dB ({name})" for name, (start, end) in ranges.items())
        raise UsageError(f"no BD-rate: the curves share no range of quality, {spans}; add points that overlap")

    means = {name: _integral(*curve, low, high) / (high - low) for name, curve in curves.items()}
    warnings = []
    for name, (quality, log_rate) in curves.items():
        if len(quality) < FEW_POINTS:
            warnings.append(f"the {name} curve has {len(quality)} points; {FEW_POINTS} or more are usual")
        if np.any(np.diff(log_rate) <= 0):
            warnings.append(f"the {name} curve is not monotone: some point has more quality at no more rate")
    if high - low < NARROW_OVERLAP_DB:
        warnings.append(f"the curves share only {high - low:.2f} dB, from {low:.2f} to {high:.2f} dB")
    percent = 100 * math.expm1(means["test"] - means["anchor"])
    return BDRate(percent, (float(low), float(high)), tuple(warnings))


def rate_at_quality(curve: Sequence[RDPoint], quality_db: float) -> float | None:
    """The rate at which a curve (PCHIP on ln(rate)) has a quality, None beyond its ends. Raises like `bd_rate`."""
    quality, log_rate = _checked_curve(curve, "given")
    if not quality[0] <= quality_db <= quality[-1]:
        return None
    piece = np.array([min(np.searchsorted(quality, quality_db, side="right"), len(quality) - 1) - 1])
    return math.exp(_interpolate(quality, log_rate, np.array([quality_db]), piece)[0])


def compare(
    anchor_path: str | Path,
    test_path: str | Path,
    metric: str = "psnr_yuv",
    anchor_series: str | None = None,
    test_series: str | None = None,
    clip: str | None = None,
) -> Comparison:
    """BD-rates of the clips that both files hold, or of one `clip`.

    A nameless curve that is a file's only one stands for the only clip of the other file. Raises
    `UsageError` where the files share no clip, where a selection is empty or leaves several curves for a
    clip, and where no clip has a BD-rate.
    """
    anchors = select_series(load_curves(anchor_path), anchor_path, anchor_series, clip)
    tests = select_series(load_curves(test_path), test_path, test_series, clip)
    if len(anchors) == len(tests) == 1 and "" in anchors | tests:
        name = max(anchors | tests)  # the one that is not empty, if any
        anchors, tests = ({name: points} for curves in (anchors, tests) for points in curves.values())
    shared = [name for name in anchors if name in tests]
    if not shared:
        sides = f"{anchor_path} has {listed(anchors)}, {test_path} has {listed(tests)}"
        raise UsageError(f"no clip is in both files: {sides}")
    results = []
    for name in shared:
        anchor = to_rd_points(anchors[name], metric, place(anchor_path, name))
        test = to_rd_points(tests[name], metric, place(test_path, name))
        try:
            bd = bd_rate(anchor, test)
        except UsageError as error:
            results.append(ClipResult(name, None, str(error)))
        else:
            warnings = bd.warnings + _geometry_warnings(anchors[name] + tests[name])
            results.append(ClipResult(name, replace(bd, warnings=warnings)))
    percents = [result.bd.percent for result in results if result.bd]
    if not percents:
        raise UsageError(": ".join(filter(None, (results[0].clip, results[0].reason))))
    return Comparison(
        metric=metric,
        clips=tuple(results),
        mean_percent=math.fsum(percents) / len(percents),
        only_in_anchor=tuple(name for name in anchors if name not in tests),
        only_in_test=tuple(name for name in tests if name not in anchors),
    )


def _checked_curve(points: Sequence[RDPoint], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Quality in dB, strictly rising, and ln(rate), both float64 [N]."""
    pairs = sorted({(float(point.quality_db), float(point.bpp)) for point in points})
    for quality_db, rate in pairs:
        if not (math.isfinite(quality_db) and math.isfinite(rate) and rate > 0):
            raise UsageError(f"no BD-rate: the {name} curve has a point of {rate:g} bpp and {quality_db:g} dB")
    if len(pairs) < 2:
        raise UsageError(f"no BD-rate: the {name} curve needs 2 different points or more, it has {len(pairs)}")
    quality, rates = np.array(pairs).T
    for index in np.flatnonzero(np.diff(quality) == 0):
        both = f"{rates[index]:g} and {rates[index + 1]:g} bpp"
        raise UsageError(f"no BD-rate: the {name} curve has {both} at the same {quality[index]:g} dB")
    return quality, np.log(rates)


def _pchip_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes at the knots that keep the cubic pieces monotone between them; [N] each.

    Inside: the weighted harmonic mean of Fritsch and Butland (1984), 0 at a local extremum. At the ends:
    the three-point formula, limited to keep the shape (Moler, Numerical Computing with MATLAB, 3.6).
    """
    width, secant = np.diff(x), np.diff(y) / np.diff(x)
    if len(x) == 2:
        return np.repeat(secant, 2)
    slopes = np.zeros_like(y)
    left, right = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    rising = secant[:-1] * secant[1:] > 0
    harmonic = left[rising] / secant[:-1][rising] + right[rising] / secant[1:][rising]
    slopes[1:-1][rising] = (left + right)[rising] / harmonic
    slopes[0] = _end_slope(width[0], width[1], secant[0], secant[1])
    slopes[-1] = _end_slope(width[-1], width[-2], secant[-1], secant[-2])
    return slopes


def _end_slope(width: float, next_width: float, secant: float, next_secant: float) -> float:
    slope = ((2 * width + next_width) * secant - width * next_secant) / (width + next_width)
    if np.sign(slope) != np.sign(secant):
        return 0.0
    if np.sign(secant) != np.sign(next_secant) and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope


def _interpolate(x: np.ndarray, y: np.ndarray, at: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """The curve through `x`, `y` [N] at positions inside the given pieces (piece i: x[i] to x[i + 1])."""
    slopes = _pchip_slopes(x, y)
    width = x[piece + 1] - x[piece]
    t = (at - x[piece]) / width
    start = (1 + 2 * t) * y[piece] + t * width * slopes[piece]
    end = (3 - 2 * t) * y[piece + 1] + (t - 1) * width * slopes[piece + 1]
    return (1 - t) ** 2 * start + t**2 * end  # cubic Hermite


def _integral(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """The integral from `low` to `high` of the curve through `x`, `y` [N]."""
    pieces = np.arange(len(x) - 1)
    starts, ends = np.clip(x[:-1], low, high), np.clip(x[1:], low, high)
    middles = (starts + ends) / 2
    # Simpson's rule is exact for cubics; pieces outside have no width.
    sums = sum(weight * _interpolate(x, y, at, pieces) for weight, at in ((1, starts), (4, middles), (1, ends)))
    return float(np.sum((ends - starts) / 6 * sums))


def _geometry_warnings(points: list[dict[str, Any]]) -> tuple[str, ...]:
    """Points of other frames are another experiment, whatever the clip is called."""
    keys = ("width", "height", "frames")
    sizes = sorted(
        {tuple(point[key] for key in keys) for point in points if all(isinstance(point.get(key), int) for key in keys)}
    )
    if len(sizes) < 2:
        return ()
    return ("the points are not of the same frames: " + ", ".join("{}x{} x {}".format(*size) for size in sizes),)
