"""`nvrc metrics` as its users have it."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from cli_harness import FRAMES, HEIGHT, PROGRAM, WIDTH
from nvrc_formats.video import VideoFormat
from nvrc_formats.y4m import Y4mWriter

from nvrc_cli.main import main
from nvrc_core.media.source import open_source

PSNR = [f"psnr_{plane}{kind}" for plane in ("y", "u", "v", "yuv") for kind in ("", "_pooled")] + ["psnr_rgb"]
DONE = {"schema", "event", *PSNR, "rgb", "ms_ssim_y", "ms_ssim_rgb"}
DONE |= {"frames", "width", "height", "pixel_format", "device"}
ONE = ["--threads", "1", "--device", "cpu", "--json", "-q"]
RAW = ["--size", f"{WIDTH}x{HEIGHT}"]


def objects(text: str) -> list[dict]:
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


@pytest.fixture(scope="module")
def frames(clip) -> list:
    with open_source(clip) as source:
        return [frame.planes for frame in source]


@pytest.fixture(scope="module")
def y4m(frames, tmp_path_factory):
    """The clip as y4m."""
    path = tmp_path_factory.mktemp("y4m") / "square.y4m"
    with open(path, "wb") as stream:
        writer = Y4mWriter(stream, VideoFormat(WIDTH, HEIGHT))
        for planes in frames:
            writer.write(planes)
    return path


@pytest.fixture(scope="module")
def noisy(frames, tmp_path_factory):
    """The clip with an error of 1, 2 and 3 by turns in all samples, as raw planes."""
    path = tmp_path_factory.mktemp("raw") / "noisy.yuv"
    path.write_bytes(b"".join((p + (i % 3 + 1)).astype(np.uint8).tobytes() for i, f in enumerate(frames) for p in f))
    return path


def test_a_nvrc_file_scores_what_encode_reported(nvrc, clip, encoded):
    outcome = nvrc("metrics", clip, encoded.path, "--threads", 1, "--device", "cpu", "--json")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    *others, done = objects(outcome.stdout)
    assert {(line["event"], line["action"]) for line in others} == {("frames", "measure")}
    assert set(done) == DONE
    assert (done["event"], done["frames"], done["width"], done["height"]) == ("done", FRAMES, WIDTH, HEIGHT)
    assert (done["pixel_format"], done["rgb"], done["device"]) == ("yuv420p", "bt601-limited-nearest", "cpu (1 thread)")
    for name in ("psnr_y", "psnr_u", "psnr_v", "psnr_yuv"):
        assert done[name] == encoded.lines[-1][name]
    assert done["ms_ssim_y"] is done["ms_ssim_rgb"] is None  # too small


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs `nvrc metrics` in this process, with bytes (fewer than a pipe holds) on standard input."""

    def run(*arguments: object, stdin: bytes = b"", code: int = 0) -> str:
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(stdin)
        with os.fdopen(reading, "rb") as stream:
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
            assert main(["metrics", *map(str, arguments)]) == code
        return capsys.readouterr().out

    return run


def test_one_side_may_come_through_a_pipe(run, clip, encoded, y4m, noisy):
    expected = run(clip, encoded.path, *ONE)
    assert run(clip, "-", *ONE, stdin=encoded.path.read_bytes()) == expected
    for path in (clip, y4m):
        assert run("-", encoded.path, *ONE, stdin=path.read_bytes()) == expected
    from_file = run(clip, noisy, *RAW, *ONE)
    assert run(clip, "-", *RAW, *ONE, stdin=noisy.read_bytes()) == from_file
    # Of two inputs only the raw one has the size; what starts as y4m is no raw input.
    assert run("-", noisy, *RAW, *ONE, stdin=y4m.read_bytes()) == from_file


def test_the_decoder_as_a_pipe(nvrc, run, clip, encoded):
    with subprocess.Popen(
        [*PROGRAM, "decode", encoded.path, "-o", "-", "-q", "--threads", "1"], stdout=subprocess.PIPE
    ) as decoder:
        found = nvrc("metrics", clip, "-", *ONE, stdin=decoder.stdout).stdout
    assert found == run(clip, encoded.path, *ONE)


def test_known_errors_have_known_figures(run, clip, noisy):
    (done,) = objects(run(clip, noisy, *RAW, "--fps", "24", *ONE, "--per-frame"))
    decibels = [20 * np.log10(255 / (index % 3 + 1)) for index in range(FRAMES)]
    pooled = 10 * np.log10(255**2 / (14 / 3))
    for plane in ("y", "u", "v", "yuv"):
        assert done["per_frame"][f"psnr_{plane}"] == pytest.approx(decibels)
        assert done[f"psnr_{plane}"] == pytest.approx(np.mean(decibels))
        assert done[f"psnr_{plane}_pooled"] == pytest.approx(pooled)
    assert set(done["per_frame"]) == {"psnr_y", "psnr_u", "psnr_v", "psnr_yuv", "psnr_rgb"}
    assert len(done["per_frame"]["psnr_rgb"]) == FRAMES


