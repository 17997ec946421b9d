"""How the program tells of a failure: one line on stderr, with `--json` an object on stdout, and an exit code."""

import os
import signal
import sys
import traceback
from contextlib import suppress
from itertools import pairwise

import typer

from nvrc_cli.exit_codes import INTERNAL_ERROR, OUTPUT_CLOSED, USAGE, exit_code
from nvrc_cli.json_output import emit
from nvrc_cli.terminal import one_line, say

PROGRAM = "nvrc"
DEBUG_VARIABLE = "NVRC_DEBUG"

# click's base class of all errors on a command line; typer exports it under no name of its own.
CommandLineError = typer.BadParameter.__base__


def report(error: BaseException, arguments: list[str], signals: list[int]) -> int:
    """Tell of a failure and return its exit code.

    The command line is looked at as it is, because it may be what is wrong. `signals`: the numbers of those received.
    """
    if isinstance(error, BrokenPipeError):
        return OUTPUT_CLOSED  # silently, as a process that SIGPIPE ends
    if type(error).__name__ == "NoArgsIsHelpError":
        return USAGE  # the help is the message, and it is already printed
    if isinstance(error, KeyboardInterrupt):
        number = signals[0] if signals else signal.SIGINT
        return _say("interrupted" if number == signal.SIGINT else "terminated", 128 + number, arguments)
    if isinstance(error, CommandLineError):
        return _say(f"error: {_command_line_message(error)}", USAGE, arguments)
    code = exit_code(error)
    if code != INTERNAL_ERROR:
        return _say(f"error: {_expected(error)}", code, arguments)
    if "-v" in arguments or "--verbose" in arguments or os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    return _say(f"internal error: {type(error).__name__}: {error}", code, arguments)


def drop_unwritable_output() -> None:
    """Forget what stdout could not take; the interpreter would complain of it when it ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str, code: int, arguments: list[str]) -> int:
    line = one_line(message)
    say(f"{PROGRAM}: {line}")
    if "--json" in arguments and not _names_stdout(arguments):
        with suppress(Exception):  # stdout may be what has failed
            emit("error", code=code, message=line.removeprefix("error: "))
    return code


def _expected(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"cannot write: {error.strerror}"
    return str(error) or "out of memory"  # a MemoryError has no words


def _names_stdout(arguments: list[str]) -> bool:
    """Whether the output is "-", so that stdout is not for JSON."""
    return ("-o", "-") in pairwise(arguments) or ("--output", "-") in pairwise(arguments) or "-o-" in arguments


def _command_line_message(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]} (try {path} --help)"
