"""HTML put together so that text is escaped unless it is markup made here."""

import html
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvrc_core.evaluation.report.canvas import svg_text
from nvrc_core.evaluation.report.style import DARK

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


@dataclass(frozen=True)
class Column:
    """A column of a table; figures stand at the right, so that their points are one below the other."""

    head: str
    figures: bool = True


def element(tag: str, *children: str, **attributes: str) -> Markup:
    """An element; children that are no `Markup` are text. Attributes: `class_` is class, `aria_label` aria-label."""
    if tag == "br":
        return Markup("<br>")
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    opening = "".join(f' {names[name]}="{html.escape(value)}"' for name, value in attributes.items())
    return Markup(f"<{tag}{opening}>{joined(children)}</{tag}>")


def joined(children: Iterable[str]) -> Markup:
    """Children in a row, text escaped."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(child) for child in children))


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Markup:
    """A table that scrolls inside its box; the first column names the rows. Equal names in a row are shown once."""
    kinds = ["n" if column.figures else "t" for column in columns]
    head = joined(
        element("th", column.head, scope="col", class_=kind) for column, kind in zip(columns, kinds, strict=True)
    )
    lines = []
    for name, group in itertools.groupby(rows, key=lambda row: row[0]):
        for index, row in enumerate(group):
            cells = joined(element("td", cell, class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True))
            first = element("th", name, scope="row", class_="t" if index == 0 else "t again")
            lines.append(element("tr", first, cells, class_="first" if index == 0 else "more"))
    content = (
        element("caption", element("span", caption)),
        element("thead", element("tr", head)),
        element("tbody", *lines),
    )
    # Whoever has no mouse scrolls with the keyboard, which needs a place to be.
    return element("div", element("table", *content), class_="scroll", role="region", aria_label=caption, tabindex="0")


def chart(figure: "Figure", label: str, number: int) -> Markup:
    """A chart inside the page: its colours follow the page's, `number` keeps names inside it apart from others'."""
    svg = svg_text(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg\b[^>]*?) xmlns:xlink="[^"]*"', r"\1", svg).replace("xlink:href=", "href=")
    referenced = set(re.findall(r'(?:href="#|url\(#)([\w.-]+)', svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda m: f' id="c{number}-{m[1]}"' if m[1] in referenced else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1c{number}-", svg)
    for colour in DARK:
        svg = svg.replace(colour, f"var({variable(colour)})")
    view = re.search(r'viewBox="([^"]*)"', svg)
    opening = f'<svg viewBox="{view[1] if view else ""}" role="img" aria-label="{html.escape(label)}">'
    svg = opening + str(element("title", label)) + svg[svg.index(">") + 1 :]
    svg = re.sub(r"\s*\n\s*", " ", svg)
    return element("figure", Markup(svg))


def variable(colour: str) -> str:
    """The name under which the page's style sheet holds a colour."""
    return f"--chart-{colour.removeprefix('#')}"
