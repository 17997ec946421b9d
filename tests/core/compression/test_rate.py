"""Training counts the bits that the integer tables charge."""

import numpy as np
import pytest
import torch
from nvrc_formats.tables import (
    ESCAPE_BYTES,
    GAUSSIAN,
    LAPLACE,
    OFFSETS,
    SCALE_LOG_STEP,
    SCALE_MIN,
    SCALES,
    TOTAL,
    cumulative_counts,
    entry_bits,
    radius_of,
    table_index,
)

from nvrc_core.compression.rate import matching_scale_index, rounded_bits, symbol_bits

FAMILIES = pytest.mark.parametrize("family", [GAUSSIAN, LAPLACE])


def both(family: int, scale: int, offset: int, whole: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(estimated bits, bits of the table, probabilities by the table) of every residual without an escape."""
    table = table_index(family, scale, offset)
    radius = radius_of(table)
    residuals = np.arange(-radius, radius + 2)
    symbols = torch.from_numpy(residuals + whole).float()
    estimate = symbol_bits(symbols, torch.tensor(float(offset + whole * OFFSETS)), torch.tensor(float(scale)), family)
    probabilities = np.diff(cumulative_counts(table))[:-1] / TOTAL
    return estimate.numpy(), entry_bits(residuals, np.full(len(residuals), table)), probabilities


@FAMILIES
def test_hard_symbols_cost_what_the_tables_charge(family: int):
    for scale in range(SCALES):
        for offset in range(OFFSETS):
            estimate, charged, probabilities = both(family, scale, offset)
            # A count of 1 may stand for a little over 2: a bit. On average it is next to nothing.
            assert np.abs(estimate - charged).max() < 1.25
            assert abs((probabilities * (estimate - charged)).sum()) < 0.03


@FAMILIES
def test_whole_symbols_of_a_mean_only_shift(family: int):
    for whole in (-100, -1, 3, 50):
        assert both(family, 20, 3, whole)[0] == pytest.approx(both(family, 20, 3)[0], abs=1e-3)


@FAMILIES
def test_far_symbols_stay_finite_with_gradients_that_lead_back(family: int):
    symbols = torch.tensor([-1e6, -30.0, 30.0, 1e6], requires_grad=True)
    scales = torch.full((4,), 40.0, requires_grad=True)
    bits = symbol_bits(symbols, torch.zeros(4), scales, family)
    assert bits.detach().max() <= np.log2(TOTAL) + 8 * ESCAPE_BYTES + 1e-5
    gradients = torch.autograd.grad(bits.sum(), (symbols, scales))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][1] < 0 < gradients[0][2]


def test_bits_of_rounded_values_have_the_mean_gradient_under_noise():
    generator = torch.Generator().manual_seed(3)
    symbols = (torch.randn(400, generator=generator, dtype=torch.float64) * 2).requires_grad_()
    means = torch.randint(-20, 20, (400,), generator=generator).double()
    scales = 20 + 40 * torch.rand(400, generator=generator, dtype=torch.float64)
    bits = rounded_bits(symbols, means, scales)
    assert torch.equal(bits, symbol_bits(symbols.round(), means, scales, LAPLACE))
    (gradient,) = torch.autograd.grad(bits.sum(), symbols)
    low, high = (symbol_bits(symbols + side, means, scales, LAPLACE) for side in (-0.5, 0.5))
    torch.testing.assert_close(gradient, high - low)


@FAMILIES
def test_scale_indices_beyond_their_range_count_as_its_ends(family: int):
    symbols = torch.tensor([0.0, 1.0, 5.0])
    for index, end in ((-7.0, 0.0), (100.0, 63.0)):
        beyond = symbol_bits(symbols, torch.zeros(3), torch.full((3,), index), family)
        assert torch.equal(beyond, symbol_bits(symbols, torch.zeros(3), torch.full((3,), end), family))


@FAMILIES
def test_the_matching_scale_is_about_the_cheapest(family: int):
    torch.manual_seed(1)
    for deviation in (0.3, 2.0, 30.0):
        values = torch.randn(4000) * deviation
        if family == LAPLACE:
            values = torch.distributions.Laplace(0, deviation / 2**0.5).sample((4000,))
        symbols = values.round()
        costs = [
            float(symbol_bits(symbols, torch.tensor(0.0), torch.tensor(float(i)), family).mean()) for i in range(SCALES)
        ]
        assert costs[round(matching_scale_index(symbols))] < min(costs) + 0.05


def test_matching_scale_index_inverts_the_scale():
    for index in (0, 1, 17, 63):
        value = SCALE_MIN * np.exp(SCALE_LOG_STEP * index)
        assert matching_scale_index(torch.tensor([value, -value])) == pytest.approx(index, abs=1e-3)
    assert matching_scale_index(torch.zeros(3)) == 0
    assert matching_scale_index(torch.full((3,), 1e6)) == SCALES - 1
