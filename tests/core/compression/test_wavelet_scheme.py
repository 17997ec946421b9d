"""Segments of motion-compensated wavelets: to bytes and back, their rate, and the correction of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats.header import MotionWaveletShape
from nvrc_formats.video import VideoFormat
from random_segments import assert_equal, wild_symbols

from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.compression.segment_codec import ROOT_BYTES, decode_symbols, encode_symbols
from nvrc_core.compression.side_information import groups
from nvrc_core.kinds import representation_for, scheme_for
from nvrc_core.representation.motion_wavelet import MotionWavelet

KEYS = (0, 5, 6)
BANDS = ["band16", "band8", "band4", "band2"]


def model(keys: tuple[int, ...] = KEYS, width: int = 45, height: int = 30) -> MotionWavelet:
    return representation_for(MotionWaveletShape(keys, 4, 1), VideoFormat(width, height), keys[-1] + 1)


def without_what_is_not_coded(symbols: Symbols, keys: int) -> Symbols:
    symbols.grids["motion"][:keys, ..., 2:] = 0
    symbols.grids["motion"][0] = 0
    return symbols


class Start:
    """Symbols as a fit might start from: sparse, smaller the finer their band."""

    inherits = True

    def __init__(self, representation: MotionWavelet) -> None:
        generator = torch.Generator().manual_seed(1)
        self.symbols, self.steps = {}, {}
        for size, spec in zip((4.0, 2.0, 1.0, 0.5, 2.0), representation.specs[:5], strict=True):
            shape = (representation.intervals.levels, spec.shape[3])
            self.steps[spec.name] = torch.full(shape, 0.5 if spec.name == "motion" else 2**-5)
            self.symbols[spec.name] = (torch.randn(spec.shape, generator=generator) * size).round()
        without_what_is_not_coded(Symbols({}, torch.empty(0), self.symbols), len(representation.shape.keys))


def typical(representation: MotionWavelet, scheme: Scheme) -> Symbols:
    start = Start(representation)
    parameters = representation.initial_parameters((0.5,) * 3, torch.Generator().manual_seed(2))
    side = scheme.initial_motion_side(parameters, start)
    side = {name: value.round() for name, value in side.items()}
    layers = torch.zeros(sum(spec.size for spec in scheme.layer_prior.specs))
    return Symbols(side, layers, start.symbols)


@given(
    st.sets(st.integers(1, 8)),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=15)
def test_any_segment_comes_back(others: set[int], width: int, height: int, seed: int):
    keys = (0, *sorted(others))
    scheme = scheme_for(model(keys, width, height))
    symbols = without_what_is_not_coded(wild_symbols(scheme, np.random.default_rng(seed)), len(keys))
    written = encode_symbols(scheme, symbols)
    read, told = decode_symbols(scheme, written.payload)
    assert_equal(read, symbols)
    assert told == written


def test_parts_are_told_in_coding_order():
    representation = model()
    scheme = scheme_for(representation)
    coded = encode_symbols(scheme, typical(representation, scheme))
    assert list(coded.bits) == ["side", "layers", "motion", *BANDS]
    assert abs(len(coded.payload) - sum(coded.bits.values()) / 8) <= 0.001 * len(coded.payload) + 8


def test_the_rate_of_training_is_the_size_of_the_payload():
    representation = model()
    scheme = scheme_for(representation)
    symbols = typical(representation, scheme)
    rate, coded = scheme.rate(symbols), encode_symbols(scheme, symbols)
    root_bits = 8 * ROOT_BYTES * len(groups(scheme.side_specs))
    assert 8 * len(coded.payload) == pytest.approx(float(rate.total) + root_bits, rel=0.01)
    for name, bits in rate.grids.items():
        assert coded.bits[name] == pytest.approx(float(bits), rel=0.02)


def test_rows_have_the_bits_and_the_values_of_the_whole():
    representation = model()
    scheme, intervals = scheme_for(representation), representation.intervals
    symbols = typical(representation, scheme)
    rows = torch.arange(intervals.frames)
    context = torch.tensor(intervals.context)
    known = {
        name: grid[context.clamp_min(0)] * (context >= 0).view(-1, 1, 1, 1) for name, grid in symbols.grids.items()
    }
    bits = scheme.row_bits(symbols.grids, known, rows, symbols.side)
    assert bits.shape == (intervals.frames,)
    total = float(bits.sum() + scheme.shared_bits(symbols.layers, symbols.side))
    assert total == pytest.approx(float(scheme.rate(symbols).total), rel=1e-4)
    some = torch.tensor([0, 1, 3, 4])  # row 3 is the context of row 4
    values = scheme.dequantise(symbols)
    part = {name: grid[some] for name, grid in symbols.grids.items()}
    for name, value in scheme.dequantise_rows(symbols.layers, part, symbols.side, some).items():
        assert torch.equal(value, values[name][some] if name in part else values[name]), name
