"""A results document as one HTML page: figures, tables and charts in a file that opens without a network."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.rd_points import Record, by_clip
from nvrc_core.evaluation.report.conventions import conventions
from nvrc_core.evaluation.report.markup import Column, Markup, element, joined, table
from nvrc_core.evaluation.report.page import page
from nvrc_core.evaluation.report.page_charts import PageCharts
from nvrc_core.evaluation.report.points import (
    Document,
    by_series,
    number,
    points_of,
    printable,
)
from nvrc_core.evaluation.report.summary import (
    ClipBDRate,
    SeriesBDRate,
    Times,
    bd_rates,
    change_since,
    device_in_words,
    times,
)
from nvrc_core.evaluation.report.text import NO_FIGURE, RDRow, fixed, mac_range, percent, rd_rows, seconds
from nvrc_core.media.output import atomic_output

# Columns of the tables of points: those that no point fills are left out.
_MAIN_QUALITIES = (("PSNR-YUV", "psnr_yuv", 2), ("PSNR-Y", "psnr_y", 2), ("MS-SSIM-Y", "ms_ssim_y", 4))
_OTHER_QUALITIES = (
    ("PSNR-U", "psnr_u", 2),
    ("PSNR-V", "psnr_v", 2),
    ("PSNR-RGB", "psnr_rgb", 2),
    ("MS-SSIM-RGB", "ms_ssim_rgb", 4),
    ("VMAF", "vmaf", 2),
)


def save_html_report(
    path: str | Path, document: Document, baseline: Document | None = None, overwrite: bool = False
) -> None:
    """Write `html_report` to a file, whole or not at all. Raises what `html_report` and `atomic_output` raise."""
    text = html_report(document, baseline)
    with atomic_output(path, overwrite) as partial:
        partial.write_text(text, encoding="utf-8")


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
        _section("BD-rate", *_bd_tables(compared, changes)),
        _section(
            "Where the bits go", *_gallery(bits, "No point says how many bytes the parts of its file take (parts).")
        ),
        _section(
            "Quality over time",
            *_gallery(per_frame, "No point of nvrc holds figures by frame (per_frame), so there is no chart."),
        ),
        _section("Times", *_times_tables(timed)),
        _section("What was compared", *_compared(points)),
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
        small = [f"{_label(entry.metric)}: {_signed(entry)}, {entry.clips_in_words}" for entry in others]
        for first, *more in rest:
            aside = "".join(f" ({_label(entry.metric)} {_signed(entry)})" for entry in more)
            small.append(f"vs {first.anchor}: {_signed(first)}{aside}, {first.clips_in_words}")
        since = [entry for entry in changes if entry.series == series]
        small += [f"vs the baseline: {_signed(entry)}, {entry.clips_in_words}" for entry in since]
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
    quality, anchor = _label(main.metric), main.anchor.replace("_", " ")
    value = main.mean_percent
    if value is None:
        reasons = "; ".join(dict.fromkeys(f"{clip.clip}: {clip.reason}" for clip in main.clips))
        return "no BD-rate", f"against {anchor} at equal {quality}. {reasons}."
    more = "more" if value >= 0 else "fewer"
    factor = f" ({1 + value / 100:.1f} times as many)" if value >= 50 else ""
    mean = "1 clip" if len(main.clips) == 1 else f"mean of {main.clips_in_words}"
    return _typeset(
        percent(value)
    ), f"{abs(value):.1f}\u00a0% {more} bits than {anchor} at equal {quality}{factor}, {mean}."


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
        yield _rd_table(clip, rows[clip])


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


def _rd_table(clip: str, rows: Sequence[RDRow]) -> Markup:
    devices = {device_in_words(row.point) for row in rows}
    yuv, *main = _quality_columns(rows, _MAIN_QUALITIES)
    columns = [  # what matters most comes first: the rest is beyond the edge of a phone
        (Column("bpp"), [fixed(row.bpp, 4) for row in rows]),
        yuv,
        (Column(f"× bits of\n{rows[0].anchor}"), [fixed(row.times_anchor_bits, 2) for row in rows]),
        *main,
        (Column("asked"), [_asked(row.point) for row in rows]),
        (Column("bytes"), [_grouped(number(row.point, "bytes")) for row in rows]),
        (Column("encode s"), [seconds(row.encode_s) for row in rows]),
        (Column("decode s"), [seconds(row.decode_s) for row in rows]),
        *_quality_columns(rows, _OTHER_QUALITIES),
        (Column("device", False), [device_in_words(row.point) if len(devices) > 1 else NO_FIGURE for row in rows]),
    ]
    filled = [(column, cells) for column, cells in columns if set(cells) != {NO_FIGURE}]
    heads = [Column("series", False), *(column for column, _ in filled)]
    names = [row.series for row in rows]
    cells = [[_typeset(cell) for cell in cells] for _, cells in filled]
    return table(f"All points of {clip}; PSNR in dB", heads, zip(names, *cells, strict=True))


def _quality_columns(
    rows: Sequence[RDRow], qualities: Iterable[tuple[str, str, int]]
) -> list[tuple[Column, list[str]]]:
    return [(Column(head), [fixed(number(row.point, key), digits) for row in rows]) for head, key, digits in qualities]


def _grouped(size: float | None) -> str:
    return NO_FIGURE if size is None else f"{size:,.0f}".replace(",", "\u202f")


def _asked(point: Record) -> str:
    """What the encoder was asked for."""
    for key, template in (("q", "q {:g}"), ("target_bpp", "{:g} bpp"), ("lambda", "λ {:.4g}")):
        if (value := number(point, key)) is not None:
            return template.format(value)
    return NO_FIGURE


def _bd_tables(compared: Sequence[SeriesBDRate], changes: Sequence[SeriesBDRate]) -> Iterable[Markup]:
    if not compared and not changes:
        yield element("p", "There are no two series to compare.", class_="quiet")
        return
    note = "Above zero: more bits than the anchor for the same quality. Below zero: fewer."
    yield element("p", note, class_="quiet")
    for (series, anchor), group in itertools.groupby(compared, key=lambda entry: (entry.series, entry.anchor)):
        yield _bd_table(f"{series} against {anchor}", list(group))
    for entry in changes:
        yield _bd_table(f"{entry.series} against the same series of the baseline", [entry])


def _bd_table(caption: str, by_metric: Sequence[SeriesBDRate]) -> Markup:
    """A row a clip, two columns a measure."""
    columns = [Column("clip", False)]
    for entry in by_metric:
        columns += [Column(f"BD-rate on\n{_label(entry.metric)}"), Column("over, dB")]
    results = list(zip(*(entry.clips for entry in by_metric), strict=True))
    remarks = [_remarks(of_clip, by_metric) for of_clip in results]
    last = [Column("remarks", False)] * any(remarks)
    rows = []
    for of_clip, remark in zip(results, remarks, strict=True):
        figures = [cell for result in of_clip for cell in _bd_cells(result)]
        rows.append([of_clip[0].clip, *figures, *[element("span", remark, class_="wrap")] * len(last)])
    if len(rows) > 1:
        means = [cell for entry in by_metric for cell in (_mean_cell(entry), "")]
        rows.append(["mean", *means, *[""] * len(last)])
    return table(caption, columns + last, rows)


def _bd_cells(result: ClipBDRate) -> tuple[str, str]:
    if result.bd is None:
        return "none", "–"
    low, high = result.bd.overlap
    return _typeset(percent(result.bd.percent)), f"{low:.2f} to {high:.2f}"


def _mean_cell(entry: SeriesBDRate) -> Markup:
    return joined(
        [element("strong", _signed(entry)), element("br"), element("span", entry.clips_in_words, class_="quiet")]
    )


def _remarks(of_clip: Sequence[ClipBDRate], by_metric: Sequence[SeriesBDRate]) -> str:
    """Warnings and reasons; one that holds for several measures is told once."""
    measures: dict[str, list[str]] = {}
    for result, entry in zip(of_clip, by_metric, strict=True):
        for note in result.bd.warnings if result.bd else (result.reason or "",):
            measures.setdefault(note, []).append(_label(entry.metric))
    return "; ".join(
        note if len(names) == len(by_metric) else f"{' and '.join(names)}: {note}" for note, names in measures.items()
    )


def _times_tables(timed: Sequence[Times]) -> Iterable[Markup]:
    if not timed:
        yield element("p", "No point holds times.", class_="quiet")
    heads = ("points", "encode s, mean", "least to most", "decode s, mean", "decode frames/s", "ms/step", "MAC/pixel")
    columns = [Column("series", False), *map(Column, heads)]
    for (device, processor), group in itertools.groupby(timed, key=lambda place: (place.device, place.processor)):
        rows = [
            [
                place.series,
                str(place.points),
                _typeset(seconds(place.encode_s)),
                " to ".join(map(seconds, place.encode_s_range)) if place.encode_s_range else "–",
                _typeset(seconds(place.decode_s)),
                _typeset(fixed(place.decode_fps, 1)),
                _typeset(fixed(place.ms_per_step, 1)),
                mac_range(place.mac_per_pixel) or "–",
            ]
            for place in group
        ]
        yield table(", ".join(filter(None, [device, printable(processor)])), columns, rows)


def _compared(points: Sequence[Record]) -> Iterable[Markup]:
    columns = [
        Column("series", False),
        Column("points"),
        *(Column(h, False) for h in ("encoder", "device", "processor")),
    ]
    rows = []
    commands = []
    for series, group in by_series(points).items():
        stated = [_values(group, key) for key in ("version", "processor")]
        devices = ", ".join(dict.fromkeys(map(device_in_words, group)))
        rows.append([series, str(len(group)), stated[0] or "–", devices, stated[1] or "–"])
        if command := next((printable(point["command"]) for point in group if point.get("command")), ""):
            commands.append(element("p", element("strong", series), element("br"), element("code", command)))
    yield table("Series, encoders and machines", columns, rows)
    if commands:
        yield element("details", element("summary", "Commands, the first of each series"), *commands)


def _values(points: Iterable[Record], key: str) -> str:
    return ", ".join(dict.fromkeys(printable(point[key]) for point in points if point.get(key)))


def _label(metric: str) -> str:
    return {"psnr_yuv": "PSNR-YUV", "psnr_y": "PSNR-Y"}.get(metric, metric)


def _signed(entry: SeriesBDRate) -> str:
    return _typeset(percent(entry.mean_percent))


def _typeset(cell: str) -> str:
    """A dash for no figure, a minus sign as wide as the plus sign, a number and its percent sign on one line."""
    return "–" if cell == NO_FIGURE else re.sub(r"^-", "−", cell).replace(" %", "\u00a0%")
