"""The paper that charts are drawn on: a figure with a title and a legend, and files of it.

matplotlib (extra `eval`) is used without its global state. Everything is placed in inches, and text is measured
with the font that comes with matplotlib, so that a chart is the same on every machine. Text stays text in SVG.
"""

import io
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.report.style import INK, MUTED, PAPER, SeriesStyle
from nvrc_core.media.output import atomic_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 3.6
"""As wide as a phone: shown at 360 pixels, letters are still large enough to read."""
MARGIN_IN = 0.12
TITLE_PT, TEXT_PT = 10.5, 8.5

_TITLE_IN, _LEGEND_ROW_IN = 0.28, 0.215
_LINE_SAMPLE_IN, _SWATCH_IN, _SAMPLE_GAP_IN, _ENTRY_GAP_IN = 0.3, 0.11, 0.07, 0.2
_PNG_DPI = 300
# No date, no random names: the same figure gives the same file.
_RC = {"svg.fonttype": "none", "svg.hashsalt": "nvrc"}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def require_matplotlib() -> None:
    """Raises ResourceError where matplotlib is missing: to be asked before long work that ends in a chart."""
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ResourceError("charts need matplotlib: pip install 'nvrc[eval]'") from error


class Canvas:
    """A figure with a title and a legend on top and `body_in` inches of room below; both may be empty.

    Raises `ResourceError` where matplotlib is missing.
    """

    def __init__(
        self, title: str, legend: Mapping[str, SeriesStyle], body_in: float, width_in: float = WIDTH_IN
    ) -> None:
        lines = any(style.width for style in legend.values())
        self._sample_in = _LINE_SAMPLE_IN if lines else _SWATCH_IN
        entries_in = {name: self._sample_in + _SAMPLE_GAP_IN + text_width_in(name, TEXT_PT) for name in legend}
        rows = _flow(entries_in, width_in - 2 * MARGIN_IN)
        title_in = _TITLE_IN if title else 0.0
        legend_in = _LEGEND_ROW_IN * len(rows) + (0.06 if rows else 0.0)
        self.width_in, self.height_in = width_in, MARGIN_IN + title_in + legend_in + body_in
        self.figure = _figure(self.width_in, self.height_in)
        top_in = self.height_in - MARGIN_IN
        if title:
            size_pt = min(TITLE_PT, TITLE_PT * (width_in - 2 * MARGIN_IN) / text_width_in(title, TITLE_PT, "bold"))
            self.text(MARGIN_IN, top_in - 0.09, title, size_pt, weight="bold")
        for row, names in enumerate(rows):
            for name, x_in in names.items():
                y_in = top_in - title_in - _LEGEND_ROW_IN * (row + 0.5)
                self._sample(x_in + MARGIN_IN, y_in, legend[name])
                self.text(x_in + MARGIN_IN + self._sample_in + _SAMPLE_GAP_IN, y_in, name, TEXT_PT)

    def axes(self, left_in: float, bottom_in: float, width_in: float, height_in: float) -> "Axes":
        """Axes without a frame but for the line at the bottom."""
        box = left_in / self.width_in, bottom_in / self.height_in, width_in / self.width_in, height_in / self.height_in
        axes = self.figure.add_axes(box, facecolor="none")
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(MUTED)
            spine.set_linewidth(0.8)
        axes.tick_params(labelsize=TEXT_PT, labelcolor=MUTED, color=MUTED, width=0.8, length=3, pad=3)
        axes.tick_params(axis="y", length=0)
        return axes

    def text(self, x_in: float, y_in: float, text: str, size_pt: float, colour: str = INK, **options: str) -> None:
        """Text, never read as mathematics, centred on a height."""
        place = x_in / self.width_in, y_in / self.height_in
        # "center_baseline" is the one that SVG readers and matplotlib agree on.
        self.figure.text(
            *place, text, fontsize=size_pt, color=colour, va="center_baseline", parse_math=False, **options
        )

    def _sample(self, x_in: float, y_in: float, style: SeriesStyle) -> None:
        from matplotlib.lines import Line2D

        xs = [(x_in + share * self._sample_in) / self.width_in for share in (0, 0.5, 1)]
        line = Line2D(xs, [y_in / self.height_in] * 3, markevery=[1], **line_options(style))
        self.figure.add_artist(line)


def line_options(style: SeriesStyle) -> dict[str, object]:
    """A style as matplotlib's options of a line."""
    return {
        "color": style.colour,
        "linestyle": style.dash,
        "linewidth": style.width,
        "marker": style.marker,
        "markersize": style.marker_size,
        "markeredgecolor": PAPER,
        "markeredgewidth": 0.8,
        "solid_capstyle": "round",
    }


def shortened(text: str, size_pt: float, width_in: float, weight: str = "normal") -> str:
    """Text cut in the middle to fit a width: names of files differ at both ends."""
    keep = len(text)
    while keep > 8 and text_width_in(text, size_pt, weight) > width_in:
        keep -= 1
        head = keep // 2
        text = f"{text[:head].rstrip('…')}…{text[len(text) - keep + head :].lstrip('…')}"
    return text


def save_figure(figure: "Figure", path: str | Path, overwrite: bool = False) -> None:
    """Write a figure as .svg or .png, whole or not at all; the same figure gives the same bytes.

    Raises `UsageError` for any other suffix, and what `atomic_output` raises.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise UsageError(f"cannot draw {path}: charts are written as .svg or .png")
    data = _rendered(figure, kind)
    with atomic_output(path, overwrite) as partial:
        partial.write_bytes(data)


def svg_text(figure: "Figure") -> str:
    """A figure as an SVG document."""
    return _rendered(figure, "svg").decode("utf-8")


def _rendered(figure: "Figure", kind: str) -> bytes:
    import matplotlib

    stream = io.BytesIO()
    metadata = _NO_METADATA if kind == "svg" else {"Software": None}
    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # Names in scripts that matplotlib's font lacks: an SVG's reader brings another font.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(stream, format=kind, dpi=_PNG_DPI, metadata=metadata)
    return stream.getvalue()


def _figure(width_in: float, height_in: float) -> "Figure":
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def text_width_in(text: str, size_pt: float, weight: str = "normal") -> float:
    """The width of text in the font that is measured with; other fonts of a reader are hardly wider."""
    require_matplotlib()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        width, _, _ = TextToPath().get_text_width_height_descent(
            text, FontProperties(size=size_pt, weight=weight), ismath=False
        )
    return max(width, 1.0) / 72


def _flow(entries_in: Mapping[str, float], room_in: float) -> list[dict[str, float]]:
    """Entries of a legend in rows: where each begins, in inches."""
    rows: list[dict[str, float]] = []
    x_in = math.inf
    for name, entry_in in entries_in.items():
        if x_in + entry_in > room_in:
            rows.append({})
            x_in = 0.0
        rows[-1][name] = x_in
        x_in += entry_in + _ENTRY_GAP_IN
    return rows
