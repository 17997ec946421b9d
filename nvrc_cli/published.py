"""What `nvrc bdrate --list-published` prints: the curves that are there to compare with, and NVRC's own BD-rates."""

from typing import TYPE_CHECKING

import typer

from nvrc_cli.json_output import emit

if TYPE_CHECKING:
    from nvrc_core.evaluation.curves.published import PublishedCodec


def print_published(as_json: bool) -> None:
    """The list, as tables or as one object."""
    from nvrc_core.evaluation.curves.published import published_bd_rates, published_codecs

    if as_json:
        emit("done", curves=[_facts(codec) for codec in published_codecs()], bd_rates=published_bd_rates())
        return
    _print_curves(published_codecs())
    _print_bd_rates()


def _facts(codec: "PublishedCodec") -> dict:
    return {
        "name": f"published:{codec.slug}@{codec.dataset.name.lower()}",
        "codec": codec.name,
        "dataset": codec.dataset.name,
        "metrics": codec.metrics,
        "sequences": codec.sequences,
        "convention": codec.convention,
        "source": codec.source,
        "reference": codec.reference,
        "origin": codec.origin,
        "note": codec.note,
        "caution": codec.caution,
    }


def _print_curves(codecs: "tuple[PublishedCodec, ...]") -> None:
    width = max(len(codec.slug) for codec in codecs)
    for name in dict.fromkeys(codec.dataset.name for codec in codecs):
        there = [codec for codec in codecs if codec.dataset.name == name]
        typer.echo(f"{name}, {len(there[0].dataset.frames)} sequences: published:NAME@{name.lower()}")
        for convention in dict.fromkeys(codec.convention for codec in there):
            typer.echo(f"  {convention}:")
            for codec in there:
                if codec.convention == convention:
                    typer.echo(f"    {codec.slug:<{width}}  {_line(codec)}")
        typer.echo()


def _line(codec: "PublishedCodec") -> str:
    curves = f"{len(codec.sequences)} sequences" if codec.sequences else "average only"
    remarks = (codec.note, codec.caution, codec.source)
    return "; ".join([", ".join(codec.metrics), curves, *filter(None, remarks)])


def _print_bd_rates() -> None:
    from rich.console import Console
    from rich.table import Table

    from nvrc_core.evaluation.curves.published import published_bd_rates

    facts = published_bd_rates()
    rows = facts["rows"]
    # One table a dataset: four columns fit a terminal, twelve do not.
    typer.echo(f"BD-rate of {facts['codec']} against others, in percent ({facts['source']})")
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        columns = [row for row in rows if row["dataset"] == dataset]
        table = Table(dataset)
        for row in columns:
            table.add_column(f"{row['colour']} {row['metric']}", justify="right")
        for index, anchor in enumerate(facts["anchors"]):
            figures = [row["percent"][index] for row in columns]
            if any(figure is not None for figure in figures):
                table.add_row(anchor, *("-" if figure is None else f"{figure:+.2f}" for figure in figures))
        Console().print(table)
