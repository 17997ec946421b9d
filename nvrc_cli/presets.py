"""`nvrc presets`: the named trade-offs between time and quality."""

import typer

from nvrc_cli.json_output import emit
from nvrc_cli.options import AsJson


def presets(as_json: AsJson = False) -> None:
    """List the presets, fastest first."""
    from nvrc_core.presets import PRESETS

    if as_json:
        emit("done", presets=[{"name": preset.name, "summary": preset.summary} for preset in PRESETS.values()])
        return
    width = max(map(len, PRESETS))
    for preset in PRESETS.values():
        typer.echo(f"{preset.name:<{width}}  {preset.summary}")
