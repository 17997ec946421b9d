"""A frame, and the clock that gives it an exact time."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

# Time bases travel through containers as pairs of signed 32-bit integers.
MAX_TIME_BASE_TERM = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture: integer planes [H, W] as the source stores them, and when it is shown.

    `pts` counts `VideoFormat.time_base` units from the source's first frame.
    """

    planes: tuple[np.ndarray, ...]
    pts: int

    def __repr__(self) -> str:
        shapes = ", ".join(f"{plane.shape[1]}x{plane.shape[0]}" for plane in self.planes)
        return f"Frame(pts={self.pts}, planes={shapes})"


class FrameClock:
    """Turns a container's time stamps into strictly increasing ones that start at 0.

    Matroska rounds every stamp to a millisecond, so 24 frames a second would come as durations of 41 and
    42. Here the unit divides both the container's tick and the nominal frame interval, and a stamp less
    than one tick beside a multiple of the interval is put on it: constant rates come out constant, and
    the stamps of a variable rate are kept to within the container's own rounding.
    """

    def __init__(self, rate: Fraction, tick: Fraction) -> None:
        """`rate` in frames per second, nominal; `tick` is the container's time base in seconds."""
        interval = 1 / rate
        unit = _common_unit(interval, tick)
        self.time_base = unit if unit.denominator <= MAX_TIME_BASE_TERM else tick
        self._tick = int(tick / self.time_base)
        self._interval = max(1, round(interval / self.time_base))
        self._origin: int | None = None
        self._last: int | None = None

    def stamp(self, pts: int | None) -> int:
        """The time of the next frame in `time_base` units, from its `pts` in container ticks.

        A stamp that is missing or does not advance becomes one interval after the previous frame.
        """
        if self._last is None:
            self._origin, self._last = pts, 0
            return 0
        fallback = self._last + self._interval
        if pts is None or self._origin is None:
            self._last = fallback
            return fallback
        exact = (pts - self._origin) * self._tick
        snapped = round(Fraction(exact, self._interval)) * self._interval
        if abs(snapped - exact) < self._tick and snapped > self._last:
            self._last = snapped
        else:
            self._last = exact if exact > self._last else fallback
        return self._last


def _common_unit(a: Fraction, b: Fraction) -> Fraction:
    """The largest fraction of which both are whole multiples."""
    return Fraction(math.gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)
