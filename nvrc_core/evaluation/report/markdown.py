"""A results document as Markdown tables, for pages in a repository."""

from collections.abc import Iterable, Mapping, Sequence

from nvrc_core.evaluation.report.points import Document, part_order, part_shares, points_of, printable
from nvrc_core.evaluation.report.summary import (
    SeriesBDRate,
    anchor_series,
    bd_rates,
    change_since,
    device_in_words,
)
from nvrc_core.evaluation.report.summary import times as times_by_device
from nvrc_core.evaluation.report.text import RDRow, fixed, mac_range, percent, rd_rows, seconds


def markdown_report(document: Document, baseline: Document | None = None) -> str:
    """What was measured where, all points, BD-rates, times by device, shares of the files' parts in percent."""
    points = points_of(document)
    anchor = next(iter(anchor_series(points)), "the anchor")
    blocks = [
        _facts(document),
        "PSNR in dB, means over frames; PSNR-YUV is (6 Y + U + V) / 8. bpp is bits per luma pixel, of the whole file "
        f"for nvrc and of the elementary stream for other encoders. `times its bits` is the rate over that of "
        f"{_cell(anchor)} at equal PSNR-YUV (- where its curve does not reach that quality).",
        _table(
            ["clip", "series", *["bpp", "PSNR-Y", "PSNR-YUV", "MS-SSIM-Y", "times its bits", "encode s", "decode s"]],
            2,
            ([row.clip, *row.cells()] for row in rd_rows(document)),
        ),
    ]
    compared = [*bd_rates(points)]
    changes = [] if baseline is None else change_since(points_of(baseline), points)
    if compared or changes:
        blocks.append("BD-rate in percent; above zero, the series takes more bits than the anchor at equal quality:")
        rows = [row for entry in compared for row in _bd_rows(entry, entry.anchor)]
        rows += [row for entry in changes for row in _bd_rows(entry, "baseline")]
        blocks.append(
            _table(["series", "anchor", "quality", "clip", "BD-rate", "over dB", "remarks"], 4, rows, last_words=1)
        )
    if timed := times_by_device(points):
        blocks.append("Times, by device; figures of different devices are not comparable:")
        rows = [
            [
                ", ".join(filter(None, [place.device, printable(place.processor)])),
                place.series,
                str(place.points),
                seconds(place.encode_s),
                seconds(place.decode_s),
                fixed(place.decode_fps, 1),
                fixed(place.ms_per_step, 1),
                mac_range(place.mac_per_pixel) or "-",
            ]
            for place in timed
        ]
        heads = ["device", "series", "points", "encode s", "decode s", "decode frames/s", "ms/step", "MAC/pixel"]
        blocks.append(_table(heads, 2, rows))
    shared = [row for row in rd_rows(document) if part_shares(row.point)]
    if shared:
        parts = sorted({part for row in shared for part in part_shares(row.point)}, key=part_order)
        blocks.append("Where the bits go, in percent of the file:")
        blocks.append(_table(["clip", "series", "bpp", *parts], 2, (_part_row(row, parts) for row in shared)))
    return "\n\n".join(blocks) + "\n"


def _facts(document: Document) -> str:
    head = document if isinstance(document, Mapping) else {}
    devices = ", ".join(dict.fromkeys(map(device_in_words, points_of(document)))) or "not stated"
    facts = [f"Date {printable(head.get('date') or 'not stated')}", f"devices {devices}"]
    facts += [printable(head["processor"])] if head.get("processor") else []
    facts += [f"nvrc {printable(head['nvrc'])}"] if head.get("nvrc") else []
    return _cell("; ".join(facts)) + "."


def _bd_rows(entry: SeriesBDRate, anchor: str) -> Iterable[list[str]]:
    for result in entry.clips:
        figures = ["none", "-", result.reason or ""]
        if result.bd:
            low, high = result.bd.overlap
            figures = [percent(result.bd.percent), f"{low:.2f} to {high:.2f}", "; ".join(result.bd.warnings)]
        yield [entry.series, anchor, entry.metric, result.clip, *figures]
    if len(entry.clips) > 1:
        mean = f"mean of {entry.clips_in_words}"
        yield [entry.series, anchor, entry.metric, mean, percent(entry.mean_percent), "", ""]


def _part_row(row: RDRow, parts: Sequence[str]) -> list[str]:
    shares = part_shares(row.point)
    return [row.clip, row.series, fixed(row.bpp, 4), *(fixed(shares.get(part), 1) for part in parts)]


def _table(heads: Sequence[str], words: int, rows: Iterable[Sequence[str]], last_words: int = 0) -> str:
    """The first `words` columns and the last ones are words, those between are figures."""
    figures = len(heads) - words - last_words
    rule = ["---"] * words + ["---:"] * figures + ["---"] * last_words
    lines = [heads, rule, *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Text that Markdown takes as it is: names of files may hold its signs, and HTML."""
    for sign in "\\`*[]<>|":
        text = text.replace(sign, "\\" + sign)
    return text.replace("&", "&amp;")
