"""Segments of random integers: what the codec has to carry, whether or not a fit would make it."""

import numpy as np
import torch
from hypothesis import strategies as st
from nvrc_formats.header import HinervShape
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from nvrc_formats.video import VideoFormat

from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.representation.hinerv import Hinerv

SMALL = HinervShape(
    grid_size=(3, 5, 6),
    grid_channels=2,
    grid_levels=3,
    channels=(8, 4),
    strides=(2, 2),
    depths=(1, 1),
    expansion=2,
    local_grid_channels=(2, 1),
    local_grid_levels=2,
    output_stride=2,
)
SMALL_FRAMES = 7


def scheme_of(shape: HinervShape, frames: int) -> Scheme:
    height, width = shape.rendered_size
    return Scheme(Hinerv(shape, VideoFormat(width, height), frames).specs)


@st.composite
def small_shapes(draw: st.DrawFn) -> HinervShape:
    """Anything that is small and valid, with every option on and off."""
    stages = draw(st.integers(1, 3))

    def each(low: int, high: int) -> st.SearchStrategy:
        return st.lists(st.integers(low, high), min_size=stages, max_size=stages).map(tuple)

    local = draw(each(0, 2))
    return HinervShape(
        grid_size=draw(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))),
        grid_channels=draw(st.integers(1, 2)),
        grid_levels=draw(st.integers(1, 4)),
        channels=draw(each(1, 6)),
        strides=draw(each(1, 3)),
        depths=draw(each(0, 2)),
        expansion=draw(st.integers(1, 2)),
        local_grid_channels=local,
        local_grid_levels=draw(st.integers(1 if any(local) else 0, 3)),
        output_stride=draw(st.integers(1, 2)),
    )


def uniform(generator: np.random.Generator, limit: int, shape: tuple[int, ...] | torch.Size) -> torch.Tensor:
    """Integers from -limit to limit, as float64."""
    return torch.from_numpy(generator.integers(-limit, limit + 1, tuple(shape)).astype(np.float64))


def wild_symbols(scheme: Scheme, generator: np.random.Generator) -> Symbols:
    """Mostly small integers, and a few anywhere up to the limits of the format."""

    def values(shape: tuple[int, ...], small: int, limit: int) -> torch.Tensor:
        rare = torch.from_numpy(generator.random(shape) < 0.02)
        return torch.where(rare, uniform(generator, limit, shape), uniform(generator, small, shape))

    size = sum(spec.size for spec in scheme.layer_prior.specs)
    return Symbols(
        {spec.name: values(spec.shape, 30, MAX_SIDE_VALUE) for spec in scheme.side_specs},
        values((size,), 6, MAX_SYMBOL - 1),
        {spec.name: values(spec.shape, 3, MAX_SYMBOL - 1) for spec in scheme.grid_specs},
    )


def typical_symbols(scheme: Scheme, generator: torch.Generator) -> Symbols:
    """Normally distributed parameters at a few bits each, under the priors that a fit starts with."""
    parameters = {spec.name: torch.randn(spec.shape, generator=generator) for spec in scheme.specs}
    side = scheme.initial_side(parameters, 3.0, 0.3, generator)
    side = {name: value.round() for name, value in side.items()}
    grids = {spec.name: parameters[spec.name] for spec in scheme.grid_specs}
    values = scheme.in_steps(scheme.layer_prior.flatten(parameters), grids, side)
    return Symbols(side, values.layers.round(), {name: grid.round() for name, grid in values.grids.items()})


def assert_equal(a: Symbols, b: Symbols) -> None:
    """All integers are the same."""
    assert torch.equal(a.layers.double(), b.layers.double())
    for ours, theirs in ((a.side, b.side), (a.grids, b.grids)):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert torch.equal(value.double(), theirs[name].double()), name
