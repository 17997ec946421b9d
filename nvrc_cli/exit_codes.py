"""Exit codes: a contract with scripts, and which failure has which."""

import errno

from nvrc_formats.errors import FormatError, VideoFileError

from nvrc_core.errors import (
    MediaError,
    PixelDriftError,
    RegressionError,
    ResourceError,
    SymbolMismatchError,
    TargetMissedError,
    UsageError,
)

INTERNAL_ERROR = 1
USAGE = 2
RESOURCE = 9
INTERRUPTED = 130
OUTPUT_CLOSED = 141
TERMINATED = 143

MEANINGS = {
    0: "done",
    INTERNAL_ERROR: "internal error",
    USAGE: "usage, or an output that exists or cannot be written",
    3: "input media",
    4: "corrupt or unsupported .nvrc file",
    5: "symbols do not match",
    6: "pixels differ beyond the tolerance",
    7: "rate target missed, with --strict",
    8: "regression gate failed",
    RESOURCE: "device, memory or disk space",
    INTERRUPTED: "interrupted (Ctrl-C); in general, 128 + number of the signal that ended it",
    OUTPUT_CLOSED: "the output's reader closed it",
    TERMINATED: "terminated (SIGTERM)",
}

FAMILIES: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, USAGE),
    (MediaError, 3),
    (VideoFileError, 3),
    (FormatError, 4),
    (SymbolMismatchError, 5),
    (PixelDriftError, 6),
    (TargetMissedError, 7),
    (RegressionError, 8),
    (ResourceError, RESOURCE),
    (MemoryError, RESOURCE),
)

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def exit_code(error: BaseException) -> int:
    """The code of a failure; INTERNAL_ERROR for one that no user can act on."""
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return RESOURCE
    # By name, because the frameworks that raise it may not be imported here.
    if type(error).__name__ == "OutOfMemoryError":
        return RESOURCE
    return next((code for family, code in FAMILIES if isinstance(error, family)), INTERNAL_ERROR)


def help_text() -> str:
    """The table for `--help`."""
    return "\n".join(["Exit codes:", *(f"{code:>4}  {meaning}" for code, meaning in MEANINGS.items())])
