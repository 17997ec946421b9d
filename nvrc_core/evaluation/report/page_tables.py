"""The tables of a page: points, BD-rates, times, what was compared."""

import itertools
import re
from collections.abc import Iterable, Sequence

from nvrc_core.evaluation.curves.rd_points import Record
from nvrc_core.evaluation.report.markup import Column, Markup, element, joined, table
from nvrc_core.evaluation.report.points import by_series, number, printable
from nvrc_core.evaluation.report.summary import ClipBDRate, SeriesBDRate, Times, device_in_words
from nvrc_core.evaluation.report.text import NO_FIGURE, RDRow, fixed, mac_range, percent, seconds

# Columns of the tables of points: those that no point fills are left out.
_MAIN_QUALITIES = (("PSNR-YUV", "psnr_yuv", 2), ("PSNR-Y", "psnr_y", 2), ("MS-SSIM-Y", "ms_ssim_y", 4))
_OTHER_QUALITIES = (
    ("PSNR-U", "psnr_u", 2),
    ("PSNR-V", "psnr_v", 2),
    ("PSNR-RGB", "psnr_rgb", 2),
    ("MS-SSIM-RGB", "ms_ssim_rgb", 4),
    ("VMAF", "vmaf", 2),
)


def rd_table(clip: str, rows: Sequence[RDRow]) -> Markup:
    """All points of a clip, a row each; columns that no point fills are left out."""
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
    cells = [[typeset(cell) for cell in cells] for _, cells in filled]
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


def bd_tables(compared: Sequence[SeriesBDRate], changes: Sequence[SeriesBDRate]) -> Iterable[Markup]:
    """A table for each series and anchor, with what makes figures less reliable, or why there is none."""
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
        columns += [Column(f"BD-rate on\n{label(entry.metric)}"), Column("over, dB")]
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
    return typeset(percent(result.bd.percent)), f"{low:.2f} to {high:.2f}"


def _mean_cell(entry: SeriesBDRate) -> Markup:
    return joined(
        [element("strong", signed(entry)), element("br"), element("span", entry.clips_in_words, class_="quiet")]
    )


def _remarks(of_clip: Sequence[ClipBDRate], by_metric: Sequence[SeriesBDRate]) -> str:
    """Warnings and reasons; one that holds for several measures is told once."""
    measures: dict[str, list[str]] = {}
    for result, entry in zip(of_clip, by_metric, strict=True):
        for note in result.bd.warnings if result.bd else (result.reason or "",):
            measures.setdefault(note, []).append(label(entry.metric))
    return "; ".join(
        note if len(names) == len(by_metric) else f"{' and '.join(names)}: {note}" for note, names in measures.items()
    )


def times_tables(timed: Sequence[Times]) -> Iterable[Markup]:
    """A table for each device of each machine."""
    if not timed:
        yield element("p", "No point holds times.", class_="quiet")
    heads = ("points", "encode s, mean", "least to most", "decode s, mean", "decode frames/s", "ms/step", "MAC/pixel")
    columns = [Column("series", False), *map(Column, heads)]
    for (device, processor), group in itertools.groupby(timed, key=lambda place: (place.device, place.processor)):
        rows = [
            [
                place.series,
                str(place.points),
                typeset(seconds(place.encode_s)),
                " to ".join(map(seconds, place.encode_s_range)) if place.encode_s_range else "–",
                typeset(seconds(place.decode_s)),
                typeset(fixed(place.decode_fps, 1)),
                typeset(fixed(place.ms_per_step, 1)),
                mac_range(place.mac_per_pixel) or "–",
            ]
            for place in group
        ]
        yield table(", ".join(filter(None, [device, printable(processor)])), columns, rows)


def series_tables(points: Sequence[Record]) -> Iterable[Markup]:
    """Encoders, devices and machines by series, and the commands that are known."""
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


def label(metric: str) -> str:
    """A measure as readers know it."""
    return {"psnr_yuv": "PSNR-YUV", "psnr_y": "PSNR-Y"}.get(metric, metric)


def signed(entry: SeriesBDRate) -> str:
    """The mean, with its sign."""
    return typeset(percent(entry.mean_percent))


def typeset(cell: str) -> str:
    """A dash for no figure, a minus sign as wide as the plus sign, a number and its percent sign on one line."""
    return "–" if cell == NO_FIGURE else re.sub(r"^-", "−", cell).replace(" %", "\u00a0%")
