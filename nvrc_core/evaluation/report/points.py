"""Reading points of a results document that may lack anything: old files hold fewer keys."""

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nvrc_core.evaluation.curves.rd_points import Record, series_name

Document = Mapping[str, Any] | Sequence[Record]

NAMELESS = "(nameless)"
_PARTS_LAST = ("motion", "layers", "side", "container")


def points_of(document: Document) -> list[Record]:
    """The points of a document, or of a plain list, each with a `clip` and a `series` to show.

    A series of nvrc that was measured on several devices becomes one series a device: its files and its
    times may differ, and no figure may be a mean over devices.
    """
    listed = document.get("points", []) if isinstance(document, Mapping) else document
    points = [dict(point) for point in listed if isinstance(point, Mapping)]
    for point in points:
        if isinstance(document, Mapping) and document.get("processor"):
            point.setdefault("processor", document["processor"])
        point["clip"] = printable(point.get("clip") or NAMELESS)
        point["series"] = printable(series_name(point) or NAMELESS)
    devices: dict[str, dict[str, None]] = {}
    for point in points:
        if is_nvrc(point) and point.get("device"):
            devices.setdefault(point["series"], {})[str(point["device"])] = None
    for point in points:
        names = list(devices.get(point["series"], ()))
        if is_nvrc(point) and len(names) > 1 and point.get("device"):
            short = {name.split(" (")[0] for name in names}
            device = str(point["device"])
            point["series"] += " on " + printable(device.split(" (")[0] if len(short) == len(names) else device)
    return points


def is_nvrc(point: Record) -> bool:
    """Whether the point is of this codec."""
    return point.get("codec") == "nvrc" or is_nvrc_series(str(point.get("series") or ""))


def is_nvrc_series(series: str) -> bool:
    """Whether a series' name is that of this codec: "nvrc", "nvrc_fast", "nvrc_fast on cpu"."""
    return re.match(r"nvrc(?![^\W_])", series, re.IGNORECASE) is not None


def number(point: Record, key: str) -> float | None:
    """A finite number of a point, None where there is none."""
    value = point.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return None
    return value


def rate_bpp(point: Record) -> float | None:
    """Bits per luma sample, None where the point has no positive one."""
    bpp = number(point, "bpp")
    return bpp if bpp is not None and bpp > 0 else None


def by_series(points: Iterable[Record]) -> dict[str, list[Record]]:
    """Records of `points_of` by series, those of nvrc first, else in the order of first appearance."""
    groups: dict[str, list[Record]] = {}
    for point in points:
        groups.setdefault(point["series"], []).append(point)
    return dict(sorted(groups.items(), key=lambda group: not is_nvrc_series(group[0])))


def part_shares(point: Record) -> dict[str, float]:
    """Percent of the file by part: bands or grids from fine to coarse, motion, layers, side information, container."""
    parts = point.get("parts")
    sizes = {str(part): number(parts, part) for part in parts} if isinstance(parts, Mapping) else {}
    sizes = {printable(part): size for part, size in sizes.items() if size is not None and size >= 0}
    total = math.fsum(sizes.values())
    return {part: 100 * sizes[part] / total for part in sorted(sizes, key=part_order)} if total > 0 else {}


def part_order(part: str) -> tuple[int, int, str]:
    """Where a part stands in charts and tables."""
    if fine_to_coarse := re.fullmatch(r"(?:grid|band) ?(\d+)", part):
        return 0, int(fine_to_coarse[1]), part
    return (_PARTS_LAST.index(part) + 2 if part in _PARTS_LAST else 1), 0, part


def frame_values(point: Record, key: str) -> list[float]:
    """A figure by frame, such as "psnr_yuv", in display order; NaN where a frame has none, [] without any."""
    per_frame = point.get("per_frame")
    values = per_frame.get(key) if isinstance(per_frame, Mapping) else None
    if not isinstance(values, Sequence) or isinstance(values, str):
        return []
    figures = [number({key: value}, key) for value in values]
    return [] if all(f is None for f in figures) else [math.nan if f is None else f for f in figures]


def printable(text: object) -> str:
    """Text on one line, unprintable characters escaped: names of files may hold anything."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)
