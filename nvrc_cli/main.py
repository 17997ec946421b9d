"""The `nvrc` program and its commands.

Neither this file nor the top of a command's may import torch or av: `--help` and `info` answer at once.
"""

import os
import sys
from typing import Annotated

import typer

from nvrc_cli import exit_codes
from nvrc_cli.bdrate import bdrate
from nvrc_cli.bench import bench
from nvrc_cli.decode import decode
from nvrc_cli.encode import encode
from nvrc_cli.failures import PROGRAM, drop_unwritable_output, report
from nvrc_cli.info import info
from nvrc_cli.interrupts import interrupts
from nvrc_cli.metrics import metrics
from nvrc_cli.presets import presets
from nvrc_cli.verify import verify
from nvrc_core.media.output import write_errors

COMPLETION_VARIABLE = "_NVRC_COMPLETE"  # set by a shell that wants a command line completed

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exit_codes.help_text(),
)
for command in (encode, decode, info, verify, presets, metrics, bench, bdrate):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from nvrc_formats.container import VERSION

        from nvrc_core import __version__

        typer.echo(f"{PROGRAM} {__version__} (file format {VERSION[0]}.{VERSION[1]})")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A video codec that fits a compressed neural representation to each video."""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code (see `exit_codes`)."""
    if COMPLETION_VARIABLE in os.environ:
        app(prog_name=PROGRAM)
    arguments = sys.argv[1:] if arguments is None else arguments
    # Read when torch loads: its idle threads otherwise spin, which costs several times the work as soon as anything
    # else wants the cores. A thousand turns are enough for the next operation of a fit to find them awake.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    with interrupts() as signals:
        try:
            _run(arguments)
        except (Exception, KeyboardInterrupt) as error:
            code = report(error, arguments, signals)
        else:
            code = 0
    drop_unwritable_output()
    return code


def _run(arguments: list[str]) -> None:
    # Not app(), which prints errors in boxes and exits with codes of its own.
    program = typer.main.get_command(app)
    try:
        with program.make_context(PROGRAM, list(arguments)) as context:
            program.invoke(context)
    except typer.Exit:
        pass  # how --help and --version end
    except SystemExit as end:
        if end.code == 1:  # how rich takes it that nobody reads its help or table any more
            raise BrokenPipeError from None
        raise
    if sys.stdout is not None:
        with write_errors("standard output"):
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
