"""The loop of a bench: every point that is not there yet, in order, each written down as soon as it is made."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import AsyncResult
from typing import Any

from nvrc_core.evaluation.bench.anchor import AnchorTask
from nvrc_core.evaluation.bench.fit import FitTask
from nvrc_core.evaluation.bench.plan import Task
from nvrc_core.evaluation.bench.results import Results
from nvrc_core.events import Event, EventHandler, Notice, PointFinished, PointStarted

CORES_AN_ANCHOR = 2  # what an encoder's threads keep busy
MOST_WORKERS = 6


class _TimeUp(Exception):
    """The deadline has passed."""


def run(tasks: Sequence[Task], results: Results, on_event: EventHandler, minutes: float | None = None) -> bool:
    """Makes the points of `tasks` (the plan of `results`) that are missing; whether all of them are there.

    After `minutes` it stops at once: the point at work is given up, all others are in the file. Where nvrc fits on a
    GPU, other encoders work beside it on the processor; else one point at a time, for the sake of the times. Raises
    whatever a point raises; the points before it are safe.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def watch(event: Event) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise _TimeUp
        on_event(event)

    def finish(index: int, figures: dict[str, Any]) -> None:
        results.add(index, figures)
        on_event(PointFinished(len(results), len(tasks), tasks[index].identity | figures))

    missing = [index for index in range(len(tasks)) if index not in results]
    if len(missing) < len(tasks):
        on_event(Notice(f"{len(tasks) - len(missing)} of {len(tasks)} points are there already"))
    elsewhere = [i for i in missing if isinstance(tasks[i], AnchorTask)] if _fits_on_gpu(tasks) else []
    try:
        with _workers(len(elsewhere)) as start:
            pending = {index: start(tasks[index]) for index in elsewhere}
            for index in (i for i in missing if i not in pending):
                watch(PointStarted(len(results) + 1, len(tasks), tasks[index].label))
                finish(index, tasks[index].run(watch))
                for ready in [i for i, outcome in pending.items() if outcome.ready()]:
                    finish(ready, pending.pop(ready).get())
            for index, outcome in pending.items():
                watch(PointStarted(len(results) + 1, len(tasks), tasks[index].label))
                finish(index, _wait(outcome, deadline))
    except _TimeUp:
        on_event(Notice(f"time is up: {len(results)} of {len(tasks)} points are made; the same command goes on"))
        return False
    return True


def _fits_on_gpu(tasks: Sequence[Task]) -> bool:
    return any(isinstance(task, FitTask) and task.identity["device"].startswith("cuda") for task in tasks)


@contextmanager
def _workers(wanted: int) -> Iterator[Any]:
    """Gives a function that starts a task in another process; what still runs at the end of the block is ended."""
    if not wanted:
        yield None
        return
    count = max(1, min(wanted, MOST_WORKERS, (os.cpu_count() or 1) // CORES_AN_ANCHOR))
    # Ctrl-C is for the parent, which then ends its workers.
    with multiprocessing.get_context("spawn").Pool(count, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield lambda task: pool.apply_async(task.run)


def _wait(outcome: AsyncResult, deadline: float | None) -> dict[str, Any]:
    try:
        return outcome.get(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except multiprocessing.TimeoutError:
        raise _TimeUp from None
