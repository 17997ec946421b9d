"""Steps and rates of a whole representation, and the last correction of its rate."""

import pytest
import torch
from nvrc_formats.tables import SCALE_LOG_STEP
from random_segments import SMALL, SMALL_FRAMES, assert_equal, scheme_of, typical_symbols

from nvrc_core.compression.scheme import Scheme, Symbols, quantise
from nvrc_core.compression.side_information import step_size
from nvrc_core.compression.step_trim import TOLERANCE, shifted, trim_shift

SCHEME = scheme_of(SMALL, SMALL_FRAMES)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_parameters(scheme: Scheme) -> dict[str, torch.Tensor]:
    return {spec.name: torch.randn(spec.shape, generator=generator()) for spec in scheme.specs}


def started(scheme: Scheme) -> tuple[dict[str, torch.Tensor], Symbols]:
    """Parameters, and the same in units of the steps that a fit starts with."""
    parameters = random_parameters(scheme)
    side = scheme.initial_side(parameters, 3.0, 0.3, generator())
    grids = {spec.name: parameters[spec.name] for spec in scheme.grid_specs}
    return parameters, scheme.in_steps(scheme.layer_prior.flatten(parameters), grids, side)


def bits_of(symbols: Symbols) -> float:
    return float(SCHEME.rate(symbols).total)


def test_dequantise_inverts_in_steps():
    parameters, values = started(SCHEME)
    back = SCHEME.dequantise(values)
    assert back.keys() == parameters.keys()
    for name, value in parameters.items():
        assert back[name].shape == value.shape
        assert torch.allclose(back[name], value, rtol=1e-5)


def test_rounded_values_are_within_half_a_step():
    parameters, values = started(SCHEME)
    back = SCHEME.dequantise(quantise(values, torch.round))
    for spec in SCHEME.grid_specs:
        steps = step_size(SCHEME.grid_priors[0].step_indices(values.side, spec))
        assert ((back[spec.name] - parameters[spec.name]).abs() <= 0.5001 * steps).all()
    flat = SCHEME.layer_prior.flatten(back) - SCHEME.layer_prior.flatten(parameters)
    assert (flat.abs() <= 0.5001 * step_size(SCHEME.layer_prior.step_indices(values.side))).all()


@pytest.mark.parametrize("layer_bits", [2.0, 3.0, 5.0])
def test_layers_start_at_the_wanted_cost(layer_bits: float):
    scheme = scheme_of(SMALL, SMALL_FRAMES)
    parameters = random_parameters(scheme)
    side = scheme.initial_side(parameters, layer_bits, 0.3, generator())
    for spec in scheme.layer_prior.specs:
        if spec.kind == "layer" and spec.size > 100:
            one = Scheme((spec, *scheme.grid_specs))
            steps = step_size(side[f"{spec.name}.tensor.step"].flatten())
            symbols = (parameters[spec.name].flatten() / steps).round()
            bits = one.layer_prior.bits(symbols, side).sum() / spec.size
            assert float(bits) == pytest.approx(layer_bits, abs=0.3)


def test_initial_side_has_every_tensor():
    side = SCHEME.initial_side(random_parameters(SCHEME), 3.0, 0.3, generator())
    assert list(side) == [spec.name for spec in SCHEME.side_specs]
    assert all(side[spec.name].shape == spec.shape for spec in SCHEME.side_specs)


def test_the_rate_has_gradients_for_all_that_is_learned():
    _, values = started(SCHEME)
    layers = (values.layers * 1).requires_grad_()
    grids = {name: (grid * 1).requires_grad_() for name, grid in values.grids.items()}
    side = {name: (value * 1).requires_grad_() for name, value in values.side.items()}
    rate = SCHEME.rate(SCHEME.in_steps(layers, grids, side))
    assert torch.isclose(rate.total, rate.layers + rate.side + sum(rate.grids.values()))
    leaves = {"layers": layers, **grids, **side}
    gradients = torch.autograd.grad(rate.total, list(leaves.values()))
    for name, gradient in zip(leaves, gradients, strict=True):
        assert gradient.isfinite().all(), name
    reached = {name for name, gradient in zip(leaves, gradients, strict=True) if gradient.abs().sum() > 0}
    # The network's last layer starts at zero and opens the others.
    assert {"layers", "grid0", "grid1", "grid2", "context.project"} <= reached


# -- the correction of a rate -----------------------------------------------------------------------------


def trimmed(symbols: Symbols, target_bits: float) -> Symbols:
    return shifted(SCHEME, symbols, trim_shift(SCHEME, symbols, target_bits))


@pytest.mark.parametrize("factor", [0.6, 0.7, 0.8, 0.9, 1.1, 1.5, 2.0])
def test_trimming_hits_its_target(factor: float):
    symbols = typical_symbols(SCHEME, generator())
    target = factor * bits_of(symbols)
    result = trimmed(symbols, target)
    assert bits_of(result) == pytest.approx(target, rel=0.04)
    for values in (result.layers, *result.side.values(), *result.grids.values()):
        assert torch.equal(values, values.round())


def test_trimming_leaves_what_is_near_enough():
    symbols = typical_symbols(SCHEME, generator())
    for factor in (1 - 0.9 * TOLERANCE, 1.0, 1 + 0.9 * TOLERANCE):
        assert_equal(trimmed(symbols, factor * bits_of(symbols)), symbols)


def test_trimming_does_its_best_where_the_target_is_out_of_reach():
    symbols = typical_symbols(SCHEME, generator())
    assert bits_of(trimmed(symbols, 1.0)) < 0.5 * bits_of(symbols)
    assert bits_of(trimmed(symbols, 1e9)) > 1.5 * bits_of(symbols)


@pytest.mark.parametrize("shift", [-8, -3, 0, 3, 8])
def test_shifting_keeps_the_parameters(shift: int):
    symbols = typical_symbols(SCHEME, generator())
    before, after = SCHEME.dequantise(symbols), SCHEME.dequantise(shifted(SCHEME, symbols, shift))
    for spec in SCHEME.specs:
        step = 2.0 ** ((float(symbols.side[f"{spec.name}.tensor.step"]) + shift) / 8)
        assert ((after[spec.name] - before[spec.name]).abs() <= 0.5001 * step).all()


def test_shifting_does_not_touch_what_it_is_given():
    symbols = typical_symbols(SCHEME, generator())
    copy = typical_symbols(SCHEME, generator())
    shifted(SCHEME, symbols, 5)
    assert_equal(symbols, copy)


def test_scales_follow_the_steps():
    """At coarser steps the same parameters are smaller symbols, by as many scale indices."""
    symbols = typical_symbols(SCHEME, generator())
    for shift in (-16, 8, 16):
        moved = SCHEME.shifted_side(symbols.side, shift)
        for spec in SCHEME.specs:
            scale = f"{spec.name}.scale" if spec.kind == "grid" else f"{spec.name}.tensor.scale"
            ratio = SCALE_LOG_STEP * (moved[scale] - symbols.side[scale])
            assert torch.allclose(ratio.exp(), torch.tensor(2.0 ** (-shift / 8)))
