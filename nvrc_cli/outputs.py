"""May the output be written? Asked before any work starts, so that the answer comes at once."""

import os
import sys

from nvrc_cli.terminal import one_line, say
from nvrc_core.errors import UsageError
from nvrc_core.media.output import STDOUT, check_output, refuse_same_file


def check_target(source: str, target: str, *, yes: bool, no: bool, as_json: bool) -> bool:
    """Whether an existing `target` may be replaced; on a terminal, without -y and -n, its user is asked.

    Raises UsageError where the target cannot be written, may not be, or would mix with other output.
    """
    if yes and no:
        raise UsageError("-y and -n exclude each other")
    if target == STDOUT:
        _check_stdout(as_json)
        return False
    refuse_same_file(source, target)
    overwrite = yes
    if os.path.isfile(target) and not yes and not no and _can_ask(source):
        if not _ask(target):
            raise UsageError(f"output {target} exists and is kept")
        overwrite = True
    check_output(target, overwrite)
    return overwrite


def _check_stdout(as_json: bool) -> None:
    if as_json:
        raise UsageError("--json and -o - both need standard output: write the video to a file or a FIFO")
    if sys.stdout is None:
        raise UsageError("standard output is closed")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal: redirect it or name a file with -o")


def _can_ask(source: str) -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)) and source != STDOUT


def _ask(target: str) -> bool:
    say(f"output {one_line(target)} exists. Overwrite it? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
