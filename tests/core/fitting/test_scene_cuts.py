"""Cuts are found where scenes begin, and neither motion nor light makes one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.fitting.scene_cuts import scene_cuts

HEIGHT, WIDTH = 24, 40


def scene(seed: int, frames: int, peak: int = 255) -> np.ndarray:
    """A pan of one sample a frame over blocks of noise: [T, H, W]."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, peak + 1, (HEIGHT // 8, (WIDTH + frames) // 8 + 1))
    wide = blocks.repeat(8, 0).repeat(8, 1)
    return np.stack([wide[:, shift : shift + WIDTH] for shift in range(frames)]).astype(np.uint16)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=5), st.sampled_from([255, 1023]), st.integers(0, 1000))
def test_every_scene_of_two_frames_and_more_is_found(lengths: list[int], peak: int, seed: int):
    luma = np.concatenate([scene(seed + number, length, peak) for number, length in enumerate(lengths)])
    assert scene_cuts(luma, peak) == tuple(np.cumsum(lengths)[:-1].tolist())


def test_samples_are_no_smaller_than_their_differences():
    luma = np.concatenate([np.full((3, 8, 8), value, np.uint8) for value in (250, 5)])
    assert scene_cuts(luma, 255) == (3,)


def test_a_flash_is_no_scene():
    luma = scene(0, 9)
    luma[4] = 255
    assert scene_cuts(luma, 255) == ()


def test_fast_motion_that_goes_on_is_no_scene():
    assert scene_cuts(scene(0, 90)[::9], 255) == ()


def test_a_fade_is_no_scene():
    luma = (scene(0, 1) * np.linspace(0, 1, 9).reshape(-1, 1, 1)).astype(np.uint8)
    assert scene_cuts(luma, 255) == ()


@pytest.mark.parametrize("lengths", [(1,), (2,), (1, 1), (1, 5), (5, 1)])
def test_a_single_frame_is_no_scene(lengths: tuple[int, ...]):
    assert scene_cuts(np.concatenate([scene(seed, length) for seed, length in enumerate(lengths)]), 255) == ()
