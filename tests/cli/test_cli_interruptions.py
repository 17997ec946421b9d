"""Ctrl-C, closed pipes, full disks and questions on a terminal: nothing half done is left behind."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_harness import PROGRAM

LONG = ["--preset", "veryslow", "--threads", "1"]


def wait_for(condition, what: str) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_the_fit_leaves_nothing(clip, tmp_path, number, code):
    command = [*PROGRAM, "encode", clip, "-o", tmp_path / "out.nvrc", "--json", *LONG]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while '"fit"' not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        process.send_signal(number)  # as a wrapper does that passes it on
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stderr == ("nvrc: interrupted\n" if code == 130 else "nvrc: terminated\n")
    assert f'"event": "error", "code": {code}' in stdout.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_signal_that_the_parent_ignores_stays_ignored(clip, tmp_path):
    output = tmp_path / "out.nvrc"
    command = [
        *PROGRAM,
        "encode",
        clip,
        "-o",
        output,
        "--frames",
        ":1",
        "--preset",
        "draft",
        "--threads",
        "1",
        "--json",
    ]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        assert "started" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.exists()


def test_a_reader_that_has_enough_ends_it_quietly(encoded):
    for arguments in (["decode", encoded.path, "-o", "-", "-q"], ["--help"], ["info", encoded.path, "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        outcome = subprocess.run([*PROGRAM, *arguments], stdout=writer, stderr=subprocess.PIPE, timeout=60)
        os.close(writer)
        assert (outcome.returncode, outcome.stderr) == (141, b""), arguments


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(nvrc, encoded, clip):
    with open("/dev/full", "wb") as full:
        for arguments in (
            ["decode", encoded.path, "-o", "-", "-q"],
            ["encode", clip, "-o", "-", "-q", "--frames", ":1", "--preset", "draft", "--threads", "1"],
            ["info", encoded.path],
            ["info", encoded.path, "--json"],
            ["--version"],
        ):
            outcome = nvrc(*arguments, stdout=full)
            assert outcome.returncode == 9, arguments
            assert outcome.stderr.count("\n") == 1
            assert outcome.stderr.startswith("nvrc: error: cannot write")


class Terminal:
    """The program with a terminal as its stdin and stderr."""

    def __init__(self, *arguments: object, stdout: int = subprocess.PIPE) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            stdin=slave,
            stdout=slave if stdout == subprocess.STDOUT else stdout,
            stderr=slave,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, words: str) -> None:
        wait_for(lambda: self._read() and words in self.shown, words)

    def write(self, text: str) -> None:
        os.write(self._master, text.encode())

    def finish(self) -> int:
        with self._process:
            while self._read():
                pass
            os.close(self._master)
        return self._process.returncode

    def _read(self) -> bool:
        try:
            piece = os.read(self._master, 4096)
        except OSError:  # how Linux tells that the other end is closed
            piece = b""
        self.shown += piece.decode()
        return bool(piece)


def test_on_a_terminal_it_asks_before_it_overwrites(encoded, tmp_path):
    output = tmp_path / "out.y4m"
    output.write_bytes(b"old")
    for answer in ("n", ""):
        terminal = Terminal("decode", encoded.path, "-o", output)
        terminal.read_until("exists. Overwrite it? [y/N]")
        terminal.write(answer + "\n")
        assert terminal.finish() == 2
        assert "exists and is kept" in terminal.shown
        assert output.read_bytes() == b"old"
    terminal = Terminal("decode", encoded.path, "-o", output)
    terminal.read_until("[y/N]")
    terminal.write("y\n")
    assert terminal.finish() == 0
    assert "decode, frame 12/12" in terminal.shown  # the bar's last state
    assert "12 frames of 48x32" in terminal.shown
    assert output.read_bytes() != b"old"


def test_ctrl_c_at_the_question(encoded, tmp_path):
    output = tmp_path / "out.y4m"
    output.write_bytes(b"old")
    terminal = Terminal("decode", encoded.path, "-o", output)
    terminal.read_until("[y/N]")
    terminal._process.send_signal(signal.SIGINT)
    assert terminal.finish() == 130
    assert output.read_bytes() == b"old"


def test_with_no_it_never_asks(encoded, tmp_path):
    output = tmp_path / "out.y4m"
    output.write_bytes(b"old")
    terminal = Terminal("decode", encoded.path, "-o", output, "-n")
    assert terminal.finish() == 2
    assert "overwrite it with -y" in terminal.shown


def test_a_payload_is_not_shown_on_a_terminal(encoded):
    terminal = Terminal("decode", encoded.path, "-o", "-", stdout=subprocess.STDOUT)
    assert terminal.finish() == 2
    assert "standard output is a terminal" in terminal.shown
