"""`nvrc bdrate`: compare two sets of rate-distortion points."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvrc_cli.json_output import emit
from nvrc_cli.options import AsJson, Yes, flag
from nvrc_cli.terminal import one_line, say

if TYPE_CHECKING:
    from nvrc_core.evaluation.curves.comparison import ClipResult, Comparison
    from nvrc_core.evaluation.report.summary import ClipBDRate


def bdrate(
    anchor: Annotated[
        str | None, typer.Argument(metavar="ANCHOR", help="File with the points of the reference, or published:NAME.")
    ] = None,
    test: Annotated[str | None, typer.Argument(metavar="TEST", help="The same for the codec that is tested.")] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Quality at which rates are compared: psnr_yuv, psnr_y, psnr_rgb, ms_ssim_y, ms_ssim_rgb (both in "
            "dB), vmaf, and psnr_y_pooled and the like for the PSNR of the mean error.",
        ),
    ] = "psnr_yuv",
    method: Annotated[
        str, typer.Option(metavar="NAME", help="Interpolation of ln(rate): pchip as JVET does, akima or cubic.")
    ] = "pchip",
    anchor_series: Annotated[
        str | None, typer.Option(help="Series or codec of ANCHOR, where it holds several.", metavar="NAME")
    ] = None,
    test_series: Annotated[
        str | None, typer.Option(help="Series or codec of TEST, where it holds several.", metavar="NAME")
    ] = None,
    clip: Annotated[str | None, typer.Option(help="Compare on this clip only.", metavar="NAME")] = None,
    max_loss: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Fail with exit code 8 where the mean BD-rate is above this, such as 2%."),
    ] = None,
    allow_missing: Annotated[
        bool, flag("--allow-missing", help="With --max-loss: clips of one side only or without a figure may pass.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves of every clip, as .svg or .png.")
    ] = None,
    yes: Yes = False,
    list_published: Annotated[
        bool, flag("--list-published", help="List the published curves and NVRC's own BD-rates.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """BD-rate of TEST against ANCHOR: the mean difference in rate at equal quality, in percent.

    Below 0, TEST needs less. Points come from `nvrc bench`, `nvrc encode --json`, any list of JSON objects with bpp,
    psnr_yuv and the like, CSV with such columns, or results of CompressAI and DCVC. A clip whose curves share no
    range of quality gets no figure.
    """
    if list_published:
        from nvrc_cli.published import print_published

        print_published(as_json)
        return

    from nvrc_core.errors import RegressionError, UsageError
    from nvrc_core.evaluation.curves.comparison import compare
    from nvrc_core.evaluation.curves.gate import check_gate, parse_percent
    from nvrc_core.media.output import check_output

    if anchor is None or test is None:
        raise UsageError("nvrc bdrate compares ANCHOR and TEST: name both (try nvrc bdrate --help)")
    if allow_missing and max_loss is None:
        raise UsageError("--allow-missing belongs to --max-loss")
    limit = None if max_loss is None else parse_percent(max_loss)
    if plot:
        check_output(plot, overwrite=yes)

    comparison = compare(anchor, test, metric, method, anchor_series, test_series, clip)
    if limit is None and comparison.no_figure is not None:
        raise UsageError(comparison.no_figure)
    if plot:
        _draw(comparison, plot, overwrite=yes)
    try:
        if limit is not None:
            check_gate(comparison, limit, allow_missing)
    except RegressionError:
        # Figures of a closed gate are not "done", but whoever has to mend things wants to see them.
        _show(comparison, limit, "comparison", as_json)
        raise
    _show(comparison, limit, "done", as_json)


def _draw(comparison: "Comparison", path: Path, *, overwrite: bool) -> None:
    from nvrc_core.evaluation.report.canvas import save_figure
    from nvrc_core.evaluation.report.charts import rd_charts

    names = comparison.series
    clips = {
        result.clip: {
            name: [(point.bpp, point.quality) for point in points]
            for name, points in zip(names, (result.anchor, result.test), strict=True)
        }
        for result in comparison.clips
    }
    save_figure(rd_charts(clips, comparison.metric.label), path, overwrite)


def _show(comparison: "Comparison", limit: float | None, event: str, as_json: bool) -> None:
    if as_json:
        emit(event, **_figures(comparison), max_loss_percent=limit)
    else:
        _print_table(comparison)


def _figures(comparison: "Comparison") -> dict[str, Any]:
    metric = comparison.metric
    return {
        "anchor": comparison.anchor,
        "test": comparison.test,
        "metric": metric.key,
        "unit": metric.unit,
        "method": comparison.method,
        "bd_rate_percent": comparison.mean_percent,
        "clips": [clip_figures(result, metric.unit) for result in comparison.clips],
        "average_curve": comparison.average and clip_figures(comparison.average, metric.unit),
        "only_in_anchor": comparison.only_in_anchor,
        "only_in_test": comparison.only_in_test,
        "warnings": comparison.warnings,
    }


def clip_figures(result: "ClipResult | ClipBDRate", unit: str) -> dict[str, Any]:
    """A clip's figures for JSON."""
    bd = result.bd
    overlap = list(bd.overlap) if bd else None
    return {
        "clip": result.clip,
        "bd_rate_percent": bd.percent if bd else None,
        "bd_quality": bd.quality if bd else None,
        "overlap": overlap,
        "overlap_db": overlap if unit == "dB" else None,
        "warnings": list(bd.warnings) if bd else [],
        "reason": result.reason,
    }


