"""`nvrc bdrate`: compare two sets of rate-distortion points."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvrc_cli.json_output import emit
from nvrc_cli.options import AsJson

if TYPE_CHECKING:
    from nvrc_core.evaluation.curves.bdrate import Comparison


class Metric(StrEnum):
    """The quality at which rates are compared."""

    PSNR_YUV = "psnr_yuv"
    PSNR_Y = "psnr_y"


def bdrate(
    anchor: Annotated[
        Path, typer.Argument(metavar="ANCHOR", help="JSON or NDJSON file with the points of the reference.")
    ],
    test: Annotated[Path, typer.Argument(metavar="TEST", help="The same for the codec that is tested.")],
    metric: Annotated[Metric, typer.Option(help="Quality at which rates are compared.")] = Metric.PSNR_YUV,
    anchor_series: Annotated[
        str | None, typer.Option(help="Series or codec of ANCHOR, where it holds several.", metavar="NAME")
    ] = None,
    test_series: Annotated[
        str | None, typer.Option(help="Series or codec of TEST, where it holds several.", metavar="NAME")
    ] = None,
    clip: Annotated[str | None, typer.Option(help="Compare on this clip only.", metavar="NAME")] = None,
    as_json: AsJson = False,
) -> None:
    """BD-rate of TEST against ANCHOR: the mean difference in rate at equal quality, in percent.

    Below 0, TEST needs less. Points come from `nvrc encode --json`, `nvrc bench --json` or any list of objects
    with bpp, psnr_y and psnr_yuv, and optionally clip, series and codec. A clip whose curves share no range of
    quality gets no figure.
    """
    from nvrc_core.evaluation.curves.bdrate import compare

    comparison = compare(anchor, test, metric.value, anchor_series, test_series, clip)
    if as_json:
        _print_json(comparison)
    else:
        _print_table(comparison)


def _print_json(comparison: "Comparison") -> None:
    clips = []
    for result in comparison.clips:
        entry = {"clip": result.clip, "bd_rate_percent": None, "overlap_db": None, "warnings": []}
        if result.bd:
            entry["bd_rate_percent"] = result.bd.percent
            entry["overlap_db"] = list(result.bd.overlap_db)
            entry["warnings"] = list(result.bd.warnings)
        clips.append(entry | {"reason": result.reason})
    emit(
        "done",
        metric=comparison.metric,
        bd_rate_percent=comparison.mean_percent,
        clips=clips,
        only_in_anchor=comparison.only_in_anchor,
        only_in_test=comparison.only_in_test,
    )


def _print_table(comparison: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("clip", title=f"BD-rate on {comparison.metric}", title_justify="left")
    table.add_column("BD-rate", justify="right")
    table.add_column("over", justify="right")
    for result in comparison.clips:
        # Text, because a clip's name may hold what rich takes for markup.
        if result.bd:
            low, high = result.bd.overlap_db
            table.add_row(Text(result.clip), f"{result.bd.percent:+.2f} %", f"{low:.2f} to {high:.2f} dB")
        else:
            table.add_row(Text(result.clip), "none", "-")
    counted = sum(result.bd is not None for result in comparison.clips)
    table.add_section()
    table.add_row(f"mean of {counted}", f"{comparison.mean_percent:+.2f} %", "")
    Console().print(table)
    for line in _remarks(comparison):
        typer.echo(line, err=True)


def _remarks(comparison: "Comparison") -> list[str]:
    lines = []
    for result in comparison.clips:
        name = f"{result.clip}: " if result.clip else ""
        notes = result.bd.warnings if result.bd else (f"{result.reason}; it is left out of the mean",)
        lines += [f"warning: {name}{note}" for note in notes]
    for side, clips in (("ANCHOR", comparison.only_in_anchor), ("TEST", comparison.only_in_test)):
        if clips:
            lines.append(f"warning: only in {side}: {', '.join(clip or '(nameless)' for clip in clips)}")
    return lines
