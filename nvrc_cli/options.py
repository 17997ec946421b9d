"""Options that several commands share, so that they look and work the same everywhere."""

import re
from fractions import Fraction
from typing import Annotated

import typer
from typer.models import OptionInfo

from nvrc_core.errors import UsageError


def flag(*names: str, help: str) -> OptionInfo:
    """A switch. The empty metavar keeps help from showing it as if it took a <bool>."""
    return typer.Option(*names, metavar="", help=help)


NvrcFile = Annotated[str, typer.Argument(metavar="FILE", help="A .nvrc file, or - for standard input.")]
Frames = Annotated[
    str,
    typer.Option(metavar="A:B", help="Frames A up to, not including, B. Either may be left out: 30: or :60."),
]
Device = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N; auto takes a GPU if there is one.")
]
Threads = Annotated[int | None, typer.Option(metavar="N", min=1, help="CPU threads.")]
Tune = Annotated[
    str, typer.Option(metavar="NAME", help="What to fit for: psnr, msssim; nvrc-s1 to nvrc-s4 also paper-rgb.")
]
Yes = Annotated[bool, flag("--yes", "-y", help="Overwrite an existing output.")]
No = Annotated[bool, flag("--no", "-n", help="Never overwrite and never ask.")]
AsJson = Annotated[bool, flag("--json", help="Print JSON to standard output, one object a line.")]
Quiet = Annotated[bool, flag("--quiet", "-q", help="Print errors only; with --json, the last object only.")]
Verbose = Annotated[bool, flag("--verbose", "-v", help="Report every second, line by line; trace internal errors.")]


def parse_size(text: str) -> tuple[int, int]:
    """Read "WxH". Raises UsageError."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text)
    if not match:
        raise UsageError(f"--size {text} is not of the form WxH, such as 1920x1080")
    return int(match[1]), int(match[2])


def parse_rate(text: str) -> Fraction:
    """Read frames per second: "25", "23.976" or "30000/1001". Raises UsageError."""
    # Without exponents: Fraction computes all digits of 1e999999999.
    try:
        rate = Fraction(text) if re.fullmatch(r"[0-9./]{1,20}", text) else None
    except (ValueError, ZeroDivisionError):
        rate = None
    if not rate:
        raise UsageError(f"--fps {text} is not a positive number or fraction, such as 25 or 30000/1001")
    return rate


def parse_raw(source: str, size: str | None, fps: str | None) -> tuple[tuple[int, int] | None, Fraction | None]:
    """What `--size` and `--fps` say of raw input. Raises UsageError where one is missing or malformed."""
    if (size is None) != (fps is None) or (size is None and source.lower().endswith(".yuv")):
        raise UsageError("--size WxH and --fps R describe raw .yuv input, which needs both")
    return (parse_size(size), parse_rate(fps)) if size and fps else (None, None)
