"""Motion that goes on, against the specification (11.6) and against motion that is known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.representation.inherited_motion import with_inherited
from nvrc_core.representation.intervals import NONE, Intervals, default_keys

HEIGHT, WIDTH, CHANNELS = 2, 3, 6
UNEVEN = Intervals(13, (0, 1, 3, 10, 12))


def random_motion(frames: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-40, 41, (frames, HEIGHT, WIDTH, CHANNELS), generator=generator) / 4


def all_rows(intervals: Intervals) -> torch.Tensor:
    return torch.arange(intervals.frames)


def as_specified(coded: torch.Tensor, share: float, intervals: Intervals) -> torch.Tensor:
    motion = coded.clone()
    for row in range(intervals.frames):
        if intervals.level[row] < 2:
            continue
        context, position = motion[intervals.context[row]], intervals.position[row]
        if intervals.context[row] == intervals.reference0[row]:
            moved = context[..., 2:4]
        else:
            assert intervals.context[row] == intervals.reference1[row]
            moved = -context[..., 0:2]
        motion[row, ..., 0:2] -= share * position * moved
        motion[row, ..., 2:4] += share * (1 - position) * moved
    return motion


@pytest.mark.parametrize("share", [0.0, 0.375, 1.0])
def test_motion_is_what_the_specification_says(share: float):
    coded = random_motion(UNEVEN.frames)
    motion = with_inherited(coded, share, all_rows(UNEVEN), UNEVEN)
    assert torch.allclose(motion, as_specified(coded, share, UNEVEN), atol=1e-5)


def test_nothing_of_an_even_movement_is_coded():
    """Past the first level between keys, which has nobody to learn it from."""
    intervals, speed = Intervals(34, (0, 20, 33)), torch.tensor([1.5, -0.75])
    motion = torch.zeros(intervals.frames, HEIGHT, WIDTH, CHANNELS)
    for row, frame in enumerate(intervals.frame):
        for side, reference in enumerate((intervals.reference0[row], intervals.reference1[row])):
            if reference != NONE:
                motion[row, ..., 2 * side : 2 * side + 2] = speed * (intervals.frame[reference] - frame)
    coded = motion.clone()
    coded[intervals.rows_of_level(2).start :] = 0
    assert torch.allclose(with_inherited(coded, 1.0, all_rows(intervals), intervals), motion, atol=1e-5)


@given(st.integers(1, 40), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_masks_and_fades_and_early_motion_are_all_coded(frames: int, eighths: int, seed: int):
    intervals = Intervals(frames, default_keys(frames, 12))
    coded, rows = random_motion(frames, seed), all_rows(intervals)
    motion = with_inherited(coded, eighths / 8, rows, intervals)
    assert torch.equal(motion[..., 4:], coded[..., 4:])
    early = [row for row in range(frames) if intervals.level[row] < 2]
    assert torch.equal(motion[early], coded[early])


def test_rows_that_hold_their_context_rows_are_enough():
    coded = random_motion(UNEVEN.frames)
    whole = with_inherited(coded, 1.0, all_rows(UNEVEN), UNEVEN)
    for row in all_rows(UNEVEN).tolist():
        rows = torch.tensor(UNEVEN.ancestors(row))
        assert torch.equal(with_inherited(coded[rows], 1.0, rows, UNEVEN), whole[rows])


def test_gradients_reach_those_that_are_inherited_from():
    intervals = Intervals(9, (0, 8))
    coded = random_motion(9).requires_grad_()
    motion = with_inherited(coded, 1.0, all_rows(intervals), intervals)
    (gradient,) = torch.autograd.grad(motion[intervals.row_of[1], ..., 0].sum(), coded)
    reached = {row for row in range(9) if gradient[row].abs().sum() > 0}
    assert reached == {intervals.row_of[frame] for frame in (1, 2, 4)}
