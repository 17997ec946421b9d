"""VMAF (Netflix), measured by the library libvmaf inside an ffmpeg program.

Frames travel to ffmpeg in one pipe, the reference's and the other's by turns, and a filter deals them out: two pipes
could wait for each other. The model is named, so that the figure does not change with ffmpeg's default.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import ResourceError

MODEL = "vmaf_v0.6.1"
_LOG = "vmaf.json"
_ASK_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Vmaf:
    """`score`: the mean over frames, 0 to 100. `tool`: what measured it, in words. `per_frame`: float64 [T]."""

    score: float
    model: str
    tool: str
    per_frame: np.ndarray = field(repr=False, compare=False)


class VmafMeter:
    """Measures a clip frame by frame. A context manager: leaving it early ends the program that measures.

    Raises ResourceError where there is no ffmpeg with libvmaf.
    """

    def __init__(self, video: VideoFormat, threads: int = 1) -> None:
        self._video, self._threads = video, threads
        self._program = find_program()
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="nvrc-vmaf-"))
        self._folder = Path(folder)
        self._errors = self._cleanup.enter_context(tempfile.TemporaryFile())
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            cwd=folder,  # the log's path is an option of a filter, where a folder's name would need escapes
            start_new_session=True,  # an interrupt of the terminal is for us alone to act on
        )
        self._cleanup.callback(self._end)
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def update(self, reference_planes: Sequence[np.ndarray], test_planes: Sequence[np.ndarray]) -> None:
        """Add a frame: planes Y, U, V of each side. Raises ResourceError where the program has ended."""
        try:
            for plane in (*reference_planes, *test_planes):
                samples = plane if plane.dtype == np.uint8 else plane.astype("<u2", copy=False)
                self._process.stdin.write(np.ascontiguousarray(samples).data)
        except BrokenPipeError:
            raise self._failure() from None

    def result(self) -> Vmaf:
        """The score of everything so far; nothing can be added after it. Raises ResourceError where it failed."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._failure()
        log = json.loads((self._folder / _LOG).read_text())
        per_frame = np.array([frame["metrics"]["vmaf"] for frame in log["frames"]])
        tool = f"{_version(self._program)}, libvmaf {log['version']}"
        return Vmaf(float(per_frame.mean()), MODEL, tool, per_frame)

    def _command(self) -> list[str]:
        video = self._video
        vmaf = f"libvmaf=model=version={MODEL}:n_threads={self._threads}:log_fmt=json:log_path={_LOG}"
        deal = ";".join(
            f"[{side}]select=eq(mod(n\\,2)\\,{turn}),setpts=N[{name}]"
            for turn, (side, name) in enumerate((("a", "reference"), ("b", "test")))
        )
        source = ["-f", "rawvideo", "-pixel_format", video.pixel_format.name]
        source += ["-video_size", f"{video.width}x{video.height}", "-framerate", "25", "-i", "pipe:0"]
        graph = f"[0:v]split[a][b];{deal};[test][reference]{vmaf}"
        return [self._program, "-hide_banner", "-loglevel", "error", *source, "-lavfi", graph, "-f", "null", "-"]

    def _failure(self) -> ResourceError:
        self._end()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        # libvmaf crashes on pictures of 16x16 samples and less.
        silent = f"exit code {self._process.returncode}, as on pictures that are too small"
        said = next((line.strip() for line in lines if line.strip()), silent)
        return ResourceError(f"{self._program} could not measure VMAF: {said}")

    def _end(self) -> None:
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


def find_program() -> str:
    """The first ffmpeg of PATH that has libvmaf, else imageio_ffmpeg's. Raises ResourceError where there is none."""
    for program in _programs():
        if "libvmaf" in _ask(program, "-filters").split():
            return program
    raise ResourceError("VMAF needs an ffmpeg that has libvmaf, and none is on PATH: pip install 'nvrc[eval]'")


def _programs() -> Iterator[str]:
    for folder in os.get_exec_path():
        path = os.path.join(folder, "ffmpeg")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield path
    with suppress(ImportError, RuntimeError):  # not installed, or installed without a program for this machine
        from imageio_ffmpeg import get_ffmpeg_exe

        yield get_ffmpeg_exe()


def _version(program: str) -> str:
    """For example "ffmpeg 7.1"."""
    words = _ask(program, "-version").split()
    return f"ffmpeg {words[2]}" if words[:2] == ["ffmpeg", "version"] else "ffmpeg"


def _ask(program: str, question: str) -> str:
    """What a program prints; nothing where it does not run."""
    try:
        answer = subprocess.run(
            [program, "-hide_banner", question], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode(errors="replace")
