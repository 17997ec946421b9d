"""Words for people, on stderr."""

import sys
from contextlib import suppress


def say(text: str, end: str = "\n") -> None:
    """Print to stderr at once. Where that fails nobody listens, which is no reason to give up the work."""
    if sys.stderr is not None:  # closed; print would take stdout instead
        with suppress(OSError):
            print(text, end=end, file=sys.stderr, flush=True)


def one_line(text: object) -> str:
    """Text on one line, with whatever a terminal would act on (a file's name may hold it) escaped."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)


def clock(seconds: float) -> str:
    """A duration for people: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
