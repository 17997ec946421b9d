"""The program as its users have it: a process with arguments, pipes and an exit code."""

import json
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from cli_harness import FRAMES, HEIGHT, PROGRAM, WIDTH

from nvrc_cli.main import main

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def nvrc() -> Run:
    """Runs the program to its end; `text=False` for binary pipes."""

    def run(*arguments: object, text: bool = True, **options: object) -> subprocess.CompletedProcess:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        if "input" in options:
            del options["stdin"]
        return subprocess.run([*PROGRAM, *map(str, arguments)], text=text, timeout=120, **options)

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Runs, in this process, what has to fail with `code`: one line on stderr, nothing on stdout. Returns the line."""

    def run(code: int, *arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == code
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("nvrc: error: ")
        assert said.err.count("\n") == 1
        return said.err.removeprefix("nvrc: error: ").strip()

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square on a slope, moving by a pixel a frame."""
    path = tmp_path_factory.mktemp("clip") / "square.mkv"
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    with av.open(str(path), "w") as container:
        track = container.add_stream("ffv1", Fraction(24))
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            picture[:HEIGHT] = 40 + 2 * rows + columns
            picture[8:20, 8 + index : 20 + index] = 200
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        container.mux(track.encode(None))
    return path


class Encoded(NamedTuple):
    """A finished encode: the file, what was printed as JSON, and what was said."""

    path: Path
    lines: list[dict]
    stderr: str


@pytest.fixture(scope="session")
def encoded(nvrc: Run, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """The clip as a file, made with `--json`."""
    path = tmp_path_factory.mktemp("encoded") / "square.nvrc"
    outcome = nvrc("encode", clip, "-o", path, "--preset", "draft", "--bpp", "1.5", "--threads", "1", "--json")
    assert outcome.returncode == 0, outcome.stderr
    return Encoded(path, [json.loads(line) for line in outcome.stdout.splitlines()], outcome.stderr)
