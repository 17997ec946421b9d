"""The network's fit: it mends what linear pictures have in common, and nothing where nothing is to be had."""

import pytest
import torch
from nvrc_formats.shapes import MotionWaveletShape
from nvrc_formats.video import VideoFormat

from nvrc_core.compression.scheme import Symbols
from nvrc_core.fitting import network_fit
from nvrc_core.fitting.losses import SquaredError
from nvrc_core.fitting.network_fit import NetworkFit
from nvrc_core.kinds import linear_scheme_for, scheme_for
from nvrc_core.representation.motion_wavelet import MotionWavelet

FRAMES, HEIGHT, WIDTH = 5, 30, 46
VIDEO = VideoFormat(WIDTH, HEIGHT)
REPRESENTATION = MotionWavelet(MotionWaveletShape((0, 4), 4, 1), VIDEO, FRAMES)
LINEAR, WHOLE = linear_scheme_for(REPRESENTATION), scheme_for(REPRESENTATION)
Planes = list[torch.Tensor]


@pytest.fixture(scope="module")
def linear() -> Symbols:
    """Linear pictures with something in them, other than in those wanted."""
    generator = torch.Generator().manual_seed(3)
    side = {spec.name: torch.zeros(spec.shape) for spec in LINEAR.side_specs}
    side |= {name: values - 44 for name, values in side.items() if name.startswith("band") and name.endswith("step")}
    grids = {spec.name: torch.zeros(spec.shape) for spec in LINEAR.grid_specs}
    for name in ("band16", "band8", "band4", "band2"):
        grids[name] = (torch.randn(grids[name].shape, generator=generator) * 2).round()
    return Symbols(side, torch.zeros(sum(spec.size for spec in LINEAR.layer_prior.specs)), grids)


@pytest.fixture(scope="module")
def pictures(linear: Symbols) -> Planes:
    """The linear pictures, float [T, H, W] from 0 to 255, frame by frame."""
    rows = [REPRESENTATION.intervals.row_of[frame] for frame in range(FRAMES)]
    planes = REPRESENTATION.linear_planes(LINEAR.dequantise(linear), range(FRAMES))
    return [plane[rows].clamp(0, 1) * 255 for plane in planes]


def network(planes: Planes, told: list[int], weight: float = 1000.0, seed: int = 0) -> NetworkFit:
    return NetworkFit(
        REPRESENTATION,
        [plane.round().to(torch.uint8) for plane in planes],
        quality_weight=weight,
        distortion=SquaredError(VIDEO),
        peak=255,
        draw=torch.Generator().manual_seed(seed),
        on_step=lambda step, quality_db: told.append(step),
    )


def fitted(linear: Symbols, planes: Planes, *, steps: int = 600, weight: float = 1000.0, seed: int = 0) -> Symbols:
    told: list[int] = []
    symbols = network(planes, told, weight, seed).run(linear, steps)
    assert told[-1] == steps
    return symbols


def squared_error(symbols: Symbols, planes: Planes) -> float:
    """Of samples from 0 to 1, in the mean of frames."""
    with torch.no_grad():
        rendered = REPRESENTATION.render(WHOLE.dequantise(symbols), torch.arange(FRAMES))
    wanted = [plane.round() / 255 for plane in planes]
    return float(SquaredError(VIDEO)(rendered, wanted).mean())


def softer(planes: Planes) -> Planes:
    """With half of the contrast: what a network can do."""
    return [128 + (plane - 128) / 2 for plane in planes]


def test_what_pictures_have_in_common_is_mended(linear: Symbols, pictures: Planes):
    wanted = softer(pictures)
    nothing = fitted(linear, wanted, steps=1, weight=0.0)
    assert squared_error(fitted(linear, wanted), wanted) < 0.4 * squared_error(nothing, wanted)


def test_all_else_stays_and_weights_are_integers(linear: Symbols, pictures: Planes):
    symbols = fitted(linear, softer(pictures), steps=20)
    assert all(symbols.grids[name] is grid for name, grid in linear.grids.items())
    assert all(torch.equal(symbols.side[name], values) for name, values in linear.side.items())
    assert {spec.name for spec in WHOLE.side_specs} == set(symbols.side)
    size = sum(spec.size for spec in WHOLE.layer_prior.specs)
    assert len(symbols.layers) == size
    assert torch.equal(symbols.layers[: len(linear.layers)], linear.layers)
    for values in (symbols.layers, *symbols.side.values()):
        assert torch.equal(values, values.round())


@pytest.mark.parametrize("weight", [1e-3, 1e6])
def test_weights_are_none_where_they_do_not_pay(linear: Symbols, pictures: Planes, weight: float):
    """Where bits count for all, and where pictures are already those wanted."""
    wanted = softer(pictures) if weight < 1 else pictures
    symbols = fitted(linear, wanted, steps=30, weight=weight)
    if weight < 1:
        assert not symbols.layers.any()
    untouched = fitted(linear, wanted, steps=1, weight=0.0)
    assert not untouched.layers.any()
    assert squared_error(symbols, wanted) <= squared_error(untouched, wanted) + 1e-9


def test_a_weight_costs_about_what_it_should(linear: Symbols, pictures: Planes):
    symbols = fitted(linear, softer(pictures), steps=100)
    bits = WHOLE.layer_prior.bits(symbols.layers, symbols.side)[len(linear.layers) :]
    assert float(bits.mean()) == pytest.approx(4.0, abs=0.7)


def test_long_clips_leave_frames_out(linear: Symbols, pictures: Planes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network_fit, "MOST_SAMPLES", 2 * HEIGHT * WIDTH)
    wanted = softer(pictures)
    assert list(network(wanted, [])._features_of(linear)) == [0, 3]
    nothing = fitted(linear, wanted, steps=1, weight=0.0)
    assert squared_error(fitted(linear, wanted), wanted) < 0.5 * squared_error(nothing, wanted)


def test_one_seed_gives_one_network(linear: Symbols, pictures: Planes):
    first, again, other = (fitted(linear, softer(pictures), steps=20, seed=seed).layers for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
