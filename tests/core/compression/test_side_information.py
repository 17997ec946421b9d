"""The integers that steer the priors, and the two numbers that code each group of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from nvrc_formats.tables import LAPLACE, SCALES

from nvrc_core.compression.rate import symbol_bits
from nvrc_core.compression.side_information import (
    GROUPS,
    GroupPrior,
    SideSpec,
    fit_group_priors,
    group_prior_fields,
    groups,
    join_side,
    round_side,
    side_bits,
    side_of_residuals,
    side_residuals,
    split_side,
    step_size,
)

SPECS = (
    SideSpec("a.step", "tensor.step", (1, 1)),
    SideSpec("a.mean", "tensor.mean", (5, 1)),
    SideSpec("b.step", "tensor.step", (1, 300)),
    SideSpec("b.mean", "tensor.mean", (1, 1)),
)


def random_side(seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {spec.name: (torch.randn(spec.shape, generator=generator) * 6 - 20).round() for spec in SPECS}


def test_join_and_split():
    side = random_side()
    flat = join_side(SPECS, side)
    assert flat.shape == (307,)
    back = split_side(SPECS, flat)
    assert list(back) == [spec.name for spec in SPECS]
    assert all(torch.equal(back[name], value) for name, value in side.items())


def test_groups_have_one_order_whatever_the_order_of_tensors():
    assert groups(SPECS) == groups(SPECS[::-1]) == ["tensor.step", "tensor.mean"]
    assert groups([SideSpec(name, name, (1,)) for name in reversed(GROUPS)]) == list(GROUPS)


def test_rounded_values_are_integers_within_the_limit():
    x = torch.tensor([-5000.3, -1023.4, -0.5, 0.2, 7.6, 1022.7, 9e6], requires_grad=True)
    values = round_side(x)
    assert values.tolist() == [-MAX_SIDE_VALUE, -MAX_SIDE_VALUE, 0, 0, 8, MAX_SIDE_VALUE, MAX_SIDE_VALUE]
    (gradient,) = torch.autograd.grad(values.sum(), x)
    assert torch.equal(gradient, torch.ones(7))


def test_steps_are_eighths_of_octaves():
    assert step_size(torch.tensor([0.0, 8.0, -16.0])).tolist() == [1.0, 2.0, 0.25]
    assert float(step_size(torch.tensor(1.0, dtype=torch.float64)) ** 8) == pytest.approx(2)


def test_no_step_index_makes_a_step_of_zero_or_infinity():
    """The sum of three indices at their limits, times the largest symbol, in float32."""
    extremes = torch.tensor([-3.0 * MAX_SIDE_VALUE, 3.0 * MAX_SIDE_VALUE], requires_grad=True)
    steps = step_size(extremes)
    assert steps[0].detach() > 0
    assert (steps.detach() * MAX_SYMBOL).isfinite().all()
    (gradient,) = torch.autograd.grad(steps.log2().sum(), extremes)
    assert torch.allclose(gradient, torch.full((2,), 1 / 8))  # it can come back


def test_group_priors_match_mean_and_deviation():
    side = random_side()
    prior = fit_group_priors(SPECS, side)["tensor.step"]
    steps = torch.cat([side["a.step"].flatten(), side["b.step"].flatten()])
    assert prior.mean_eighths == round(float(steps.mean()) * 8)
    # Of all scales the one that is taken costs about the least.
    mean = torch.tensor(float(prior.mean_eighths))
    costs = [float(symbol_bits(steps, mean, torch.tensor(float(scale)), LAPLACE).sum()) for scale in range(SCALES)]
    assert costs[prior.scale_index] < 1.03 * min(costs)


def test_priors_are_integers_in_range_for_any_values():
    for value in (0.0, -MAX_SIDE_VALUE, MAX_SIDE_VALUE):
        for prior in fit_group_priors(SPECS, {spec.name: torch.full(spec.shape, value) for spec in SPECS}).values():
            assert prior == GroupPrior(int(8 * value), 0)
    wide = {spec.name: torch.full(spec.shape, float(MAX_SIDE_VALUE)) for spec in SPECS}
    wide["b.step"][0, ::2] *= -1
    assert fit_group_priors(SPECS, wide)["tensor.step"].scale_index == 63


def test_every_value_gets_the_prior_of_its_group():
    means, scales = group_prior_fields(SPECS, {"tensor.step": GroupPrior(-3, 5), "tensor.mean": GroupPrior(70, 0)})
    expected = [-3.0] + [70.0] * 5 + [-3.0] * 300 + [70.0]
    assert means.tolist() == expected
    assert scales.tolist() == [5.0 if mean == -3 else 0.0 for mean in expected]


def test_bits_carry_gradients_towards_the_mean_of_the_group():
    side = random_side()
    side["b.step"][0, 0] = 400.0
    side = {name: value.requires_grad_() for name, value in side.items()}
    (gradient,) = torch.autograd.grad(side_bits(SPECS, side), side["b.step"])
    assert gradient.isfinite().all()
    assert gradient[0, 1:].abs().max() > 0
    assert gradient[0, 0] >= 0


# -- two-way tables ---------------------------------------------------------------------------------------


def two_way(levels: int, widths: tuple[int, ...]) -> tuple[SideSpec, ...]:
    """Two tables whose tensors alternate, around a group that is none."""
    of_bands = [
        SideSpec(f"{band}.{field}", f"band.{field}", (levels, width))
        for band, width in enumerate(widths)
        for field in ("step", "scale")
    ]
    return (of_bands[0], SideSpec("weights", "band.weight", (2, 3)), *of_bands[1:])


def scattered_side(specs: tuple[SideSpec, ...], seed: int, spread: float) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        spec.name: (torch.randn(spec.shape, generator=generator, dtype=torch.float64) * spread - 20).round()
        for spec in specs
    }


@given(st.integers(1, 4), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 99))
def test_residuals_come_back(levels: int, widths: list[int], seed: int):
    specs = two_way(levels, tuple(widths))
    side = scattered_side(specs, seed, spread=300.0)
    back = side_of_residuals(specs, side_residuals(specs, side))
    assert list(back) == list(side)
    assert all(torch.equal(back[name], value) for name, value in side.items())


def test_residuals_are_what_values_differ_from_above_and_left():
    specs = (SideSpec("a", "band.step", (3, 2)), SideSpec("b", "band.step", (3, 1)))
    side = {"a": torch.tensor([[5.0, 7.0], [1.0, 3.0], [1.0, 4.0]]), "b": torch.tensor([[6.0], [2.0], [9.0]])}
    assert side_residuals(specs, side).tolist() == [5, 2, -4, 0, 0, 1, -1, 0, 6]


def test_only_the_first_value_of_a_table_has_the_mean():
    specs = two_way(2, (2, 1))
    priors = {"band.step": GroupPrior(80, 3), "band.scale": GroupPrior(-16, 9), "band.weight": GroupPrior(7, 0)}
    means, scales = group_prior_fields(specs, priors)
    assert means.tolist() == [80, 0, 0, 0] + [7] * 6 + [-16, 0, 0, 0] + [0, 0] + [0, 0]
    assert scales.tolist() == [3] * 4 + [0] * 6 + [9] * 4 + [3] * 2 + [9] * 2


def test_a_first_value_costs_nothing_and_rows_and_columns_that_differ_evenly_cost_little():
    specs = two_way(7, (12, 9, 9, 3))
    rows, columns = torch.arange(7.0).square().unsqueeze(1), 3.0 * torch.arange(12).remainder(5)
    side = {spec.name: torch.full(spec.shape, -40.0) for spec in specs}
    assert side_bits(specs, side) < 1
    for spec in specs:
        if spec.group != "band.weight":
            side[spec.name] = side[spec.name] + rows + columns[: spec.shape[1]]
    scattered = scattered_side(specs, seed=0, spread=10.0)
    assert side_bits(specs, side) < 0.6 * side_bits(specs, scattered)
