"""Rate-distortion points in files: curves by clip, told apart by series.

A point is a JSON object with a rate (`bpp`), qualities (`psnr_y`, `psnr_yuv`, ... in dB) and optionally
`clip`, `series`, `codec`, `preset`, `width`, `height`, `frames`; other keys are carried along.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvrc_core.errors import UsageError

Curves = dict[str, list[dict[str, Any]]]  # clip -> points as they were stored

RD_FORMAT = "nvrc-rd"
RD_VERSION = 1


@dataclass(frozen=True)
class RDPoint:
    """One encode: `bpp` in bits per luma sample (any unit of rate will do), `quality_db` in dB."""

    bpp: float
    quality_db: float


def load_curves(path: str | Path) -> Curves:
    """RD points of a file by clip ("" where a point names none), as the dictionaries that were stored.

    Reads `{"format": "nvrc-rd", "version": 1, "points": [...]}`, a plain list of points, and lines of JSON
    as `nvrc encode --json` writes them, where only objects of the event "done" count. Raises `UsageError`
    where the file cannot be read or holds something else.
    """
    curves: Curves = {}
    for record in _read_records(path):
        if not isinstance(record, dict):
            raise UsageError(f"{path}: a rate-distortion point must be a JSON object, not {record!r:.40}")
        if record.get("event", "done") == "done":
            curves.setdefault(str(record.get("clip") or ""), []).append(record)
    if not curves:
        raise UsageError(f"{path}: there are no rate-distortion points in this file")
    return curves


def load_curve(path: str | Path, metric: str, clip: str | None = None, series: str | None = None) -> list[RDPoint]:
    """The one curve of a file that `clip` and `series` (a series' or a codec's name) select.

    Raises `UsageError` where the selection is empty or leaves several curves, and names them.
    """
    curves = select_series(load_curves(path), path, series, clip)
    if len(curves) > 1:
        raise UsageError(f"{path} holds several clips, choose one of {listed(curves)}")
    ((name, points),) = curves.items()
    return to_rd_points(points, metric, place(path, name))


def _read_records(path: str | Path) -> list[Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a JSON file: {error.reason} at byte {error.start}") from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":  # what a second line is called
            raise UsageError(f"{path} is not JSON: {error}") from error
        return [_parse_line(line, f"{path}, line {n}") for n, line in enumerate(text.splitlines(), 1) if line]
    if isinstance(document, dict) and "points" in document:
        found = (document.get("format"), document.get("version"))
        if found != (RD_FORMAT, RD_VERSION):
            raise UsageError(f"{path} is not {RD_FORMAT!r} version {RD_VERSION} but {found[0]!r} {found[1]!r}")
        document = document["points"]
    return document if isinstance(document, list) else [document]


def _parse_line(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{place} is not JSON: {error.msg} at column {error.colno}") from error


def _series(point: dict[str, Any]) -> str:
    """What tells the curves of a clip apart: the point's series, or else its codec and preset."""
    names = [point.get("series")] if point.get("series") else [point.get("codec"), point.get("preset")]
    return "_".join(str(name) for name in names if name)


def select_series(curves: Curves, path: str | Path, series: str | None, clip: str | None) -> Curves:
    """The points of `series` (a series' or a codec's name) on `clip`; clips without any are left out.

    None selects all. Points that name no clip go with every clip. Raises `UsageError` where nothing is left.
    """
    chosen = {
        name: [point for point in points if series is None or series in (_series(point), point.get("codec"))]
        for name, points in curves.items()
        if clip is None or name in (clip, "")
    }
    chosen = {name: points for name, points in chosen.items() if points}
    if not chosen:
        wanted = " on ".join(repr(name) for name in (series, clip) if name is not None)
        present = sorted({_series(point) for points in curves.values() for point in points})
        raise UsageError(f"{path} has no points of {wanted}: series {listed(present)}; clips {listed(curves)}")
    return chosen


def to_rd_points(points: list[dict[str, Any]], metric: str, place: str) -> list[RDPoint]:
    """One curve of stored points; `place` says in messages where it is from.

    Raises `UsageError` where the points are of several series, or one has no rate or no `metric`.
    """

    def number(point: dict[str, Any], key: str) -> float:
        value = point.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{place}: a point has no number for {key!r}, only {listed(point)}")
        return value

    found = sorted({_series(point) for point in points})
    if len(found) > 1:
        raise UsageError(f"{place} has several series, choose one of {listed(found)}")
    return [RDPoint(number(point, "bpp"), number(point, metric)) for point in points]


def place(path: str | Path, clip: str) -> str:
    """Where a curve is from, in words."""
    return f"{path}, clip {clip!r}" if clip else str(path)


def listed(names: Iterable[str]) -> str:
    """Names in a row for a message."""
    return ", ".join(name or "(nameless)" for name in names)
