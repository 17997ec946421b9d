"""The renderers, fed with events by hand."""

import io
import json

import pytest
from rich.console import Console

from nvrc_cli.progress import BarReporter, JsonReporter, LineReporter, Reporter, open_reporter
from nvrc_core.events import EncodeStarted, FitProgress, FrameProgress, Notice

STARTED = EncodeStarted(64, 48, 12, "draft", "psnr", "cpu", 12345, 678.9, 100, 0.1)


def fit(step: int, phase: str = "stage 1", psnr_db: float = 31.234) -> FitProgress:
    return FitProgress(phase, step, 100, psnr_db, 0.1, 500.0, float(step), 100.0 - step)


class Clock:
    """Time that passes by `step_s` a look."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def test_lines_come_at_stage_changes_and_every_few_seconds(capsys):
    report = LineReporter(every_s=5, now=Clock(1))
    report(Notice("odd\nthing"))
    report(STARTED)
    for step in range(1, 11):
        report(fit(step))
    report(fit(11, "stage 2"))
    for step in (98, 99, 100):
        report(fit(step, "stage 2"))
    report(FrameProgress("verify", 1, None))
    report.done(["good"], {})
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "note: odd thing",
        "64x48, 12 frames; preset draft on cpu: 12,345 parameters, 679 MAC/pixel, 100 steps",
        "stage 1, step 1/100: 31.23 dB, 0.1000 bpp, 1:39 left",
        "stage 1, step 6/100: 31.23 dB, 0.1000 bpp, 1:34 left",
        "stage 2, step 11/100: 31.23 dB, 0.1000 bpp, 1:29 left",
        "stage 2, step 100/100: 31.23 dB, 0.1000 bpp, 0:00 left",
        "verify, frame 1",
        "good",
    ]


def test_json_is_one_object_a_line(capsys):
    report = JsonReporter(now=Clock(1))
    for event in (Notice("x"), STARTED, fit(1, psnr_db=float("inf")), FrameProgress("decode", 1, None)):
        report(event)
    report.done(["words"], {"bytes": 5, "psnr_y": float("nan"), "parts": {"a": 0.5}})
    said = capsys.readouterr()
    assert said.err == ""
    objects = [json.loads(line) for line in said.out.splitlines()]
    assert all(found["schema"] == 1 for found in objects)
    assert [found["event"] for found in objects] == ["notice", "started", "fit", "frames", "done"]
    assert objects[1]["target_bpp"] == 0.1
    assert objects[2] == {
        "schema": 1,
        "event": "fit",
        "phase": "stage 1",
        "step": 1,
        "steps": 100,
        "psnr_yuv": None,
        "bpp": 0.1,
        "lambda": 500.0,
        "elapsed_s": 1.0,
        "remaining_s": 99.0,
    }
    assert objects[3] == {"schema": 1, "event": "frames", "action": "decode", "done": 1, "total": None}
    assert objects[4] == {"schema": 1, "event": "done", "bytes": 5, "psnr_y": None, "parts": {"a": 0.5}}


def test_quiet_json_has_the_last_word_only(capsys):
    report = JsonReporter(quiet=True)
    report(STARTED)
    report.done([], {"bytes": 5})
    assert json.loads(capsys.readouterr().out)["event"] == "done"


def test_the_bar_shows_the_fit_and_leaves_the_summary(capsys):
    screen = io.StringIO()
    with BarReporter(Console(file=screen, force_terminal=True, width=80)) as report:
        report(STARTED)
        report(Notice("a [bold]name[/bold]"))
        report(fit(50))
        report._bar.refresh()
        report(FrameProgress("measure", 3, 12))
        report._bar.refresh()
        report(FrameProgress("verify", 4, None))
        report._bar.refresh()
    report.done(["out.nvrc: 5 bytes"], {})
    shown = screen.getvalue()
    for words in ("12,345 parameters", "note: a [bold]name[/bold]", "stage 1, step 50/100", "31.23 dB, 0.1000 bpp"):
        assert words in shown
    assert "measure, frame 3/12" in shown
    assert "verify, frame 4" in shown
    assert capsys.readouterr() == ("", "out.nvrc: 5 bytes\n")


@pytest.mark.parametrize("width", [20, 40, 200])
def test_the_bar_fits_any_terminal(width):
    screen = io.StringIO()
    with BarReporter(Console(file=screen, force_terminal=True, width=width)) as report:
        report(fit(50))


def test_options_choose_the_reporter():
    def chosen(*, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> type:
        return type(open_reporter(as_json=as_json, quiet=quiet, verbose=verbose))

    assert chosen(as_json=True) is JsonReporter
    assert chosen(quiet=True) is Reporter
    assert chosen() is chosen(verbose=True) is LineReporter


def test_silence_is_silent(capsys):
    with Reporter() as report:
        report(STARTED)
    report.done(["words"], {"bytes": 5})
    assert capsys.readouterr() == ("", "")
