"""The loop of a bench: every point that is not there yet, in order, each written down as soon as it is made."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from nvrc_core.errors import ResourceError
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

    After `minutes` a fit at work is given up; another encoder that has begun on this processor ends its point. Where
    nvrc fits on a GPU, other encoders work beside it; else one point at a time, for the sake of the times. Raises
    whatever a point raises; the points before it are safe.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    beside: dict[Future, int] = {}

    def watch(event: Event) -> None:
        for future in [future for future in beside if future.done() and not future.exception()]:
            finish_beside(future)  # at once: whatever ends the fit, the point is safe
        if deadline is not None and time.monotonic() > deadline:
            raise _TimeUp
        on_event(event)

    def begin(index: int) -> PointStarted:
        return PointStarted(len(results) + 1, len(tasks), tasks[index].label)

    def finish(index: int, figures: dict[str, Any]) -> None:
        results.add(index, figures)
        on_event(PointFinished(len(results), len(tasks), tasks[index].identity | figures))

    def finish_beside(future: Future) -> None:
        index = beside.pop(future)
        on_event(begin(index))
        finish(index, _outcome(future, tasks[index]))

    missing = [index for index in range(len(tasks)) if index not in results]
    if len(missing) < len(tasks):
        on_event(Notice(f"{len(tasks) - len(missing)} of {len(tasks)} points are there already"))
    elsewhere = [i for i in missing if isinstance(tasks[i], AnchorTask)] if _fits_on_gpu(tasks) else []
    try:
        with _workers(len(elsewhere)) as start:
            beside |= {start(tasks[index]): index for index in elsewhere}
            for index in (i for i in missing if i not in elsewhere):
                watch(begin(index))
                finish(index, tasks[index].run(watch))
            if beside:
                watch(Notice(f"{len(beside)} points of other encoders are still at work"))
            for future in _as_completed([*beside], deadline):
                finish_beside(future)
    except _TimeUp:
        on_event(
            Notice(
                f"time is up: {len(results)} of {len(tasks)} points are made; "
                "the same command goes on (-y for its reports)"
            )
        )
        return False
    return True


def _fits_on_gpu(tasks: Sequence[Task]) -> bool:
    return any(isinstance(task, FitTask) and task.identity["device"].startswith("cuda") for task in tasks)


@contextmanager
def _workers(wanted: int) -> Iterator[Callable[[AnchorTask], Future] | None]:
    """Gives a function that starts a task in another process; what still runs at the end of the block is ended."""
    if not wanted:
        yield None
        return
    count = max(1, min(wanted, MOST_WORKERS, (os.cpu_count() or 1) // CORES_AN_ANCHOR))
    others = multiprocessing.active_children()
    # Ctrl-C is for the parent, which then ends its workers.
    with ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        try:
            yield lambda task: pool.submit(task.run)
        finally:
            for worker in multiprocessing.active_children():
                if worker not in others:
                    worker.terminate()


def _outcome(future: Future, task: Task) -> dict[str, Any]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise ResourceError(f"a process beside the fits was killed, at the latest at {task.label}") from error


def _as_completed(futures: Sequence[Future], deadline: float | None) -> Iterator[Future]:
    try:
        yield from as_completed(futures, None if deadline is None else max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        raise _TimeUp from None
