"""Results in plain text: rows for a terminal, one line for a commit message, a curve in a line of blocks."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from nvrc_core.evaluation.curves.rd_points import Record, by_clip
from nvrc_core.evaluation.report.points import Document, by_series, is_nvrc, number, points_of, printable
from nvrc_core.evaluation.report.summary import (
    EQUAL_QUALITY,
    SeriesBDRate,
    Times,
    anchor_series,
    bd_rates,
    change_since,
    times,
    times_anchor_bits,
)

NO_FIGURE = "-"
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-~=+*#"

RD_HEADER = ("series", "bpp", "Y dB", "YUV dB", "MS-SSIM", "x bits", "enc s", "dec s")
"""Heads of the columns that `RDRow.cells` fills."""


@dataclass(frozen=True)
class RDRow:
    """A point of a results document; figures are None where it has none.

    `times_anchor_bits`: its rate over that of `anchor` at equal PSNR-YUV.
    """

    clip: str
    series: str
    bpp: float | None
    psnr_y: float | None
    psnr_yuv: float | None
    ms_ssim_y: float | None
    times_anchor_bits: float | None
    anchor: str | None
    encode_s: float | None
    decode_s: float | None
    point: Record = field(repr=False)
    """All that was stored, by the keys of the file."""

    def cells(self) -> tuple[str, ...]:
        """Texts for the columns of `RD_HEADER`."""
        return (
            self.series,
            fixed(self.bpp, 4),
            fixed(self.psnr_y, 2),
            fixed(self.psnr_yuv, 2),
            fixed(self.ms_ssim_y, 4),
            fixed(self.times_anchor_bits, 2),
            seconds(self.encode_s),
            seconds(self.decode_s),
        )


def rd_rows(document: Document) -> list[RDRow]:
    """A row for every point: clip by clip, nvrc first, rates rising."""
    points = points_of(document)
    anchor = next(iter(anchor_series(points)), None)
    rows = []
    for of_clip in by_clip(points).values():
        groups = by_series(of_clip)
        for group in groups.values():
            by_rate = sorted(group, key=lambda point: number(point, "bpp") or 0.0)
            rows += [_rd_row(point, anchor, groups.get(anchor, [])) for point in by_rate]
    return rows


def _rd_row(point: Record, anchor: str | None, anchor_points: Sequence[Record]) -> RDRow:
    figures = ("bpp", "psnr_y", "psnr_yuv", "ms_ssim_y", "encode_s", "decode_s")
    return RDRow(
        clip=point["clip"],
        series=point["series"],
        **{key: number(point, key) for key in figures},
        times_anchor_bits=None if point["series"] == anchor else times_anchor_bits(point, anchor_points),
        anchor=anchor,
        point=point,
    )


def sparkline(values: Sequence[float], ascii: bool = False, width: int | None = None) -> str:
    """Values as blocks from the lowest to the highest, a character each; a space where a value is not finite.

    With `width` and more values than that, a character is the mean of its share of them. Equal values are in
    the middle.
    """
    blocks = ASCII_BLOCKS if ascii else BLOCKS
    if width is not None and len(values) > width:
        ends = [len(values) * index // width for index in range(width + 1)]
        values = [_finite_mean(values[start:end]) for start, end in itertools.pairwise(ends)]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if low == high:
        return "".join(blocks[len(blocks) // 2 - 1] if math.isfinite(value) else " " for value in values)
    scale = (len(blocks) - 1) / (high - low)
    return "".join(blocks[round((value - low) * scale)] if math.isfinite(value) else " " for value in values)


def shows_blocks(stream: TextIO) -> bool:
    """Whether a stream's encoding has the characters of `sparkline`; where not, its ASCII ones are left."""
    try:
        BLOCKS.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def commit_line(document: Document, baseline: Document | None = None) -> str:
    """A document in one line for a commit message; `baseline` is another document to compare nvrc's series with.

    Every series of nvrc says how much rate it takes at equal quality, how fast it is and where; figures that
    the document does not hold are left out. A document without points of nvrc says so.
    """
    points = points_of(document)
    compared = bd_rates(points)
    changes = [] if baseline is None else change_since(points_of(baseline), points)
    places = times(points)
    entries = []
    for series in by_series(point for point in points if is_nvrc(point)):
        figures = [
            *_against_anchor([entry for entry in compared if entry.series == series]),
            *(f"{percent(change.mean_percent)} vs baseline" for change in changes if change.series == series),
            *(_speed(place) for place in places if place.series == series),
        ]
        name = series.removeprefix("nvrc_")
        entries.append(f"{name}: {', '.join(figures)}" if figures else f"{name}: no figures")
    return ", ".join(filter(None, ["; ".join(entries) or "no points of nvrc", _head(document, "date")]))


def _against_anchor(compared: Sequence[SeriesBDRate]) -> list[str]:
    """Against the first anchor only: a line has no room for more."""
    by_metric = {entry.metric: entry for entry in compared if entry.anchor == compared[0].anchor}
    main = by_metric.pop(EQUAL_QUALITY, None)
    if main is None:
        return []
    if main.mean_percent is None:
        return [f"no BD-rate vs {main.anchor}"]
    others = (f"; {entry.metric} {percent(entry.mean_percent)}" for entry in by_metric.values())
    return [f"{percent(main.mean_percent)} vs {main.anchor} ({main.clips_in_words}, {main.metric}{''.join(others)})"]


def _speed(place: Times) -> str:
    macs = mac_range(place.mac_per_pixel)
    figures = [
        place.ms_per_step is not None and f"{place.ms_per_step:.1f} ms/step",
        macs and f"{macs} MAC/px",
        place.decode_fps is not None and f"{place.decode_fps:.0f} fps decode",
        place.device,
    ]
    return ", ".join(filter(None, figures))


def percent(value: float | None, digits: int = 1) -> str:
    """Always with its sign, "+3.2 %"; words where there is no figure."""
    return "no figure" if value is None else f"{value:+.{digits}f} %"


def fixed(value: float | None, digits: int) -> str:
    """A number with so many decimals."""
    return NO_FIGURE if value is None else f"{value:.{digits}f}"


def seconds(value: float | None) -> str:
    """Seconds with three digits or so: 0.042, 0.68, 7.2, 1840."""
    if value is None:
        return NO_FIGURE
    return f"{value:.{3 if value < 0.1 else 2 if value < 1 else 1 if value < 100 else 0}f}"


def mac_range(macs: tuple[float, float] | None) -> str:
    """ "1240", or "797 to 1228"."""
    low, high = (f"{value:.0f}" for value in macs or (0, 0))
    return "" if macs is None else low if low == high else f"{low} to {high}"


def _finite_mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _head(document: Document, key: str) -> str:
    value: Any = document.get(key) if isinstance(document, dict) else None
    return printable(value or "")
