"""`nvrc verify`: is a file intact, and does this machine render it as its encoder did?"""

from typing import TYPE_CHECKING

from nvrc_cli.options import AsJson, Device, NvrcFile, Quiet, Threads, Verbose
from nvrc_cli.progress import open_reporter
from nvrc_cli.terminal import one_line

if TYPE_CHECKING:
    from nvrc_core.verify import VerifyResult


def verify(
    source: NvrcFile,
    device: Device = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check every checksum, the symbols and the rendered pictures of a .nvrc file.

    Symbols have to match exactly; if not, the exit code is 5.
    Pictures may differ by rounding on other hardware, within a tolerance; if not, the exit code is 6.
    """
    with open_reporter(as_json=as_json, quiet=quiet, verbose=verbose) as report:
        from nvrc_core.verify import verify as run

        result = run(source, device=device, threads=threads, on_event=report)
    report.done([_summary(source, result)], vars(result))


def _summary(source: str, result: "VerifyResult") -> str:
    name = "standard input" if source == "-" else one_line(source)
    pixels = "pixels exact" if result.pixels_exact else f"pixels differ by at most {result.max_difference}, as they may"
    return f"{name}: good; {result.frames} frames, {result.segments} segment(s); symbols match, {pixels}"
