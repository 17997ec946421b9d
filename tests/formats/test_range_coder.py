"""Words in, integers out: golden words, a decoder of its own, every residual and every kind of garbage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats.errors import PayloadError
from nvrc_formats.limits import MAX_SYMBOL
from nvrc_formats.range_coder import RangeDecoder, RangeEncoder
from nvrc_formats.tables import GAUSSIAN, LAPLACE, TABLES, cumulative_counts, entry_bits, radius_of, table_index
from range_decoder_reference import ReferenceDecoder

Batch = tuple[np.ndarray, np.ndarray]  # residuals, tables

# Two batches: three tables with escapes of both signs, then one table.
FIXED = (
    ([0, 1, -2, 40, 7, -300, 3, 0], [0, 0, 600, 600, 1023, 5, 800, 600]),
    ([5, -5, 1000, 0], [300, 300, 300, 300]),
)
GOLDEN_HEX = "11f9f8ff0f171b1de710e87b037d135353191b9ce11a6eee"


def encoded(batches: list[Batch] | tuple) -> bytes:
    coder = RangeEncoder()
    for residuals, tables in batches:
        coder.encode(np.asarray(residuals), np.asarray(tables))
    return coder.finish()


def decoded(data: bytes, batches: list[Batch] | tuple) -> list[np.ndarray]:
    coder = RangeDecoder(data)
    values = [coder.decode(np.asarray(tables)) for _, tables in batches]
    coder.finish()
    return values


def assert_round_trip(batches: list[Batch] | tuple) -> bytes:
    data = encoded(batches)
    for values, (residuals, _) in zip(decoded(data, batches), batches, strict=True):
        assert values.dtype == np.int32
        assert values.tolist() == list(residuals)
    return data


def drawn(generator: np.random.Generator, count: int) -> Batch:
    """Residuals as their tables expect them, a few escapes among them."""
    tables = generator.integers(0, TABLES, count)
    spread = np.array([radius_of(table) for table in tables]) / 5
    return np.round(generator.laplace(0, spread)).astype(np.int64), tables


RESIDUALS = st.one_of(
    st.integers(-8, 8),
    st.integers(-600, 600),
    st.integers(1 - MAX_SYMBOL, MAX_SYMBOL - 1),
    st.sampled_from([1 - MAX_SYMBOL, MAX_SYMBOL - 1, 0]),
)
BATCHES = st.lists(
    st.lists(st.tuples(RESIDUALS, st.integers(0, TABLES - 1)), max_size=40).map(
        lambda pairs: (
            np.array([residual for residual, _ in pairs], np.int64),
            np.array([table for _, table in pairs], np.int64),
        )
    ),
    max_size=4,
)


def test_golden_words():
    assert assert_round_trip(FIXED).hex() == GOLDEN_HEX


def test_golden_words_of_the_specification():
    coder = RangeEncoder()
    coder.encode_bytes(np.array([7, 200], np.uint8))
    coder.encode(np.array([1, -2, 0, 9]), np.array([675, 675, 0, 0]))
    data = coder.finish()
    assert data.hex() == "fbffc8077bb0f19700003d66"  # SPEC section 6.1
    decoder = RangeDecoder(data)
    assert decoder.decode_bytes(2).tolist() == [7, 200]
    assert decoder.decode(np.array([675, 675, 0, 0])).tolist() == [1, -2, 0, 9]
    decoder.finish()


def test_nothing_takes_no_bytes():
    assert encoded([]) == encoded([(np.array([], np.int64), np.array([], np.int64))]) == b""
    RangeDecoder(b"").finish()


@given(BATCHES)
def test_any_residuals_come_back(batches: list[Batch]):
    assert_round_trip(batches)


def test_every_table_codes_its_extremes():
    for table in range(TABLES):
        radius = radius_of(table)
        residuals = [-radius - 1, -radius, -1, 0, 1, radius, radius + 1, radius + 2, MAX_SYMBOL - 1, 1 - MAX_SYMBOL]
        assert_round_trip([(residuals, [table] * len(residuals))])


@pytest.mark.parametrize("residual", [MAX_SYMBOL, -MAX_SYMBOL, 2**31, -(2**63), 2**63 - 1])
def test_beyond_the_limit(residual: int):
    with pytest.raises(PayloadError, match="beyond the limit"):
        RangeEncoder().encode(np.array([0, residual]), np.array([0, 0]))


def test_an_escape_beyond_the_limit_is_refused():
    """What a hostile writer can do: the 24 bits of an escape hold more than a residual may."""
    coder = RangeEncoder()
    table = table_index(GAUSSIAN, 63, 0)
    coder.encode(np.array([MAX_SYMBOL - 1]), np.array([table]))
    honest = coder.finish()
    refused = 0
    for bit in range(8 * len(honest)):
        data = bytearray(honest)
        data[bit // 8] ^= 1 << bit % 8
        try:
            value = RangeDecoder(bytes(data)).decode(np.array([table]))
        except PayloadError as error:
            refused += "escaped residual" in str(error)
        else:
            assert abs(int(value[0])) < MAX_SYMBOL
    assert refused > 0


def test_batching_is_part_of_the_format():
    """A call sorts its residuals by table and puts its escapes last: other calls make other words."""
    residuals, tables = np.array([3, 0, -2, 900]), np.array([600, 5, 600, 5])
    one_batch = encoded([(residuals, tables)])
    two_batches = encoded([(residuals[:2], tables[:2]), (residuals[2:], tables[2:])])
    assert one_batch != two_batches
    assert RangeDecoder(two_batches).decode(tables).tolist() != residuals.tolist()
    # Inside a batch only the order under one table counts.
    by_table = [1, 3, 0, 2]
    assert encoded([(residuals[by_table], tables[by_table])]) == one_batch
    assert encoded([(residuals[[2, 1, 0, 3]], tables)]) != one_batch


@given(BATCHES)
@settings(max_examples=50)
def test_a_decoder_in_plain_integers_agrees(batches: list[Batch]):
    data = encoded(batches)
    reference = ReferenceDecoder(data)
    for residuals, tables in batches:
        cumulative = {int(table): cumulative_counts(int(table)).tolist() for table in tables}
        assert reference.batch(tables.tolist(), cumulative) == residuals.tolist()
    assert reference.finished()


def test_a_decoder_in_plain_integers_agrees_on_all_tables():
    residuals, tables = drawn(np.random.default_rng(1), 6 * TABLES)
    assert len(np.unique(tables)) > 0.99 * TABLES
    reference = ReferenceDecoder(encoded([(residuals, tables)]))
    cumulative = {table: cumulative_counts(table).tolist() for table in range(TABLES)}
    assert reference.batch(tables.tolist(), cumulative) == residuals.tolist()
    assert reference.finished()


@given(st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4]), st.integers(1, 30))
def test_a_decoder_in_plain_integers_agrees_on_garbage(data: bytes, count: int):
    """Also in what is damage, and in what follows the end of the words."""
    reference, coder = ReferenceDecoder(data), RangeDecoder(data)
    edges = [256 * i * ((1 << 24) - 256) // (1 << 16) + i for i in range(257)]
    for _ in range(count):
        try:
            expected = reference.entry(edges)
        except ValueError:
            with pytest.raises(PayloadError, match="damaged"):
                coder.decode_bytes(1)
            return
        assert coder.decode_bytes(1).tolist() == [expected]
    if reference.finished():
        coder.finish()
    else:
        with pytest.raises(PayloadError, match="left over"):
            coder.finish()


@pytest.mark.parametrize("seed", range(5))
def test_the_size_is_that_of_the_tables(seed: int):
    batches = [drawn(np.random.default_rng([seed, batch]), 4000) for batch in range(3)]
    expected = sum(entry_bits(*batch).sum() for batch in batches) / 8
    assert abs(len(encoded(batches)) - expected) <= 0.001 * expected + 8


def test_words_left_over_are_refused():
    """One more word can be part of the last state, and change nothing; two cannot."""
    batch = drawn(np.random.default_rng(2), 200)
    for extra in (bytes(8), b"\xff" * 8, b"\x01\x02\x03\x04" * 3):
        coder = RangeDecoder(encoded([batch]) + extra)
        assert coder.decode(batch[1]).tolist() == batch[0].tolist()
        with pytest.raises(PayloadError, match="left over"):
            coder.finish()


def test_words_have_four_bytes():
    with pytest.raises(PayloadError, match="not a multiple of 4"):
        RangeDecoder(b"12345")


def read_or_refuse(data: bytes, tables: np.ndarray) -> np.ndarray | None:
    """What is decoded, or None for a PayloadError. Anything else that is raised, panics among it, fails the test."""
    try:
        coder = RangeDecoder(data)
        values = coder.decode(tables)
        coder.finish()
    except PayloadError:
        return None
    assert np.abs(values).max(initial=0) < MAX_SYMBOL
    return values


def test_truncation_is_refused_or_seen_in_the_symbols():
    residuals, tables = drawn(np.random.default_rng(3), 300)
    data = encoded([(residuals, tables)])
    for end in range(0, len(data), 4):
        values = read_or_refuse(data[:end], tables)
        assert values is None or values.tolist() != residuals.tolist()


@given(st.data())
@settings(max_examples=200)
def test_garbage_is_refused_or_becomes_symbols(data: st.DataObject):
    words = data.draw(st.lists(st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 2**32 - 1])), max_size=20))
    tables = data.draw(st.lists(st.integers(0, TABLES - 1), min_size=1, max_size=60))
    read_or_refuse(np.array(words, "<u4").tobytes(), np.array(tables))


def test_flipped_bits_are_refused_or_become_symbols():
    residuals, tables = drawn(np.random.default_rng(4), 60)
    data = encoded([(residuals, tables)])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        read_or_refuse(bytes(damaged), tables)


def test_families_differ():
    """A Laplace table pays less for outliers, a Gaussian one for the middle."""
    for residual, cheaper, dearer in ((0, LAPLACE, GAUSSIAN), (40, LAPLACE, GAUSSIAN), (12, GAUSSIAN, LAPLACE)):
        bits = [
            entry_bits(np.array([residual]), np.array([table_index(family, 37, 0)]))[0] for family in (cheaper, dearer)
        ]
        assert bits[0] < bits[1]
