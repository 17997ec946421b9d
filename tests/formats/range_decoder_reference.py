"""A decoder of the range coder's words in plain integers: an oracle that shares no code with the coder under test.

Words of 32 bits, a state of 64, probabilities of 24. All arithmetic is modulo 2**64 where it says so.
"""

from bisect import bisect_right
from collections.abc import Sequence

WORD_BITS, STATE_BITS, PRECISION = 32, 64, 24
STATE_MASK = (1 << STATE_BITS) - 1
SMALLEST_RANGE = 1 << (STATE_BITS - WORD_BITS)
ESCAPE_BYTES = 3


def left_edges(cumulative: Sequence[int]) -> list[int]:
    """Edges [K + 1] in 2**-24 of K entries whose cumulative counts run from 0 to 2**16."""
    entries = len(cumulative) - 1
    edges = [(count * ((1 << PRECISION) - entries) >> 16) + i for i, count in enumerate(cumulative)]
    assert edges[-1] == 1 << PRECISION
    return edges


BYTE_EDGES = left_edges([256 * i for i in range(257)])


class ReferenceDecoder:
    """Decodes entries one by one."""

    def __init__(self, data: bytes) -> None:
        self._words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self._next = 0
        self._low, self._range = 0, STATE_MASK
        self._point = self._word() << WORD_BITS | self._word()

    def _word(self) -> int:
        """The next word; zeros follow the last one."""
        self._next += 1
        return self._words[self._next - 1] if self._next <= len(self._words) else 0

    def entry(self, edges: Sequence[int]) -> int:
        """The next entry under these edges. Raises ValueError for words that no encoder writes."""
        scale = self._range >> PRECISION
        quantile = ((self._point - self._low) & STATE_MASK) // scale
        if quantile >> PRECISION:
            raise ValueError("no such quantile")
        entry = bisect_right(edges, quantile) - 1
        self._low = (self._low + scale * edges[entry]) & STATE_MASK
        self._range = scale * (edges[entry + 1] - edges[entry])
        if self._range < SMALLEST_RANGE:
            self._low = self._low << WORD_BITS & STATE_MASK
            self._range <<= WORD_BITS
            self._point = (self._point << WORD_BITS | self._word()) & STATE_MASK
        return entry

    def batch(self, tables: Sequence[int], cumulative: dict[int, Sequence[int]]) -> list[int]:
        """Residuals of a batch: table by table in ascending order, then the escapes in array order."""
        residuals: list[int | None] = [None] * len(tables)
        for table in sorted(set(tables)):
            edges = left_edges(cumulative[table])
            escape = len(edges) - 2
            radius = (escape - 2) // 2
            for position in (i for i, other in enumerate(tables) if other == table):
                entry = self.entry(edges)
                residuals[position] = None if entry == escape else entry - radius
        for position, residual in enumerate(residuals):
            if residual is None:
                value = sum(self.entry(BYTE_EDGES) << 8 * i for i in range(ESCAPE_BYTES))
                residuals[position] = value - (1 << (8 * ESCAPE_BYTES - 1))
        return residuals

    def finished(self) -> bool:
        """Whether all words were used, and no symbol is left in the state."""
        distance = (self._point - self._low) & STATE_MASK
        return self._next >= len(self._words) and (self._range == STATE_MASK or distance < 2 * SMALLEST_RANGE - 1)
