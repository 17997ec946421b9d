"""Signals that end the program, as an exception that lets every `with` and `finally` clean up."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REPEAT_S = 1.0


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Inside the block, Ctrl-C, termination and a closed terminal raise KeyboardInterrupt.

    Gives a list to which the number of each signal received is added. Signals that the parent process has us
    ignore (nohup, a background job) stay ignored.
    """
    received: list[int] = []
    last_s = -_REPEAT_S

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal last_s
        received.append(number)
        before_s, last_s = last_s, time.monotonic()
        # A wrapper may pass on the Ctrl-C that the terminal has sent to us too: it must not break off the clean-up.
        if last_s - before_s >= _REPEAT_S:
            raise KeyboardInterrupt

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    try:
        for number in handlers:
            signal.signal(number, interrupt)
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
