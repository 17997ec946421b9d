"""What the codec reports while it works: a live bar on a terminal, plain lines elsewhere, JSON, or nothing.

A reporter is a context manager and an `EventHandler`; `done` has the last word.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from nvrc_cli.json_output import emit
from nvrc_cli.terminal import clock, one_line, say
from nvrc_core.events import EncodeStarted, Event, FitProgress, FrameProgress, Notice, PointFinished, PointStarted

if TYPE_CHECKING:
    from rich.console import Console

LINES_EVERY_S = 5.0
VERBOSE_LINES_EVERY_S = 1.0
JSON_EVERY_S = 0.5


class Reporter:
    """Says nothing; the others build on it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""

    def __call__(self, event: Event) -> None:
        """Take one event."""

    def done(self, summary: list[str], figures: dict[str, Any]) -> None:
        """The work is complete: `summary` is for people, `figures` for programs."""


class JsonReporter(Reporter):
    """One object a line on stdout."""

    def __init__(self, quiet: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._pace = _Pace(JSON_EVERY_S, now)

    def __call__(self, event: Event) -> None:
        if not self._quiet and self._pace.is_due(event):
            name, fields = _as_json(event)
            emit(name, **fields)

    def done(self, summary: list[str], figures: dict[str, Any]) -> None:
        emit("done", **figures)


class LineReporter(Reporter):
    """Plain lines on stderr, for logs: at each change of stage and every few seconds."""

    def __init__(self, every_s: float = LINES_EVERY_S, now: Callable[[], float] = time.monotonic) -> None:
        self._pace = _Pace(every_s, now)

    def __call__(self, event: Event) -> None:
        if self._pace.is_due(event):
            say(_as_line(event))

    def done(self, summary: list[str], figures: dict[str, Any]) -> None:
        for line in summary:
            say(line)


class BarReporter(LineReporter):
    """A live bar on stderr; what should stay is printed above it."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        super().__init__()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            expand=True,
            transient=True,
            # Standard output may carry the video: nothing may stand in its place.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("starting", total=None, figures="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, FitProgress):
            self._show(event, event.step, event.steps, _fit_figures(event))
        elif isinstance(event, FrameProgress):
            self._show(event, event.done, event.total, "")
        else:
            self._bar.console.print(_as_line(event), markup=False, highlight=False, soft_wrap=True)

    def _show(self, event: FitProgress | FrameProgress, done: int, total: int | None, figures: str) -> None:
        # Set apart, because `update` takes a total of None (a pulsing bar) for "unchanged".
        self._bar.tasks[0].total = total
        self._bar.update(self._task, description=_stage(event), completed=done, figures=figures)


def open_reporter(*, as_json: bool, quiet: bool, verbose: bool) -> Reporter:
    """The reporter that fits the options and what stderr is."""
    if as_json:
        return JsonReporter(quiet)
    if quiet:
        return Reporter()
    if verbose:
        return LineReporter(VERBOSE_LINES_EVERY_S)
    from rich.console import Console

    console = Console(stderr=True)
    return BarReporter(console) if console.is_interactive else LineReporter()


class _Pace:
    """Thins out progress: a stage's first and last report pass, those between only every `every_s` seconds."""

    def __init__(self, every_s: float, now: Callable[[], float]) -> None:
        self._every_s, self._now = every_s, now
        self._stage: str | None = None
        self._last_s = -math.inf

    def is_due(self, event: Event) -> bool:
        if isinstance(event, FitProgress):
            stage, is_last = event.phase, event.step == event.steps
        elif isinstance(event, FrameProgress):
            stage, is_last = event.action, event.done == event.total
        else:
            return True
        now_s = self._now()
        if stage == self._stage and not is_last and now_s - self._last_s < self._every_s:
            return False
        self._stage, self._last_s = stage, now_s
        return True


def _as_line(event: Event) -> str:
    if isinstance(event, EncodeStarted):
        return (
            f"{event.width}x{event.height}, {event.frames} frames; preset {event.preset} on {event.device}: "
            f"{event.parameters:,} parameters, {event.mac_per_pixel:,.0f} MAC/pixel, {event.steps:,} steps"
        )
    if isinstance(event, Notice):
        return f"note: {one_line(event.message)}"
    if isinstance(event, PointStarted):
        return f"point {event.number}/{event.total}: {one_line(event.label)}"
    if isinstance(event, PointFinished):
        return _point_line(event.point)
    figures = f": {_fit_figures(event)}" if isinstance(event, FitProgress) else ""
    return f"{_stage(event)}{figures}"


def _point_line(point: dict[str, Any]) -> str:
    seconds = f"{point['encode_s']:.1f} s"
    return f"  {point['bpp']:.4f} bpp, PSNR-Y {point['psnr_y']:.2f} dB, PSNR-YUV {point['psnr_yuv']:.2f} dB; {seconds}"


def _stage(event: FitProgress | FrameProgress) -> str:
    if isinstance(event, FitProgress):
        return f"{event.phase}, step {event.step}/{event.steps}"
    return f"{event.action}, frame {event.done}" + (f"/{event.total}" if event.total else "")


def _fit_figures(event: FitProgress) -> str:
    return f"{event.psnr_yuv_db:.2f} dB, {event.bpp:.4f} bpp, {clock(event.remaining_s)} left"


def _as_json(event: Event) -> tuple[str, dict[str, Any]]:
    if isinstance(event, FitProgress):
        return "fit", {
            "phase": event.phase,
            "step": event.step,
            "steps": event.steps,
            "psnr_yuv": event.psnr_yuv_db,
            "bpp": event.bpp,
            "lambda": event.quality_weight,
            "elapsed_s": event.elapsed_s,
            "remaining_s": event.remaining_s,
        }
    names = {
        EncodeStarted: "started",
        FrameProgress: "frames",
        Notice: "notice",
        PointStarted: "point_started",
        PointFinished: "point",
    }
    return names[type(event)], vars(event)
