"""`nvrc decode`: a .nvrc file becomes a video again."""

from typing import TYPE_CHECKING, Annotated

import typer

from nvrc_cli.options import AsJson, Device, Frames, No, NvrcFile, Quiet, Threads, Verbose, Yes
from nvrc_cli.outputs import check_target
from nvrc_cli.progress import open_reporter
from nvrc_cli.terminal import one_line

if TYPE_CHECKING:
    from nvrc_core.decode import DecodeResult


def decode(
    source: NvrcFile,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="OUT", help="A .y4m, .yuv, .mkv (lossless) or .mp4 file, or - for y4m on a pipe."
        ),
    ],
    frames: Frames = ":",
    device: Device = "auto",
    threads: Threads = None,
    yes: Yes = False,
    no: No = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Decode a .nvrc file to a video; its suffix chooses the kind."""
    overwrite = check_target(source, output, yes=yes, no=no, as_json=as_json)

    from nvrc_core.media.selection import FrameRange

    wanted = FrameRange.parse(frames)
    with open_reporter(as_json=as_json, quiet=quiet, verbose=verbose) as report:
        from nvrc_core.decode import decode as run

        result = run(
            source, output, frames=wanted, device=device, threads=threads, overwrite=overwrite, on_event=report
        )
    report.done([_summary(output, result)], vars(result))


def _summary(output: str, result: "DecodeResult") -> str:
    name = "standard output" if output == "-" else one_line(output)
    pace = f" ({result.frames / result.decode_s:.1f} frames/s)" if result.decode_s > 0 else ""
    return f"{name}: {result.frames} frames of {result.width}x{result.height} in {result.decode_s:.1f} s{pace}"
