"""Charts of rate-distortion results: curves, where the bits go, quality over time (matplotlib, extra `eval`)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.rd_points import Record
from nvrc_core.evaluation.report.canvas import (
    MARGIN_IN,
    TEXT_PT,
    WIDTH_IN,
    Canvas,
    line_options,
    save_figure,
    shortened,
    text_width_in,
)
from nvrc_core.evaluation.report.points import part_order, part_shares, rate_bpp
from nvrc_core.evaluation.report.style import (
    GRID,
    GRID_COLOURS,
    MUTED,
    OTHER_PART_COLOUR,
    PART_COLOURS,
    SeriesStyle,
    series_styles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FrameTrace", "bit_allocation_chart", "per_frame_chart", "rd_chart", "rd_charts", "save_figure"]

Curve = Sequence[tuple[float, float]]  # (bpp, quality)
Styles = Mapping[str, SeriesStyle]

RATE_LABEL = "bits per pixel, log scale"
_LEFT_IN, _BOTTOM_IN, _LABEL_IN = 0.5, 0.46, 0.27
_RATE_PAD = 1.12  # room beside the outermost points, as a factor of rate
_MANTISSAS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class FrameTrace:
    """One line of a chart over frames: `values` in display order, in the style of `series`."""

    series: str
    label: str
    values: Sequence[float]


def rd_chart(curves: Mapping[str, Curve], title: str, quality_label: str, styles: Styles | None = None) -> "Figure":
    """Rate-distortion curves by series, points (bpp, quality) in any order; the rate on a logarithmic axis.

    `styles` keep a series' colour over several charts; without them the order of `curves` decides. Points
    without a finite quality or a positive rate have no place on the axes and are left out. Raises
    `UsageError` where no point is left, `ResourceError` where matplotlib is missing.
    """
    drawn = _drawable(curves)
    if not drawn:
        raise UsageError(f"nothing to draw: no curve has a point with a rate and {quality_label}")
    styles = styles or series_styles(curves)
    height_in = 2.1
    canvas = Canvas(title, {name: styles[name] for name in drawn}, _LABEL_IN + height_in + _BOTTOM_IN)
    axes = canvas.axes(_LEFT_IN, _BOTTOM_IN, WIDTH_IN - _LEFT_IN - MARGIN_IN, height_in)
    _draw_curves(axes, drawn, styles, most_ticks=7)
    canvas.text(MARGIN_IN, _BOTTOM_IN + height_in + 0.14, quality_label, TEXT_PT, MUTED)
    canvas.text(WIDTH_IN - MARGIN_IN, 0.13, RATE_LABEL, TEXT_PT, MUTED, ha="right")
    return canvas.figure


def rd_charts(clips: Mapping[str, Mapping[str, Curve]], quality_label: str, styles: Styles | None = None) -> "Figure":
    """A small `rd_chart` a clip, two in a row under one legend. Raises like `rd_chart`; clips without points
    are left out.
    """
    drawn = {clip: found for clip, curves in clips.items() if (found := _drawable(curves))}
    if not drawn:
        raise UsageError(f"nothing to draw: no clip has a point with a rate and {quality_label}")
    names = dict.fromkeys(name for curves in drawn.values() for name in curves)
    styles = styles or series_styles(names)
    columns = min(2, len(drawn))
    rows = -(-len(drawn) // columns)
    column_in, height_in = WIDTH_IN, 1.9
    row_in = 0.26 + height_in + _BOTTOM_IN
    width_in = columns * column_in
    canvas = Canvas("", {name: styles[name] for name in names}, 0.24 + rows * row_in, width_in)
    for index, (clip, curves) in enumerate(drawn.items()):
        left_in, bottom_in = index % columns * column_in, (rows - 1 - index // columns) * row_in + _BOTTOM_IN
        room_in = column_in - _LEFT_IN - MARGIN_IN
        axes = canvas.axes(left_in + _LEFT_IN, bottom_in, room_in, height_in)
        _draw_curves(axes, curves, styles, most_ticks=6)
        name = shortened(clip, TEXT_PT, column_in - 2 * MARGIN_IN, "bold")
        canvas.text(left_in + MARGIN_IN, bottom_in + height_in + 0.13, name, TEXT_PT, weight="bold")
    canvas.text(MARGIN_IN, rows * row_in + 0.12, quality_label, TEXT_PT, MUTED)
    canvas.text(width_in - MARGIN_IN, 0.13, RATE_LABEL, TEXT_PT, MUTED, ha="right")
    return canvas.figure


def bit_allocation_chart(points: Sequence[Record], title: str = "") -> "Figure":
    """Which part of a file takes what share of it: a stacked bar a point, under the names of its clip and series.

    Bands or grids first, fine to coarse, then motion, layers, side information, container; what is the title
    already is not repeated. Points without `parts` are left out; raises `UsageError` where none is left.
    """
    bars = [point for point in points if part_shares(point)]
    if not bars:
        raise UsageError("nothing to draw: no point says how many bytes the parts of its file take")
    groups: dict[str, list[Record]] = {}
    for point in bars:
        names = [str(name) for name in (point.get("clip"), point.get("series")) if name and name != title]
        groups.setdefault(", ".join(names), []).append(point)
    parts = sorted({part for point in bars for part in part_shares(point)}, key=part_order)
    colours = {part: _part_colour(part, parts) for part in parts}
    bar_in, name_in, label_in = 0.27, 0.3, 0.85
    height_in = bar_in * len(bars) + name_in * len(groups)
    swatches = {part: SeriesStyle(colour, "s", "none", 0, 7.5, 0) for part, colour in colours.items()}
    canvas = Canvas(title, swatches, height_in + _BOTTOM_IN + 0.05)
    axes = canvas.axes(label_in, _BOTTOM_IN, WIDTH_IN - label_in - 2.5 * MARGIN_IN, height_in)
    axes.set(xlim=(0, 100), ylim=(0, height_in), yticks=[])
    axes.set_xticks([0, 25, 50, 75, 100], labels=["0", "25", "50", "75", "100 %"])
    y_in = height_in
    for name, group in groups.items():
        y_in -= name_in
        name = shortened(name, TEXT_PT, WIDTH_IN - 2 * MARGIN_IN, "bold")
        canvas.text(MARGIN_IN, _BOTTOM_IN + y_in + 0.1, name, TEXT_PT, weight="bold")
        for point in group:
            y_in -= bar_in
            _draw_bar(axes, y_in + bar_in / 2, bar_in * 0.76, part_shares(point), colours)
            bpp = rate_bpp(point)
            label = "" if bpp is None else f"{bpp:.4f} bpp"
            canvas.text(label_in - 0.07, _BOTTOM_IN + y_in + bar_in / 2, label, TEXT_PT - 0.5, ha="right")
    canvas.text(WIDTH_IN - MARGIN_IN, 0.13, "share of the file's bytes", TEXT_PT, MUTED, ha="right")
    return canvas.figure


def per_frame_chart(
    panels: Sequence[Sequence[FrameTrace]], title: str, quality_label: str, styles: Styles | None = None
) -> "Figure":
    """Quality over the frame's index: panels one above the other, of equal scales, each headed by its traces' labels.

    Raises `UsageError` where no trace has a value.
    """
    kept = [[trace for trace in panel if any(map(math.isfinite, trace.values))] for panel in panels]
    kept = [panel for panel in kept if panel]
    if not kept:
        raise UsageError(f"nothing to draw: no point has {quality_label}")
    traces = [trace for panel in kept for trace in panel]
    styles = styles or series_styles(trace.series for trace in traces)
    legend = {trace.series: replace(styles[trace.series], marker="", dash="-") for trace in traces}
    height_in, panel_in = 1.05, 1.42
    canvas = Canvas(title, legend, _LABEL_IN + panel_in * len(kept) + _BOTTOM_IN - 0.1)
    ranges = [_finite_range(panel) for panel in kept]
    span = max(1.15 * max(high - low for low, high in ranges), 0.5)  # of all panels, so that slopes compare
    last = max(max(len(trace.values) for trace in traces) - 1, 1)
    for index, panel in enumerate(kept):
        bottom_in = _BOTTOM_IN + (len(kept) - 1 - index) * panel_in
        axes = canvas.axes(_LEFT_IN, bottom_in, WIDTH_IN - _LEFT_IN - 1.5 * MARGIN_IN, height_in)
        middle = sum(ranges[index]) / 2
        label_x_in = _LEFT_IN
        for trace in panel:
            style = legend[trace.series]
            options = line_options(style) | {"linewidth": 0.7 * style.width, "zorder": style.order / 50}
            # A lone frame has no line to draw.
            axes.plot(trace.values, **options | ({"marker": "o"} if len(trace.values) == 1 else {}))
            canvas.text(label_x_in, bottom_in + height_in + 0.12, trace.label, TEXT_PT, style.colour)
            label_x_in += text_width_in(trace.label, TEXT_PT) + 0.16
        axes.set(xlim=(-0.01 * last, 1.01 * last), ylim=(middle - span / 2, middle + span / 2))
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.locator_params(axis="y", nbins=4, steps=_STEPS)
        axes.locator_params(axis="x", nbins=6, integer=True)
        axes.tick_params(axis="x", labelbottom=index == len(kept) - 1)
    canvas.text(MARGIN_IN, _BOTTOM_IN + panel_in * len(kept) - 0.1 + 0.12, quality_label, TEXT_PT, MUTED)
    canvas.text(WIDTH_IN - MARGIN_IN, 0.13, "frame, in display order", TEXT_PT, MUTED, ha="right")
    return canvas.figure


def _finite_range(traces: Sequence[FrameTrace]) -> tuple[float, float]:
    finite = [value for trace in traces for value in trace.values if math.isfinite(value)]
    return min(finite), max(finite)


def _drawable(curves: Mapping[str, Curve]) -> dict[str, list[tuple[float, float]]]:
    finite = {
        name: sorted((b, q) for b, q in curve if math.isfinite(b) and math.isfinite(q) and b > 0)
        for name, curve in curves.items()
    }
    return {name: curve for name, curve in finite.items() if curve}


def _draw_curves(axes: "Axes", curves: Mapping[str, Curve], styles: Styles, most_ticks: int) -> None:
    for name, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), **line_options(styles[name]), zorder=styles[name].order / 50)
    rates, qualities = zip(*(point for curve in curves.values() for point in curve), strict=True)
    low, high = min(rates) / _RATE_PAD, max(rates) * _RATE_PAD
    if high / low < 2:
        low, high = low / 1.3, high * 1.3
    pad = max((max(qualities) - min(qualities)) * 0.06, 0.5)
    axes.set_xscale("log", base=2)
    axes.set(xlim=(low, high), ylim=(min(qualities) - pad, max(qualities) + pad))
    ticks = _rate_ticks(low, high, most_ticks)
    axes.set_xticks(ticks, labels=[f"{tick:.6g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.locator_params(axis="y", nbins=6, steps=_STEPS)
    axes.grid(color=GRID, linewidth=0.8)


def _rate_ticks(low: float, high: float, most: int) -> list[float]:
    """Round rates between two ends: as many as there is room for."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    choices = [
        [tick for decade in decades for mantissa in mantissas if low <= (tick := mantissa * 10.0**decade) <= high]
        for mantissas in _MANTISSAS
    ]
    return max((ticks for ticks in choices if len(ticks) <= most), key=len, default=choices[0])


def _part_colour(part: str, parts: Sequence[str]) -> str:
    kind, _, _ = part_order(part)
    if kind == 0:
        grids = [name for name in parts if part_order(name)[0] == 0]
        return GRID_COLOURS[min(grids.index(part), len(GRID_COLOURS) - 1)]
    return PART_COLOURS.get(part, OTHER_PART_COLOUR)


def _draw_bar(
    axes: "Axes", y_in: float, thickness_in: float, shares: Mapping[str, float], colours: Mapping[str, str]
) -> None:
    left = 0.0
    for part, share in shares.items():
        axes.barh(y_in, share, thickness_in, left, color=colours[part], linewidth=0)
        if share >= 10:
            letters = "#ffffff" if _luminance(colours[part]) < 0.36 else "#10202c"
            place = {"ha": "center", "va": "center_baseline", "fontsize": TEXT_PT - 1}
            axes.text(left + share / 2, y_in, f"{share:.0f}", color=letters, **place)
        left += share


def _luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" (WCAG 2), 0 to 1."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
