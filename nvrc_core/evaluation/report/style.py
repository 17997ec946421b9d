"""How series look: one colour, marker and dash a series, the same in all charts of a report.

Colours are those of Okabe and Ito (Color Universal Design, 2008), darkened where they would be pale on white, so that
readers with a colour vision deficiency can tell them apart; markers and dashes differ as well, for print in grey.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nvrc_core.evaluation.report.points import is_nvrc_series

INK = "#1f2933"
"""Titles and labels of bars."""
MUTED = "#5b6672"
"""Tick labels, labels of axes."""
GRID = "#e3e7eb"
PAPER = "#fefefe"
"""The ground that charts lie on. Not plain white, so that a page can tell it from white letters."""

GRID_COLOURS = ("#0b4f7d", "#2f7fb5", "#7db4d8", "#b4d5ea", "#d7e8f3")
"""Bands or feature grids, finest to coarsest."""
PART_COLOURS = {"motion": "#4f8a6b", "layers": "#d98324", "side": "#7d5aa0", "container": "#98a2ad"}
OTHER_PART_COLOUR = "#a65a6e"

_NVRC_COLOURS = ("#c8480a", "#94458f", "#b07200", "#7a3b1d")
_NVRC_MARKERS = ("o", "D", "s", "^")
_ANCHOR_COLOURS = ("#0072b2", "#0b8a67", "#5b6b7b", "#2f8fc7", "#4b5a12", "#27347d")
_ANCHOR_MARKERS = ("s", "^", "v", "d", "p", "X")
_DASHES = ("-", (0, (5, 2)), (0, (5, 1.5, 1, 1.5)), (0, (1, 1.2)))

DARK = {
    INK: "#e8ecf0",
    MUTED: "#a9b4bf",
    GRID: "#333d47",
    PAPER: "#1a2128",
    **dict(zip(_NVRC_COLOURS, ("#ff8b4d", "#dd92d8", "#e3a93a", "#d19a7c"), strict=True)),
    **dict(zip(_ANCHOR_COLOURS, ("#5fb4ea", "#45c9a1", "#a9b8c6", "#8fd0f5", "#b5c56a", "#97a4f2"), strict=True)),
}
"""What stands for a colour on a dark ground; colours that are missing here do for both."""


@dataclass(frozen=True)
class SeriesStyle:
    """`dash` as matplotlib's line styles; widths and sizes in points."""

    colour: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]
    width: float
    marker_size: float
    order: int
    """What is drawn later, on top."""


def series_styles(names: Iterable[str]) -> dict[str, SeriesStyle]:
    """Styles of series in the order given; those of nvrc and those of other encoders are counted apart."""
    styles: dict[str, SeriesStyle] = {}
    counts = {True: 0, False: 0}
    for name in dict.fromkeys(names):
        ours = is_nvrc_series(name)
        index = counts[ours]
        counts[ours] += 1
        colours, markers = (_NVRC_COLOURS, _NVRC_MARKERS) if ours else (_ANCHOR_COLOURS, _ANCHOR_MARKERS)
        styles[name] = SeriesStyle(
            colour=colours[index % len(colours)],
            marker=markers[index % len(markers)],
            dash="-" if ours else _DASHES[index % len(_DASHES)],
            width=2.4 if ours else 1.4,
            marker_size=6.5 if ours else 5.2,
            order=(200 if ours else 100) - index,
        )
    return styles
