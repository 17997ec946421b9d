"""Which charts a page shows of a clip, all in the colours of one report."""

import itertools
from collections.abc import Sequence

from nvrc_core.evaluation.curves.quality_metrics import find_metric
from nvrc_core.evaluation.curves.rd_points import Record
from nvrc_core.evaluation.report.charts import FrameTrace, bit_allocation_chart, per_frame_chart, rd_chart
from nvrc_core.evaluation.report.markup import Markup, chart
from nvrc_core.evaluation.report.points import by_series, frame_values, is_nvrc, part_shares, rate_bpp
from nvrc_core.evaluation.report.style import series_styles
from nvrc_core.evaluation.report.summary import EQUAL_QUALITY, anchor_series, curve, nearest_rate

CURVE_METRICS = ("psnr_yuv", "psnr_y", "ms_ssim_y")


class PageCharts:
    """Charts of the points of `points_of`; a method gives those that the clip's points have figures for."""

    def __init__(self, points: Sequence[Record]) -> None:
        self._styles = series_styles(by_series(points))
        self._anchors = anchor_series(points)
        self._numbers = itertools.count(1)

    def curves(self, clip: str, points: Sequence[Record]) -> list[Markup]:
        """Rate-distortion curves, a chart a measure."""
        found = []
        for metric in CURVE_METRICS:
            curves = {
                series: [(point.bpp, point.quality) for point in curve(group, metric)]
                for series, group in by_series(points).items()
            }
            label = find_metric(metric).label
            label = label if "dB" in label else f"{label}, dB"
            if any(curves.values()):
                figure = rd_chart(curves, "", label, self._styles)
                about = f"{label} over bits per pixel on {clip}: {', '.join(name for name in curves if curves[name])}"
                found.append(chart(figure, about, next(self._numbers)))
        return found

    def bits(self, clip: str, points: Sequence[Record]) -> list[Markup]:
        """The shares of the files' parts, in one chart."""
        shared = [point for group in by_series(points).values() for point in group if part_shares(point)]
        if not shared:
            return []
        figure = bit_allocation_chart(shared, clip)
        return [chart(figure, f"Shares of the parts of the files of {clip}, percent", next(self._numbers))]

    def per_frame(self, clip: str, points: Sequence[Record]) -> list[Markup]:
        """Quality by frame: a chart for each series of nvrc, with the first anchor's points at the nearest rates."""
        found = []
        groups = by_series(points)
        anchor = [
            point for name in self._anchors[:1] for point in groups.get(name, []) if frame_values(point, EQUAL_QUALITY)
        ]
        for group in groups.values():
            panels = []
            for point in sorted(filter(is_nvrc, group), key=lambda point: rate_bpp(point) or 0.0):
                if frame_values(point, EQUAL_QUALITY):
                    beside = nearest_rate(point, anchor)
                    panels.append([_trace(one) for one in (point, beside) if one is not None])
            if panels:
                figure = per_frame_chart(panels, clip, "PSNR-YUV by frame, dB", self._styles)
                rates = "; ".join(" beside ".join(f"{t.series} at {t.label}" for t in panel) for panel in panels)
                found.append(chart(figure, f"PSNR-YUV of every frame of {clip}: {rates}", next(self._numbers)))
        return found


def _trace(point: Record) -> FrameTrace:
    bpp = rate_bpp(point)
    label = "rate not stated" if bpp is None else f"{bpp:.4f} bpp"
    return FrameTrace(point["series"], label, frame_values(point, EQUAL_QUALITY))
