"""Symbols to bytes and back: every segment, every machine, every kind of damage."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats.errors import FormatError, PayloadError
from nvrc_formats.header import HinervShape
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from nvrc_formats.range_coder import RangeEncoder
from random_segments import (
    SMALL,
    SMALL_FRAMES,
    assert_equal,
    scheme_of,
    small_shapes,
    typical_symbols,
    wild_symbols,
)

from nvrc_core.compression.scheme import Symbols
from nvrc_core.compression.segment_codec import ROOT_BYTES, Encoding, decode_symbols, encode_symbols
from nvrc_core.compression.side_information import groups

SCHEME = scheme_of(SMALL, SMALL_FRAMES)

# Of `wild(7)`.
GOLDEN_SYMBOL_HASH = "35392145cb373b51"
GOLDEN_PAYLOAD_BYTES = 9996


def typical(seed: int = 1) -> Symbols:
    return typical_symbols(SCHEME, torch.Generator().manual_seed(seed))


def wild(seed: int = 1) -> Symbols:
    return wild_symbols(SCHEME, np.random.default_rng(seed))


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@given(small_shapes(), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_any_segment_comes_back(shape: HinervShape, frames: int, seed: int):
    scheme = scheme_of(shape, frames)
    symbols = wild_symbols(scheme, np.random.default_rng(seed))
    written = encode_symbols(scheme, symbols)
    read, told = decode_symbols(scheme, written.payload)
    assert_equal(read, symbols)
    assert told == written
    assert encode_symbols(scheme, read) == written


def test_types_and_places_of_symbols_do_not_matter():
    symbols = typical()
    expected = encode_symbols(SCHEME, symbols)
    for dtype in (torch.float64, torch.int64, torch.int32):
        other = Symbols(
            {name: value.to(dtype) for name, value in symbols.side.items()},
            symbols.layers.to(dtype),
            {name: value.to(dtype) for name, value in symbols.grids.items()},
        )
        assert encode_symbols(SCHEME, other) == expected


def test_all_zero_segments():
    symbols = Symbols(
        {spec.name: torch.zeros(spec.shape) for spec in SCHEME.side_specs},
        torch.zeros(sum(spec.size for spec in SCHEME.layer_prior.specs)),
        {spec.name: torch.zeros(spec.shape) for spec in SCHEME.grid_specs},
    )
    written = encode_symbols(SCHEME, symbols)
    assert_equal(decode_symbols(SCHEME, written.payload)[0], symbols)
    assert len(written.payload) < 60


# -- sizes ------------------------------------------------------------------------------------------------


def test_bits_by_part_add_up_to_the_payload():
    for symbols in (typical(), wild()):
        coded = encode_symbols(SCHEME, symbols)
        assert set(coded.bits) == {"side", "layers", "grid0", "grid1", "grid2"}
        total = sum(coded.bits.values()) / 8
        assert abs(len(coded.payload) - total) <= 0.001 * total + 8


def test_the_rate_of_training_is_the_size_of_the_payload():
    shape = HinervShape((4, 12, 16), 4, 2, (48, 24), (2, 2), (2, 1), 4, (2, 1), 2, 2)
    scheme = scheme_of(shape, 12)
    symbols = typical_symbols(scheme, torch.Generator().manual_seed(3))
    rate, coded = scheme.rate(symbols), encode_symbols(scheme, symbols)
    root_bits = 8 * ROOT_BYTES * len(groups(scheme.side_specs))
    assert len(coded.payload) > 4000
    assert 8 * len(coded.payload) == pytest.approx(float(rate.total) + root_bits, rel=0.01)
    assert coded.bits["layers"] == pytest.approx(float(rate.layers), rel=0.01)
    for name, bits in rate.grids.items():
        assert coded.bits[name] == pytest.approx(float(bits), rel=0.01)


# -- one hash everywhere ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch warns of its own default
@pytest.mark.parametrize("symbols", [typical(), wild()], ids=["typical", "wild"])
@pytest.mark.parametrize("mkldnn", [True, False])
@pytest.mark.parametrize("count", [1, 2])
def test_threads_and_libraries_do_not_matter(symbols: Symbols, mkldnn: bool, count: int):
    expected = encode_symbols(SCHEME, symbols)
    with threads(count), torch.backends.mkldnn.flags(enabled=mkldnn):
        assert encode_symbols(SCHEME, symbols) == expected
        read, told = decode_symbols(SCHEME, expected.payload)
    assert_equal(read, symbols)
    assert told == expected


def test_golden_hash():
    """The same symbols on every machine have one hash and one payload. This is the bitstream: it changes with it."""
    coded = encode_symbols(SCHEME, wild(7))
    assert (coded.symbol_hash.hex(), len(coded.payload)) == (GOLDEN_SYMBOL_HASH, GOLDEN_PAYLOAD_BYTES)


# -- limits and damage ------------------------------------------------------------------------------------


def test_the_limits_can_be_reached():
    symbols = typical()
    symbols.layers[:2] = torch.tensor([MAX_SYMBOL - 1, 1 - MAX_SYMBOL])
    symbols.grids["grid0"][0, 0, 0, 0] = MAX_SYMBOL - 1 - 200  # room for the residual under a mean below 0
    symbols.side["grid0.block.step"][0, 0, 0] = torch.tensor([MAX_SIDE_VALUE, -MAX_SIDE_VALUE])
    assert_equal(decode_symbols(SCHEME, encode_symbols(SCHEME, symbols).payload)[0], symbols)


@pytest.mark.parametrize("value", [MAX_SYMBOL, -MAX_SYMBOL, 1e15, -1e15])
def test_symbols_beyond_the_limit_are_not_written(value: float):
    layers, grids = typical(), typical()
    layers.layers[3] = value
    grids.grids["grid1"].view(-1)[5] = value
    for symbols in (layers, grids):
        with pytest.raises(PayloadError, match="beyond the limit"):
            encode_symbols(SCHEME, symbols)


@pytest.mark.parametrize("value", [MAX_SIDE_VALUE + 1, -MAX_SIDE_VALUE - 1])
def test_side_information_beyond_the_limit_is_not_written(value: int):
    symbols = typical()
    symbols.side["context.expand"][0, 0] = value
    with pytest.raises(PayloadError, match="side information"):
        encode_symbols(SCHEME, symbols)


def assert_refused_or_different(payload: bytes, honest: Encoding) -> str:
    """The name of what happened. Whatever is raised that is no FormatError fails the test."""
    try:
        _, told = decode_symbols(SCHEME, payload)
    except FormatError as error:
        return str(error)
    assert told.symbol_hash != honest.symbol_hash
    return "different"


@pytest.mark.parametrize("symbols", [typical(2), wild(2)], ids=["typical", "wild"])
def test_flipped_bits_are_refused_or_seen_in_the_hash(symbols: Symbols):
    honest = encode_symbols(SCHEME, symbols)
    bits = 8 * len(honest.payload)
    outcomes = set()
    # All bits of the hyperpriors and the first side information, then some of everywhere.
    for bit in [*range(0, 400, 2), *range(400, bits - 64, bits // 60)]:
        damaged = bytearray(honest.payload)
        damaged[bit // 8] ^= 1 << bit % 8
        outcomes.add(assert_refused_or_different(bytes(damaged), honest))
    assert len(outcomes) >= 3  # the test saw more than one rule at work


def test_truncation_is_refused_or_seen_in_the_hash():
    honest = encode_symbols(SCHEME, typical(3))
    for end in range(0, len(honest.payload), max(1, len(honest.payload) // 97)):
        assert_refused_or_different(honest.payload[:end], honest)
    assert_refused_or_different(honest.payload[:-4], honest)


@given(st.binary(max_size=200))
@settings(max_examples=40)
def test_garbage_is_refused_or_decodes(data: bytes):
    assert_refused_or_different(data, encode_symbols(SCHEME, typical()))


def test_words_after_the_symbols_are_refused():
    with pytest.raises(PayloadError, match="left over"):
        decode_symbols(SCHEME, encode_symbols(SCHEME, typical()).payload + bytes(8))


def test_a_scale_index_beyond_the_tables_is_refused():
    encoder = RangeEncoder()
    encoder.encode_bytes(np.array([0, 128, 64] * 20, np.uint8))  # hyperpriors of mean 0 and scale index 64
    with pytest.raises(PayloadError, match="scale index"):
        decode_symbols(SCHEME, encoder.finish())
