"""Which frames a frame is predicted from: a binary tree of bidirectional frames between keys (hierarchical B).

Frames are numbered by time, ROWS by coding order: frames sorted by (level, time). Grids of the representation are
stored and coded in row order, so that the frames of a level are neighbours and references always come first.
The structure: H. Schwarz, D. Marpe, T. Wiegand, "Analysis of Hierarchical B Pictures and MCTF", ICME 2006.
"""

from collections.abc import Iterable
from itertools import pairwise

NONE = -1
SUBTREE_LEVELS = 3
"""Levels of the subtrees that are trained in one step; the frames above them come along as ancestors."""

KEY_INTERVAL = 48


def default_keys(frames: int, interval: int = KEY_INTERVAL, cuts: Iterable[int] = ()) -> tuple[int, ...]:
    """Of each scene the first frame, the last, and as many between them that intervals are nearest to `interval` frames
    and even: a key costs as much in a short interval as in a long one. `cuts`: frames that begin another scene,
    ascending."""
    keys = set()
    for first, end in pairwise((0, *cuts, frames)):
        last = end - 1 - first
        intervals = max(1, round(last / interval))
        keys |= {first + round(index * last / intervals) for index in range(intervals + 1)}
    return tuple(sorted(keys))


class Intervals:
    """The references of `frames` frames with the given keys, as tuples with one entry a row.

    frame: its time. level: 0 for keys, and one more than the higher of its references for others.
    reference0, reference1: the rows that it is predicted from, the earlier frame first; for a key the key before it
        twice; -1: none.
    context: the row whose symbols predict its symbols, -1: none. For a key the key before it; for another frame its
        reference with the higher level, none where both are keys, whose symbols are of another kind. The other
        reference is one of the context row's own.
    context_is_first: of rows that are no keys, whether it is the earlier reference.
    position: where it lies between the times of its references, in (0, 1); 0 for keys.
    """

    def __init__(self, frames: int, keys: tuple[int, ...]) -> None:
        """`keys`: times in ascending order, the first frame and the last among them; ValueError otherwise."""
        ascending = all(before < after for before, after in pairwise(keys))
        if not (keys and keys[0] == 0 and keys[-1] == frames - 1 and ascending):
            raise ValueError(f"keys have to ascend from 0 to {frames - 1}, not {keys}")
        self.frames = frames
        self.keys = keys
        nodes = {key: (0, *[keys[index - 1] if index else NONE] * 2) for index, key in enumerate(keys)}
        for low, high in pairwise(keys):
            _divide(nodes, low, high, level=1)
        self.frame = tuple(sorted(nodes, key=lambda time: (nodes[time][0], time)))
        self.row_of = tuple(sorted(range(frames), key=self.frame.__getitem__))
        """The row of each frame, by time."""
        self.level = tuple(nodes[time][0] for time in self.frame)
        self.reference0, self.reference1 = (
            tuple(NONE if nodes[time][side] == NONE else self.row_of[nodes[time][side]] for time in self.frame)
            for side in (1, 2)
        )
        self.context = tuple(map(self._context, range(frames)))
        self.context_is_first = tuple(
            level > 0 and context == reference
            for level, context, reference in zip(self.level, self.context, self.reference0, strict=True)
        )
        self.position = tuple(map(self._position, range(frames)))
        self.levels = self.level[-1] + 1
        """The number of levels."""

    def rows_of_level(self, level: int) -> slice:
        """The rows of a level are neighbours."""
        first = self.level.index(level)
        return slice(first, first + self.level.count(level))

    def ancestors(self, row: int) -> tuple[int, ...]:
        """All rows that a frame needs, itself included, in coding order."""
        return self._closure([row])

    def _closure(self, rows: Iterable[int]) -> tuple[int, ...]:
        found: set[int] = set()
        waiting = list(rows)
        while waiting:
            row = waiting.pop()
            if row not in found and row != NONE:
                found.add(row)
                waiting += (self.reference0[row], self.reference1[row])
        return tuple(sorted(found))

    def _context(self, row: int) -> int:
        if self.level[row] == 0:
            return self.reference0[row]
        parent = max(self.reference0[row], self.reference1[row])  # the later row has the higher level
        return parent if self.level[parent] else NONE

    def _position(self, row: int) -> float:
        if self.level[row] == 0:
            return 0.0
        low, high = self.frame[self.reference0[row]], self.frame[self.reference1[row]]
        return (self.frame[row] - low) / (high - low)

    # -- training -----------------------------------------------------------------------------------------

    def training_sets(self) -> tuple[tuple[int, ...], ...]:
        """Sets of rows to be trained together, none of them keys; each in coding order and, with the keys, closed
        under references. A set is a subtree of the last levels with the frames above it, so that most references
        are computed for more than one frame; rows that no such subtree needs come with their ancestors alone."""
        sets = []
        root_level = max(1, self.levels - SUBTREE_LEVELS)
        for root in (row for row in range(self.frames) if self.level[row] == root_level):
            first, last = self.frame[self.reference0[root]], self.frame[self.reference1[root]]
            sets.append(self._closure(self.row_of[first + 1 : last]))
        covered = set().union(*sets)
        for row in reversed(range(len(self.keys), self.frames)):  # the deepest first: they bring the others along
            if row not in covered:
                sets.append(self._closure([row]))
                covered.update(sets[-1])
        return tuple(tuple(row for row in rows if self.level[row]) for rows in sets)

    def visit_share(self) -> tuple[float, ...]:
        """The share of the training sets that hold a row, by row; 0 for keys."""
        sets = self.training_sets()
        return tuple(sum(row in rows for rows in sets) / max(1, len(sets)) for row in range(self.frames))


def _divide(nodes: dict[int, tuple[int, int, int]], low: int, high: int, level: int) -> None:
    """Adds the frames between `low` and `high`: time -> (level, reference before, reference after)."""
    if high - low < 2:
        return
    middle = (low + high) // 2
    nodes[middle] = (level, low, high)
    _divide(nodes, low, middle, level + 1)
    _divide(nodes, middle, high, level + 1)
