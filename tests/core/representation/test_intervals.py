"""The tree of references: what holds for every choice of keys, and one tree by hand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.representation.intervals import Intervals, default_keys


@st.composite
def structures(draw: st.DrawFn) -> Intervals:
    frames = draw(st.integers(1, 90))
    inner = draw(st.sets(st.integers(0, frames - 1), max_size=6))
    return Intervals(frames, tuple(sorted({0, frames - 1} | inner)))


def test_one_tree_by_hand():
    tree = Intervals(9, (0, 5, 8))
    # Keys 0 5 8; level 1: 2 (0, 5), 6 (5, 8); level 2: 1 (0, 2), 3 (2, 5), 7 (6, 8); level 3: 4 (3, 5).
    assert tree.frame == (0, 5, 8, 2, 6, 1, 3, 7, 4)
    assert tree.level == (0, 0, 0, 1, 1, 2, 2, 2, 3)
    assert tree.row_of == (0, 5, 3, 6, 8, 1, 4, 7, 2)
    assert tree.reference0 == (-1, 0, 1, 0, 1, 0, 3, 4, 6)
    assert tree.reference1 == (-1, 0, 1, 1, 2, 3, 1, 2, 1)
    assert tree.context == (-1, 0, 1, -1, -1, 3, 3, 4, 6)
    assert tree.position == (0, 0, 0, 2 / 5, 1 / 3, 1 / 2, 1 / 3, 1 / 2, 1 / 2)
    assert tree.levels == 4
    assert tree.rows_of_level(2) == slice(5, 8)
    assert tree.ancestors(8) == (0, 1, 3, 6, 8)
    assert tree.training_sets() == ((3, 5, 6, 8), (4, 7))
    assert tree.visit_share() == (0, 0, 0, *[0.5] * 6)


def test_context_is_the_reference_that_is_no_key():
    tree = Intervals(9, (0, 8))
    rows = {time: tree.frame[tree.context[row]] for time, row in enumerate(tree.row_of) if tree.level[row] > 1}
    assert rows == {2: 4, 6: 4, 1: 2, 3: 2, 5: 6, 7: 6}


@pytest.mark.parametrize("keys", [(0,), (0, 1), (0, 1, 2, 3)])
def test_keys_alone(keys: tuple[int, ...]):
    tree = Intervals(len(keys), keys)
    assert tree.frame == keys
    assert tree.levels == 1
    assert tree.training_sets() == ()
    assert tree.visit_share() == (0.0,) * len(keys)
    assert tree.ancestors(len(keys) - 1) == keys


@pytest.mark.parametrize("keys", [(), (0,), (1, 4), (0, 3), (0, 2, 2, 4), (0, 3, 1, 4), (0, 5)])
def test_keys_have_to_ascend_from_the_first_to_the_last_frame(keys: tuple[int, ...]):
    with pytest.raises(ValueError, match="ascend from 0 to 4"):
        Intervals(5, keys)


@given(st.integers(1, 200), st.integers(1, 40))
def test_default_keys(frames: int, interval: int):
    keys = default_keys(frames, interval)
    assert Intervals(frames, keys).keys == keys
    lengths = [b - a for a, b in pairwise(keys)]
    assert all(2 * length <= 3 * interval + 1 for length in lengths)
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(1, 40))
def test_scenes_get_the_keys_that_they_would_get_alone(lengths: list[int], interval: int):
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    alone = [
        start + key for start, length in zip(starts, lengths, strict=True) for key in default_keys(length, interval)
    ]
    assert default_keys(sum(lengths), interval, starts[1:]) == tuple(alone)


@given(structures())
def test_rows_are_the_frames_sorted_by_level_and_time(tree: Intervals):
    assert sorted(tree.frame) == list(range(tree.frames))
    assert list(zip(tree.level, tree.frame, strict=True)) == sorted(zip(tree.level, tree.frame, strict=True))
    assert all(tree.frame[row] == time for time, row in enumerate(tree.row_of))
    assert tree.frame[: len(tree.keys)] == tree.keys
    slices = [tree.rows_of_level(level) for level in range(tree.levels)]
    assert [row for rows in slices for row in range(tree.frames)[rows]] == list(range(tree.frames))


@given(structures())
def test_references_come_first_and_enclose_the_frame(tree: Intervals):
    for row, (first, second) in enumerate(zip(tree.reference0, tree.reference1, strict=True)):
        if tree.level[row] == 0:
            assert first == second == tree.context[row] == row - 1
            continue
        assert 0 <= first < row
        assert 0 <= second < row
        assert tree.frame[first] < tree.frame[row] < tree.frame[second]
        assert tree.level[row] == max(tree.level[first], tree.level[second]) + 1
        assert 0 < tree.position[row] < 1
        levels = {reference: tree.level[reference] for reference in (first, second)}
        if tree.context[row] < 0:
            assert set(levels.values()) == {0}
        else:
            assert levels[tree.context[row]] == max(levels.values()) > 0


@given(structures())
def test_sets_hold_every_frame_between_keys_and_what_it_needs(tree: Intervals):
    sets = tree.training_sets()
    between = set(range(len(tree.keys), tree.frames))
    assert set().union(*sets) == between
    for rows in sets:
        assert rows
        assert list(rows) == sorted(set(rows))
        assert all(set(tree.ancestors(row)) & between <= set(rows) for row in rows)
    share = tree.visit_share()
    assert all((share[row] > 0) == (row in between) for row in range(tree.frames))
    assert sum(share) * len(sets) == pytest.approx(sum(map(len, sets)))


def test_sets_of_a_long_interval_are_subtrees_of_three_levels():
    tree = Intervals(33, (0, 32))  # levels 1 to 5; subtrees of 7 frames of levels 3 to 5 below two ancestors
    sets = tree.training_sets()
    assert [len(rows) for rows in sets] == [9] * 4
    assert [sorted(tree.frame[row] for row in rows) for rows in sets[:2]] == [
        [*range(1, 8), 8, 16],
        [8, *range(9, 16), 16],
    ]
    assert tree.visit_share()[tree.row_of[16]] == 1
    assert tree.visit_share()[tree.row_of[8]] == 0.5