def test_identical_pictures_score_the_cap_in_any_container(run, clip, y4m):
    done = objects(run(clip, y4m, "--json"))[-1]
    assert {done[name] for name in PSNR} == {100.0}


def test_the_table_is_for_people(run, clip, noisy):
    arguments = [clip, noisy, *RAW, "--rgb", "bt709-full-bicubic"]
    printed = run(*arguments, "--per-frame", "--frames", "3:6")
    for words in ("3 frames of 48x32 yuv420p", "PSNR-YUV", "PSNR-RGB (bt709-full-bicubic)", "42.9431 dB", "none"):
        assert words in printed
    *_, header, first, second, third = printed.splitlines()
    assert header.split() == ["frame", "psnr_y", "psnr_u", "psnr_v", "psnr_yuv", "psnr_rgb"]
    assert [line.split()[:2] for line in (first, second, third)] == [
        ["3", "48.130804"],
        ["4", "42.110204"],
        ["5", "38.588379"],
    ]
    assert run(*arguments, "-q") == ""


def test_the_gate_fails_with_its_own_code(run, nvrc, clip, noisy):
    arguments = [clip, noisy, *RAW, "--min-psnr"]
    assert run(*arguments, 42.9, "-q") == ""
    *_, figures, error = objects(run(*arguments, 43, "--json", code=8))
    assert (figures["event"], set(figures)) == ("figures", DONE)
    assert (error["event"], error["code"]) == ("error", 8)
    assert error["message"] == "PSNR-YUV is 42.9431 dB, below --min-psnr 43"
    assert [line["event"] for line in objects(run(*arguments, 43, "--json", "-q", code=8))] == ["error"]
    plain = nvrc("metrics", *arguments, 43)
    assert plain.returncode == 8
    assert "42.9431 dB" in plain.stdout
    assert plain.stderr.splitlines()[-1] == "nvrc: error: PSNR-YUV is 42.9431 dB, below --min-psnr 43"


def test_videos_that_cannot_be_compared(refused, clip, y4m, noisy, encoded, tmp_path):
    cut = tmp_path / "cut.yuv"
    cut.write_bytes(noisy.read_bytes()[: 11 * WIDTH * HEIGHT * 3 // 2])
    size = [*RAW, "-q"]
    line = refused(3, "metrics", clip, cut, *size)
    assert line.startswith(f"{clip} has 12 frames, {cut} has 11")
    line = refused(3, "metrics", clip, noisy, "--size", f"{WIDTH}x{HEIGHT // 2}", "-q")
    assert line.startswith(f"{clip} is 48x32 yuv420p, {noisy} is 48x16 yuv420p")
    line = refused(3, "metrics", encoded.path, noisy, *size, "--pix-fmt", "yuv444p")
    assert line.startswith(f"{encoded.path} is 48x32 yuv420p, {noisy} is 48x32 yuv444p")
    assert "sample of" in refused(3, "metrics", noisy, noisy, *size, "--pix-fmt", "yuv420p10le")
    assert "no frames in the range 12:" in refused(3, "metrics", clip, y4m, "--frames", "12:", "-q")


def test_wrong_files(refused, clip, encoded, tmp_path):
    assert refused(3, "metrics", clip, tmp_path / "absent.mkv", "-q").endswith("absent.mkv: no such file")
    text = tmp_path / "text.mkv"
    text.write_text("words, not pictures\n" * 20)
    assert "is not a video file" in refused(3, "metrics", text, clip, "-q")
    data = encoded.path.read_bytes()
    damaged = tmp_path / "damaged.nvrc"
    damaged.write_bytes(data[: len(data) // 2])
    assert refused(4, "metrics", encoded.path, damaged, "-q").startswith(f"{damaged}: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "-"], "only one of REF and DIST"),
        (["a.yuv", "b.mkv"], "raw .yuv input needs --size WxH"),
        (["a.mkv", "b.mkv", "--size", "4x4"], "--size is for raw input"),
        (["a.yuv", "b.mkv", "--size", "4"], "--size 4 is not of the form"),
        (["a.yuv", "b.mkv", "--size", "4x4", "--fps", "0"], "--fps 0 is not a positive number"),
        (["a.yuv", "b.mkv", "--size", "4x4", "--pix-fmt", "gray"], "--pix-fmt gray is none of yuv420p, "),
        (["a.mkv", "b.mkv", "--rgb", "bt709"], "unknown RGB conversion 'bt709'"),
        (["a.mkv", "b.mkv", "--frames", "4"], "frame range '4'"),
        (["a.mkv", "b.mkv", "--min-psnr", "nan"], "--min-psnr nan"),
    ],
)
def test_requests_that_make_no_sense(refused, arguments, words):
    assert words in refused(2, "metrics", *arguments)


def test_vmaf_without_a_program_is_refused(refused, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", "")
    assert "pip install 'nvrc[eval]'" in refused(9, "metrics", clip, clip, "--vmaf", "-q")
