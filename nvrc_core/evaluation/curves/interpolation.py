"""Curves through a few points, and the mean difference of two of them over the range that they share.

`pchip`, monotone cubic pieces (Fritsch and Carlson 1980), is what JVET's sheets compute and is done here. `akima`
(the most accurate in Herglotz et al., arXiv 2202.12565) and `cubic`, one polynomial of the third degree as in
VCEG-M33, come from the package `bjontegaard` of FAU-LMS.
"""

import warnings
from typing import NamedTuple

import numpy as np

from nvrc_core.errors import ResourceError, UsageError

METHODS = ("pchip", "akima", "cubic")
DEFAULT_METHOD = "pchip"
CUBIC_POINTS = 4


class Curve(NamedTuple):
    """y as a function of x, both float64 [N] and N at least 2; x rises strictly."""

    x: np.ndarray
    y: np.ndarray

    def at(self, x: float) -> float | None:
        """The pchip curve's value, None beyond its ends."""
        if not self.x[0] <= x <= self.x[-1]:
            return None
        piece = np.array([min(np.searchsorted(self.x, x, side="right"), len(self.x) - 1) - 1])
        return float(_interpolate(self, np.array([x]), piece)[0])


def shared_range(first: Curve, second: Curve) -> tuple[float, float] | None:
    """The x that both curves reach, None where there are none, or one alone."""
    low, high = max(first.x[0], second.x[0]), min(first.x[-1], second.x[-1])
    return (float(low), float(high)) if low < high else None


def mean_difference(anchor: Curve, test: Curve, method: str = DEFAULT_METHOD) -> float:
    """The mean of `test` - `anchor` over their shared range, which must not be empty.

    Raises `UsageError` where a curve has too few points for the method or they lie too close together for it, and
    `ResourceError` where the method's package is missing.
    """
    if method == "pchip":
        low, high = shared_range(anchor, test)
        return (_integral(test, low, high) - _integral(anchor, low, high)) / (high - low)
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    for name, curve in (("anchor", anchor), ("test", test)):
        if method == "cubic" and len(curve.x) < CUBIC_POINTS:
            raise UsageError(f"the method cubic needs {CUBIC_POINTS} points, the {name} curve has {len(curve.x)}")
    return _package_difference(anchor, test, method)


def _package_difference(anchor: Curve, test: Curve, method: str) -> float:
    try:
        from bjontegaard import bd_linear
    except ImportError as error:
        raise ResourceError(f"the method {method} needs bjontegaard: pip install 'nvrc[eval]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return float(bd_linear(*anchor, *test, method=method, require_matching_points=False, min_overlap=0))
        except (ValueError, Warning) as error:  # what numpy says of a fit that has no answer
            raise UsageError(f"the method {method} has no answer for these points ({error}); use pchip") from error


def _integral(curve: Curve, low: float, high: float) -> float:
    """The pchip curve's integral; `low` and `high` lie in its range."""
    pieces = np.arange(len(curve.x) - 1)
    starts, ends = np.clip(curve.x[:-1], low, high), np.clip(curve.x[1:], low, high)
    middles = (starts + ends) / 2
    # Simpson's rule is exact for cubics; pieces outside have no width.
    sums = sum(weight * _interpolate(curve, at, pieces) for weight, at in ((1, starts), (4, middles), (1, ends)))
    return float(np.sum((ends - starts) / 6 * sums))


def _interpolate(curve: Curve, at: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """The pchip curve at positions inside the given pieces (piece i: x[i] to x[i + 1])."""
    x, y = curve
    slopes = _pchip_slopes(x, y)
    width = x[piece + 1] - x[piece]
    t = (at - x[piece]) / width
    start = (1 + 2 * t) * y[piece] + t * width * slopes[piece]
    end = (3 - 2 * t) * y[piece + 1] + (t - 1) * width * slopes[piece + 1]
    return (1 - t) ** 2 * start + t**2 * end  # cubic Hermite


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
