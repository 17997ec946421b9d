"""Rate-distortion points as files hold them: curves by clip, told apart by series.

A point is a dictionary with a rate (`bpp`), qualities (`psnr_y`, `ms_ssim_rgb`, ...: `quality_metrics`) and
optionally `clip`, `series`, `codec`, `preset`, `width`, `height`, `frames`; other keys are carried along.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nvrc_core.errors import UsageError

Record = dict[str, Any]
Curves = dict[str, list[Record]]  # clip -> points as they were stored

RD_FORMAT = "nvrc-rd"
RD_VERSION = 1


@dataclass(frozen=True)
class RDPoint:
    """One encode: `bpp` in bits per luma sample (any unit of rate will do), `quality` in dB or VMAF."""

    bpp: float
    quality: float


def by_clip(records: Iterable[Record]) -> Curves:
    """Points grouped by the clip they name, "" where they name none."""
    curves: Curves = {}
    for record in records:
        curves.setdefault(str(record.get("clip") or ""), []).append(record)
    return curves


def series_name(point: Record) -> str:
    """What tells the curves of a clip apart: the point's series, or else its codec and preset."""
    names = [point.get("series")] if point.get("series") else [point.get("codec"), point.get("preset")]
    return "_".join(str(name) for name in names if name)


def select_series(curves: Curves, source: str, series: str | None, clip: str | None) -> Curves:
    """The points of `series` (a series' or a codec's name) on `clip`; clips without any are left out.

    None selects all. Points that name no clip go with every clip. Raises `UsageError` where nothing is left.
    """
    chosen = {
        name: [point for point in points if series is None or series in (series_name(point), point.get("codec"))]
        for name, points in curves.items()
        if clip is None or name in (clip, "")
    }
    chosen = {name: points for name, points in chosen.items() if points}
    if not chosen:
        wanted = " on ".join(repr(name) for name in (series, clip) if name is not None)
        present = sorted({series_name(point) for points in curves.values() for point in points})
        raise UsageError(f"{source} has no points of {wanted}: series {listed(present)}; clips {listed(curves)}")
    return chosen


def to_rd_points(points: list[Record], metric: str, place: str) -> list[RDPoint]:
    """One curve of stored points, with the quality as it is stored; `place` says in messages where it is from.

    Raises `UsageError` where the points are of several series, or one has no rate or no `metric`.
    """

    def number(point: Record, key: str) -> float:
        value = point.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{place}: a point has no number for {key!r}, only {listed(point)}")
        try:
            return float(value)
        except OverflowError:
            raise UsageError(f"{place}: a point's {key!r} is beyond all numbers of quality and rate") from None

    found = sorted({series_name(point) for point in points})
    if len(found) > 1:
        raise UsageError(f"{place} has several series, choose one of {listed(found)}")
    return [RDPoint(number(point, "bpp"), number(point, metric)) for point in points]


def place(source: object, clip: str) -> str:
    """Where a curve is from, in words."""
    return f"{source}, clip {clip!r}" if clip else str(source)


def listed(names: Iterable[str]) -> str:
    """Names in a row for a message."""
    return ", ".join(name or "(nameless)" for name in names)
