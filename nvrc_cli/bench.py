"""`nvrc bench`: nvrc and other encoders on the same frames, point by point, to be interrupted at will."""

import math
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvrc_cli.bdrate import clip_figures
from nvrc_cli.json_output import emit
from nvrc_cli.options import AsJson, Frames, Quiet, Threads, Tune, Verbose, flag
from nvrc_cli.progress import open_reporter
from nvrc_core.errors import UsageError
from nvrc_core.media.output import STDOUT, check_output, write_text

if TYPE_CHECKING:
    from nvrc_core.evaluation.bench.suites import Suite
    from nvrc_core.evaluation.report.points import Document
    from nvrc_core.evaluation.report.summary import SeriesBDRate
    from nvrc_core.evaluation.report.text import RDRow

DEFAULT_PRESET, DEFAULT_BPP, DEFAULT_ANCHORS = "medium", (0.03, 0.1, 0.3), ("x265",)
NONE = "none"
SPARKLINE_WIDTH = 32

_REPORTS = "Reports"


def bench(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Videos, or folders of videos.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Results as JSON; points in it are not made again."),
    ],
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="pocket or studio: a choice of clips, and other defaults for all else."),
    ] = None,
    presets: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=f"Presets of nvrc, such as draft,fast, or {NONE}; medium if not given."),
    ] = None,
    bpp: Annotated[
        str | None, typer.Option(metavar="X,X,...", help="Rates of nvrc; 0.03,0.1,0.3 if not given.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--lambda", metavar="X,X,...", help="Weights of quality instead of rates.")
    ] = None,
    tune: Tune = "psnr",
    steps: Annotated[int | None, typer.Option(metavar="N", help="Optimiser steps of every fit.")] = None,
    anchors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Other encoders, each NAME, NAME:PRESET or NAME:PRESET:TUNE, with @Q/Q/... for its CRFs or QPs: x264, "
            f"x265, svtav1, vvenc, or a .toml file that describes one, or {NONE}; x265 if not given.",
        ),
    ] = None,
    frames: Frames = ":",
    device: Annotated[str | None, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")] = None,
    threads: Threads = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of everything that is random.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0, help="Stop after M minutes with the points made so far.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One page with all charts and tables.", rich_help_panel=_REPORTS)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The tables for a document.", rich_help_panel=_REPORTS)
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Earlier results to compare nvrc with.", rich_help_panel=_REPORTS),
    ] = None,
    yes: Annotated[
        bool, flag("--yes", "-y", help="Overwrite reports, and drop points of FILE that are not of this bench.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Encode clips with nvrc and with other encoders, decode, measure, compare.

    Interrupted, the same command goes on where it stopped: every finished point is in the results file. Rates of other
    encoders count their elementary streams, those of nvrc the whole file.
    """
    from nvrc_core.devices import processor_name
    from nvrc_core.evaluation.bench.clip import video_files
    from nvrc_core.evaluation.bench.plan import BenchConfig, plan
    from nvrc_core.evaluation.bench.results import Results, read_results
    from nvrc_core.evaluation.bench.run import run
    from nvrc_core.evaluation.bench.suites import choose_clips, suite_named
    from nvrc_core.media.selection import FrameRange

    if html:
        from nvrc_core.evaluation.report.canvas import require_matplotlib

        require_matplotlib()  # now, not after hours of work
    before = read_results(baseline) if baseline else None
    paths = video_files(clips)
    _check_reports([report for report in (html, markdown) if report], [*paths, output, baseline], overwrite=yes)
    chosen = suite_named(suite) if suite else None
    if chosen:
        paths = choose_clips(chosen, paths)
    config = BenchConfig(
        presets=_names(presets, chosen.presets if chosen else (DEFAULT_PRESET,)),
        bpp=_rates(bpp, weights, chosen),
        weights=_numbers("--lambda", weights),
        tune=tune,
        steps=steps,
        anchors=_names(anchors, chosen.anchors if chosen else DEFAULT_ANCHORS),
        frames=FrameRange.parse(frames),
        device=device or (chosen.device if chosen else "auto"),
        threads=threads or (chosen.threads if chosen else None),
        seed=seed,
    )
    tasks = plan(paths, config)
    results = Results(output, [task.identity for task in tasks], processor_name(), drop_others=yes)
    limit = minutes if minutes is not None else chosen.minutes if chosen else None
    with open_reporter(as_json=as_json, quiet=quiet, verbose=verbose) as report:
        complete = run(tasks, results, report, limit)
    document = results.document()
    if html and document["points"]:
        from nvrc_core.evaluation.report.html import html_report

        write_text(html, html_report(document, before), overwrite=yes)
    if markdown and document["points"]:
        from nvrc_core.evaluation.report.markdown import markdown_report

        write_text(markdown, markdown_report(document, before), overwrite=yes)
    if as_json:
        emit("done", **_figures(output, document, before, len(tasks), complete))
    elif not quiet:
        _print_tables(document)
        if document["points"]:
            from nvrc_core.evaluation.report.text import commit_line

            typer.echo(f"{suite}: {commit_line(document, before)}" if suite else commit_line(document, before))


def _check_reports(reports: "Sequence[Path]", others: "Sequence[Path | None]", *, overwrite: bool) -> None:
    """Raises UsageError, before any work, for a report that cannot be written, or that would replace another file."""
    for index, report in enumerate(reports):
        if str(report) == STDOUT:
            raise UsageError("a report needs a file: standard output is for the tables")
        if report.resolve() in [other.resolve() for other in (*others, *reports[:index]) if other]:
            raise UsageError(f"{report} is asked for as a report, but has another part in this bench")
        check_output(report, overwrite)


def _figures(
    output: Path, document: "Document", before: "Document | None", total: int, complete: bool
) -> dict[str, Any]:
    from nvrc_core.evaluation.report.points import points_of
    from nvrc_core.evaluation.report.summary import bd_rates, change_since

    points = points_of(document)
    return {
        "results": str(output),
        "points": len(points),
        "total": total,
        "complete": complete,
        "bd_rates": [_bd_rate_figures(entry) for entry in bd_rates(points)],
        "changes": [_bd_rate_figures(entry) for entry in change_since(points_of(before), points)] if before else None,
    }


def _bd_rate_figures(entry: "SeriesBDRate") -> dict[str, Any]:
    from nvrc_core.evaluation.curves.quality_metrics import find_metric

    clips = [clip_figures(clip, find_metric(entry.metric).unit) for clip in entry.clips]
    names = {"series": entry.series, "anchor": entry.anchor, "metric": entry.metric}
    return names | {"bd_rate_percent": entry.mean_percent, "clips": clips}


def _print_tables(document: "Document") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nvrc_core.evaluation.report.text import RD_HEADER, rd_rows

    console = Console()
    for clip, rows in groupby(rd_rows(document), key=lambda row: row.clip):
        # Text, because a name may hold what rich takes for markup.
        table = Table(title=Text(clip), title_justify="left", box=None, pad_edge=False)
        for index, head in enumerate(RD_HEADER):
            table.add_column(head, justify="right" if index else "left")
        rows = list(rows)
        for row in rows:
            table.add_row(*map(Text, row.cells()))
        console.print(table)
        for line in _frame_lines(rows):
            typer.echo(line)
        typer.echo()


def _frame_lines(rows: "Sequence[RDRow]") -> list[str]:
    """Quality over time of nvrc's points."""
    from nvrc_core.evaluation.report.points import frame_values, is_nvrc
    from nvrc_core.evaluation.report.text import fixed, shows_blocks, sparkline

    lines = []
    for row in rows:
        values = frame_values(row.point, "psnr_yuv")
        finite = [value for value in values if math.isfinite(value)]
        if is_nvrc(row.point) and len(finite) > 1:
            line = sparkline(values, ascii=not shows_blocks(sys.stdout), width=SPARKLINE_WIDTH)
            ends = f"{min(finite):.1f} to {max(finite):.1f} dB by frame"
            lines.append(f"{row.series} {fixed(row.bpp, 4)}: {line} {ends}")
    return lines


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError:
        raise UsageError(f"{option} {text} is not a list of numbers such as 0.05,0.1,0.2") from None


def _rates(bpp: str | None, weights: str | None, suite: "Suite | None") -> tuple[float, ...]:
    if bpp and weights:
        raise UsageError("--bpp and --lambda exclude each other")
    if bpp or weights:
        return _numbers("--bpp", bpp)
    return suite.bpp if suite else DEFAULT_BPP


def _names(text: str | None, usual: tuple[str, ...]) -> tuple[str, ...]:
    return () if text == NONE else _words(text) or usual