def _print_table(comparison: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    unit = comparison.metric.unit
    title = f"BD-rate on {comparison.metric.label}, {comparison.method}"
    table = Table("clip", title=Text(title), title_justify="left")
    table.add_column("BD-rate", justify="right", no_wrap=True)
    table.add_column(f"{unit} at\nequal rate", justify="right", no_wrap=True)
    table.add_column(f"overlap, {unit}", justify="right", no_wrap=True)
    for result in comparison.clips:
        # Text, because a clip's name may hold what rich takes for markup.
        table.add_row(Text(one_line(result.clip)), *_cells(result))
    table.add_section()
    counted = sum(result.bd is not None for result in comparison.clips)
    if comparison.mean_percent is not None:
        table.add_row(f"mean of {counted}", f"{comparison.mean_percent:+.2f} %", "", "")
    if comparison.average:
        table.add_row(f"{comparison.average.clip} of {len(comparison.clips)}", *_cells(comparison.average))
    Console().print(table)
    for line in _remarks(comparison):
        say(one_line(line))


def _cells(result: "ClipResult") -> tuple[str, str, str]:
    bd = result.bd
    if bd is None:
        return "none", "-", "-"
    low, high = bd.overlap
    gain = "-" if bd.quality is None else f"{bd.quality:+.2f}"
    return f"{bd.percent:+.2f} %", gain, f"{low:.2f} to {high:.2f} ({high - low:.2f})"


def _remarks(comparison: "Comparison") -> list[str]:
    lines = [f"warning: {line}" for line in comparison.warnings]
    for result in (*comparison.clips, *([comparison.average] if comparison.average else [])):
        name = f"{result.clip}: " if result.clip else ""
        left_out = "" if result is comparison.average else "; it is left out of the mean"
        notes = result.bd.warnings if result.bd else (f"{result.reason}{left_out}",)
        lines += [f"warning: {name}{note}" for note in notes]
    for side, clips in (("ANCHOR", comparison.only_in_anchor), ("TEST", comparison.only_in_test)):
        if clips:
            lines.append(f"warning: only in {side}: {', '.join(clip or '(nameless)' for clip in clips)}")
    names = (("ANCHOR", comparison.anchor), ("TEST", comparison.test))
    return [f"{side} is {name}" for side, name in names] + lines
