"""A results document as one HTML page: figures, tables and charts in a file that opens without a network."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.rd_points import Record, by_clip
from nvrc_core.evaluation.report.conventions import conventions
from nvrc_core.evaluation.report.markup import Markup, element, joined
from nvrc_core.evaluation.report.page import page
from nvrc_core.evaluation.report.page_charts import PageCharts
from nvrc_core.evaluation.report.page_tables import (
    bd_tables,
    label,
    rd_table,
    series_tables,
    signed,
    times_tables,
    typeset,
)
from nvrc_core.evaluation.report.points import (
    Document,
    points_of,
    printable,
)
from nvrc_core.evaluation.report.summary import (
    SeriesBDRate,
    Times,
    bd_rates,
    change_since,
    times,
)
from nvrc_core.evaluation.report.text import mac_range, percent, rd_rows


def html_report(document: Document, baseline: Document | None = None) -> str:
    """A page about a results document; `baseline` is another one to compare nvrc's series with.

    Charts for which the points lack the figures are left out, and the page says so. Raises `UsageError`
    where there is no point at all, `ResourceError` where matplotlib is missing.
    """
    points = points_of(document)
    if not points:
        raise UsageError("a report needs at least one point; the document has none")
    head = document if isinstance(document, Mapping) else {}
    date = printable(head.get("date") or "no date")
    compared, timed = bd_rates(points), times(points)
    changes = [] if baseline is None else change_since(points_of(baseline), points)
    charts = PageCharts(points)
    clips = by_clip(points)
    bits = [markup for clip, group in clips.items() for markup in charts.bits(clip, group)]
    per_frame = [markup for clip, group in clips.items() for markup in charts.per_frame(clip, group)]
    body = [
        _heading(head, date, points),
        _headlines(compared, timed, changes),
        _section("Rate and quality", *_clips(document, clips, charts)),
        _section("BD-rate", *bd_tables(compared, changes)),
        _section(
            "Where the bits go", *_gallery(bits, "No point says how many bytes the parts of its file take (parts).")
        ),
        _section(
            "Quality over time",
            *_gallery(per_frame, "No point of nvrc holds figures by frame (per_frame), so there is no chart."),
        ),
        _section("Times", *times_tables(timed)),
        _section("What was compared", *series_tables(points)),
        _section("Conventions", _terms(conventions(points))),
    ]
    return page(f"nvrc benchmark, {date}", joined(body))


def _section(title: str, *content: Markup) -> Markup:
    return element("section", element("h2", title), *content)


def _terms(terms: Iterable[tuple[str, str]]) -> Markup:
    return element("dl", *(joined([element("dt", term), element("dd", meaning)]) for term, meaning in terms))


def _gallery(charts: Sequence[Markup], otherwise: str) -> list[Markup]:
    return [element("div", *charts, class_="charts") if charts else element("p", otherwise, class_="quiet")]


def _heading(head: Mapping[str, Any], date: str, points: Sequence[Record]) -> Markup:
    clips = len(by_clip(points))
    version = printable(head.get("nvrc") or "")
    facts = [
        date,
        f"nvrc {version}" if version else "",
        f"{clips} clip{'s' * (clips != 1)}",
        f"{len(points)} point{'s' * (len(points) != 1)}",
    ]
    return element(
        "header", element("h1", "nvrc benchmark"), element("p", " · ".join(filter(None, facts)), class_="quiet")
    )


def _headlines(compared: Sequence[SeriesBDRate], timed: Sequence[Times], changes: Sequence[SeriesBDRate]) -> Markup:
    """A card a series: against the first anchor in large letters, the rest below."""
    cards = []
    for series, group in itertools.groupby(compared, key=lambda entry: entry.series):
        by_anchor = [list(entries) for _, entries in itertools.groupby(group, lambda entry: entry.anchor)]
        (main, *others), *rest = by_anchor
        big, sentence = _headline(main)
        small = [f"{label(entry.metric)}: {signed(entry)}, {entry.clips_in_words}" for entry in others]
        for first, *more in rest:
            aside = "".join(f" ({label(entry.metric)} {signed(entry)})" for entry in more)
            small.append(f"vs {first.anchor}: {signed(first)}{aside}, {first.clips_in_words}")
        since = [entry for entry in changes if entry.series == series]
        small += [f"vs the baseline: {signed(entry)}, {entry.clips_in_words}" for entry in since]
        small += [_speed(place) for place in timed if place.series == series]
        cards.append(
            element(
                "article",
                element("h3", series),
                element("p", big, class_="big" if main.counted else "big none"),
                element("p", sentence),
                element("ul", *(element("li", line) for line in small)),
                class_="card",
            )
        )
    if not cards:
        note = "There is nothing to compare: a comparison needs points of two series."
        return element("p", note, class_="quiet")
    return element("div", *cards, class_="cards")


def _headline(main: SeriesBDRate) -> tuple[str, str]:
    """The figure and what it says: more bits are called more bits."""
    quality, anchor = label(main.metric), main.anchor.replace("_", " ")
    value = main.mean_percent
    if value is None:
        return "no BD-rate", f"against {anchor} at equal {quality}: {main.clips_in_words} have a figure; see below why."
    more = "more" if value >= 0 else "fewer"
    factor = f" ({1 + value / 100:.1f} times as many)" if value >= 50 else ""
    mean = "1 clip" if len(main.clips) == 1 else f"mean of {main.clips_in_words}"
    bits = f"{abs(value):.1f}\u00a0% {more} bits than {anchor}"
    return typeset(percent(value)), f"{bits} at equal {quality}{factor}, {mean}."


def _speed(place: Times) -> str:
    figures = [
        place.ms_per_step is not None and f"{place.ms_per_step:.1f} ms/step",
        place.mac_per_pixel and f"{mac_range(place.mac_per_pixel)} MAC/pixel",
        place.decode_fps is not None and f"decodes {place.decode_fps:.0f} frames/s",
    ]
    return f"{', '.join(filter(None, figures)) or 'no speeds'} on {place.device}"


def _clips(document: Document, clips: Mapping[str, Sequence[Record]], charts: PageCharts) -> Iterable[Markup]:
    rows = {clip: list(group) for clip, group in itertools.groupby(rd_rows(document), key=lambda row: row.clip)}
    for clip, group in clips.items():
        yield element("h3", clip)
        yield element("p", _geometry(group), class_="quiet")
        yield from _gallery(charts.curves(clip, group), "No point has a rate and a quality to draw.")
        yield rd_table(clip, rows[clip])


def _geometry(points: Sequence[Record]) -> str:
    facts = []
    for keys, template in (
        (("width", "height"), "{} × {}"),
        (("frames",), "{} frames"),
        (("frame_rate",), "{} frames/s"),
        (("clip_hash",), "hash {:.12}"),
    ):
        found = {tuple(printable(point[key]) for key in keys) for point in points if all(point.get(k) for k in keys)}
        facts.append(" or ".join(template.format(*values) for values in sorted(found)))
    return " · ".join(filter(None, facts))
