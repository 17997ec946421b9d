from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from nvrc_core.config import EncodeConfig
from nvrc_core.errors import UsageError
from nvrc_core.evaluation.anchors.catalogue import parse_anchor
from nvrc_core.evaluation.bench.clip import video_files
from nvrc_core.evaluation.bench.suites import SUITES, choose_clips, suite_named

SUITE = replace(SUITES["pocket"], frames=(3, 6), pixels=(1, 64 * 64), clips=3)


def write_clip(folder, name, width, height, frames):
    path = folder / name
    with av.open(str(path), "w") as container:
        track = container.add_stream("ffv1", Fraction(25))
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        for _ in range(frames):
            picture = np.full((height * 3 // 2, width), 128, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        container.mux(track.encode(None))
    return path


def names(folder, suite=SUITE):
    return [path.name for path in choose_clips(suite, video_files([folder]))]


def test_the_sizes_are_spread_and_the_longest_of_a_size_stands_for_it(tmp_path):
    for name, side, frames in [("a", 16, 3), ("b", 16, 5), ("c", 32, 4), ("d", 48, 4), ("e", 64, 4), ("f", 64, 4)]:
        write_clip(tmp_path, f"{name}.mkv", side, side, frames)
    assert names(tmp_path) == ["b.mkv", "c.mkv", "e.mkv"]


def test_clips_of_other_shapes_and_other_files_are_passed_over(tmp_path):
    write_clip(tmp_path, "large.mkv", 80, 64, 4)
    write_clip(tmp_path, "short.mkv", 32, 32, 2)
    write_clip(tmp_path, "long.mkv", 32, 32, 7)
    write_clip(tmp_path, "right.mkv", 32, 32, 4)
    (tmp_path / "broken.mkv").write_bytes(b"no video")
    assert names(tmp_path) == ["right.mkv"]


def test_too_few_sizes_are_filled_up_with_the_longest(tmp_path):
    for name, frames in [("a", 3), ("b", 5), ("c", 4), ("d", 6)]:
        write_clip(tmp_path, f"{name}.mkv", 32, 32, frames)
    assert sorted(names(tmp_path)) == ["b.mkv", "c.mkv", "d.mkv"]


def test_a_folder_without_suitable_clips_is_refused(tmp_path):
    write_clip(tmp_path, "short.mkv", 32, 32, 2)
    with pytest.raises(UsageError, match="3 to 6 frames and 1 to 4096 luma samples"):
        names(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="folder without videos"):
        names(empty)


def test_an_unknown_suite_is_refused_by_name():
    with pytest.raises(UsageError, match="use one of pocket, studio"):
        suite_named("huge")


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_what_suites_ask_for_exists(suite):
    for preset in suite.presets:
        for bpp in suite.bpp:
            EncodeConfig(preset=preset, target_bpp=bpp)
    for anchor in suite.anchors:
        parse_anchor(anchor)
