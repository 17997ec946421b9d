"""`nvrc info` of motion-compensated wavelets: it decodes no symbol, so headers alone make its files."""

import json
from pathlib import Path

import pytest
from nvrc_formats.container import ContainerWriter
from nvrc_formats.header import (
    MotionWaveletShape,
    SegmentHeader,
    Settings,
    StreamHeader,
    pack_segment,
    pack_stream_header,
)
from nvrc_formats.video import VideoFormat

VIDEO = VideoFormat(40, 24)


def file_of(path: Path, keys: tuple[int, ...], preset: str = "fast", channels: int = 16) -> Path:
    with path.open("wb") as stream:
        writer = ContainerWriter(stream)
        writer.write_header(pack_stream_header(StreamHeader(VIDEO, "test", Settings(preset, 1.0))))
        header = SegmentHeader(0, keys[-1] + 1, (), MotionWaveletShape(keys, channels, 2, 32, True), bytes(8), bytes(8))
        writer.write_segment(pack_segment(header, b"not decoded"), header.frames)
        writer.finish()
    return path


def test_wavelets_as_json(nvrc, tmp_path):
    about = json.loads(nvrc("info", file_of(tmp_path / "a.nvrc", (0, 32, 48)), "--json").stdout)
    (segment,) = about["segments"]
    told = {"kind": "mcw7", "keys": [0, 32, 48], "channels": 16, "blocks": 2, "motion_cell": 32, "overlaps": True}
    assert segment["representation"] == told
    network = 18 * 16 + 2 * (9 * 16 + 4 * 16 * 16) + 54 * 16
    assert segment["parameters"] == 49 * (2 * 3 * 384 + 1 * 2 * 6) + 6 * 18 + network  # six levels have filters


@pytest.mark.parametrize(
    ("keys", "listed"),
    [
        ((0,), "1 of 1 frames: 0"),
        ((0, 32, 48), "3 of 49 frames, at most 32 apart: 0, 32, 48"),
        (tuple(range(20)), "20 of 20 frames, at most 1 apart: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ..."),
    ],
)
def test_wavelets_in_words(nvrc, tmp_path, keys, listed):
    lines = nvrc("info", file_of(tmp_path / "a.nvrc", keys)).stdout.splitlines()
    assert sum("mcw7" in line for line in lines) == 1
    assert f"  keys      {listed}" in lines
    assert "  network   16 channels, 2 blocks" in lines
    assert "  motion    cells of 32 samples, overlapping where it jumps" in lines


@pytest.mark.parametrize(
    ("preset", "channels", "why"),
    [
        ("fast", 8, ": the most of preset fast"),
        ("veryslow", 4, ": of at most 16, as weights may take 4% of the bits"),
        ("veryslow:msssim", 16, ": the most of preset veryslow"),
        ("of-another-version", 4, ""),
        ("nvrc-s1", 4, ""),
    ],
)
def test_the_size_of_the_network_is_explained(nvrc, tmp_path, preset, channels, why):
    path = file_of(tmp_path / "a.nvrc", (0, 8), preset, channels)
    assert f"  network   {channels} channels, 2 blocks{why}" in nvrc("info", path).stdout.splitlines()


def test_a_tune_stands_behind_the_preset(nvrc, tmp_path):
    path = file_of(tmp_path / "a.nvrc", (0, 8), "fast:msssim")
    about = json.loads(nvrc("info", path, "--json").stdout)
    assert (about["preset"], about["tune"]) == ("fast", "msssim")
    assert "preset fast, tune msssim, " in nvrc("info", path).stdout
