"""Integers and table indices in, bytes out, and back (SPEC section 6.1). The only module that knows constriction.

A call codes a batch: its residuals are taken table by table in ascending table index (in array order within a
table), then the escapes of the batch follow in array order. Batching is part of the format: a reader must make
the same calls.
"""

from collections.abc import Iterator
from functools import lru_cache

import constriction
import numpy as np

from nvrc_formats.errors import PayloadError
from nvrc_formats.limits import MAX_SYMBOL
from nvrc_formats.tables import ESCAPE_BYTES, TABLES, TOTAL, cumulative_counts, radius_of


def _model(counts: np.ndarray) -> constriction.stream.model.Categorical:
    # float64 and perfect=False fix the words: an entry's left edge becomes exactly
    # floor(C_i * (2**24 - K) / 2**16) + i in constriction's 24-bit arithmetic.
    return constriction.stream.model.Categorical(counts.astype(np.float64) / TOTAL, perfect=False)


@lru_cache(maxsize=TABLES)
def _table_model(table: int) -> constriction.stream.model.Categorical:
    return _model(np.diff(cumulative_counts(table)))


@lru_cache(maxsize=1)
def _byte_model() -> constriction.stream.model.Categorical:
    return _model(np.full(256, TOTAL // 256))


def _groups(tables: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(table, positions of the batch that use it), in coding order."""
    order = np.argsort(tables, kind="stable")
    values, starts = np.unique(tables[order], return_index=True)
    for table, positions in zip(values, np.split(order, starts[1:]), strict=True):
        yield int(table), positions


class RangeEncoder:
    """Collects batches; `finish` returns the bytes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def encode(self, residuals: np.ndarray, tables: np.ndarray) -> None:
        """Codes int residuals [N], each under its table index [N]; |residual| < 2**20."""
        if residuals.size == 0:
            return
        low, high = int(residuals.min()), int(residuals.max())
        if max(-low, high) >= MAX_SYMBOL:
            raise PayloadError(f"a residual of {low if -low > high else high} is beyond the limit of {MAX_SYMBOL - 1}")
        residuals = np.ascontiguousarray(residuals, dtype=np.int32)
        escaped = np.zeros(residuals.shape, dtype=bool)
        for table, positions in _groups(tables):
            radius = radius_of(table)
            entries = residuals[positions] + radius
            escape_entry = 2 * radius + 2
            outside = (entries < 0) | (entries >= escape_entry)
            escaped[positions] = outside
            self._coder.encode(np.where(outside, escape_entry, entries).astype(np.int32), _table_model(table))
        values = residuals[escaped].astype(np.int64) + (1 << (8 * ESCAPE_BYTES - 1))
        self.encode_bytes((values[:, None] >> np.arange(0, 8 * ESCAPE_BYTES, 8) & 255).astype(np.uint8).ravel())

    def encode_bytes(self, values: np.ndarray) -> None:
        """Codes uint8 values [N] at 8 bits each."""
        self._coder.encode(np.asarray(values).astype(np.int32), _byte_model())

    def finish(self) -> bytes:
        """All batches as little-endian 32-bit words."""
        return self._coder.get_compressed().astype("<u4").tobytes()


class RangeDecoder:
    """Reads the batches of a `RangeEncoder`, in order. Damage is told by the container's checksums, not here."""

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise PayloadError(f"the coded symbols take {len(data)} bytes, not a multiple of 4")
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype="<u4").astype(np.uint32))

    def decode(self, tables: np.ndarray) -> np.ndarray:
        """Residuals int32 [N] of one batch, coded under the table indices [N]."""
        residuals = np.empty(tables.shape, dtype=np.int32)
        if residuals.size == 0:
            return residuals
        escaped = np.zeros(tables.shape, dtype=bool)
        for table, positions in _groups(tables):
            radius = radius_of(table)
            entries = self._read(_table_model(table), len(positions))
            escaped[positions] = entries == 2 * radius + 2
            residuals[positions] = entries - radius
        count = int(escaped.sum())
        if count:
            raw = self.decode_bytes(count * ESCAPE_BYTES).astype(np.int64).reshape(count, ESCAPE_BYTES)
            values = (raw << np.arange(0, 8 * ESCAPE_BYTES, 8)).sum(axis=1) - (1 << (8 * ESCAPE_BYTES - 1))
            if np.abs(values).max() >= MAX_SYMBOL:
                raise PayloadError("an escaped residual is beyond the limit")
            residuals[escaped] = values
        return residuals

    def decode_bytes(self, count: int) -> np.ndarray:
        """uint8 [count] as coded by `encode_bytes`."""
        return self._read(_byte_model(), count).astype(np.uint8)

    def finish(self) -> None:
        """Raises PayloadError unless all bytes are used up."""
        if not self._coder.maybe_exhausted():
            raise PayloadError("bytes are left over after the last symbol")

    def _read(self, model: constriction.stream.model.Categorical, count: int) -> np.ndarray:
        try:
            return self._coder.decode(model, count)
        except AssertionError:  # constriction's word for a state that no encoder produces
            raise PayloadError("the coded symbols are damaged") from None
