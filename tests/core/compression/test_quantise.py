"""The stand-ins for rounding: their limits, their noise and their gradients."""

import pytest
import torch

from nvrc_core.compression.quantise import (
    QuantisationNoise,
    SoftRounding,
    clamp_through,
    floor_through,
    kumaraswamy_noise,
    round_through,
    soft_round,
    soft_round_mean,
)

# Away from halves, where rounding jumps.
X = torch.linspace(-3.4, 3.4, 138, dtype=torch.float64)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_soft_round_lies_between_identity_and_rounding():
    assert torch.allclose(soft_round(X, 1e4), X, atol=1e-6)
    away = X[((X - X.floor()) - 0.5).abs() > 0.05]
    assert torch.allclose(soft_round(away, 1e-2), away.round(), atol=1e-3)
    soft = soft_round(X, 0.3)
    assert ((soft - X.round()).abs() <= (X - X.round()).abs() + 1e-12).all()


@pytest.mark.parametrize("temperature", [0.1, 0.3, 0.5, 2.0])
def test_soft_round_is_monotone_and_keeps_integers_and_halves(temperature: float):
    fixed = torch.arange(-6, 7, dtype=torch.float64) / 2
    assert torch.allclose(soft_round(fixed, temperature), fixed)
    fine = torch.linspace(-3, 3, 5001, dtype=torch.float64)
    assert (soft_round(fine, temperature).diff() >= 0).all()


@pytest.mark.parametrize("temperature", [0.3, 0.5, 2.0])
def test_soft_round_mean_inverts_soft_round(temperature: float):
    """Of a cell of noise, the mean is the middle: half a symbol above its lower end."""
    assert torch.allclose(soft_round_mean(soft_round(X, temperature) + 0.5, temperature), X + 0.5, atol=1e-4)


def test_soft_round_mean_is_the_mean():
    """Measured: the mean of all x that noise may have brought to one y."""
    x = torch.rand(2_000_000, generator=generator(), dtype=torch.float64) * 6 - 3
    y = soft_round(x, 0.3) + torch.rand(x.shape, generator=generator(2), dtype=torch.float64) - 0.5
    for place in (-1.0, -0.7, -0.5, -0.2, 0.0, 0.1, 0.45, 0.9):
        near = x[(y - place).abs() < 0.005]
        expected = soft_round_mean(torch.tensor(place, dtype=torch.float64), 0.3)
        assert float(near.mean()) == pytest.approx(float(expected), abs=0.02)


@pytest.mark.parametrize("shape", [1.0, 1.3, 2.0, 4.0])
def test_kumaraswamy_noise(shape: float):
    noise = kumaraswamy_noise(torch.empty(400_000), shape, generator())
    assert noise.min() >= -0.5
    assert noise.max() <= 0.5
    counts = torch.histc(noise, bins=5, min=-0.5, max=0.5) / len(noise)
    if shape == 1:
        assert torch.allclose(counts, torch.full((5,), 0.2), atol=0.005)
    else:
        assert counts.argmax() == 2  # the mode is at 0
        assert noise.std() < (1 / 12) ** 0.5


def test_kumaraswamy_noise_narrows():
    deviations = [float(kumaraswamy_noise(torch.empty(100_000), shape, generator()).std()) for shape in (1, 1.5, 2, 3)]
    assert deviations == sorted(deviations, reverse=True)


def test_noise_is_the_generators():
    draws = [kumaraswamy_noise(torch.empty(10), 2.0, generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_through_functions_have_exact_values_and_gradients_of_one(dtype: torch.dtype):
    values = torch.cat([X, torch.tensor([1e-9, 0.49999997, 1023.4, -1023.6, 3e5 + 0.3])]).to(dtype)
    for through, plain in (
        (round_through, torch.round),
        (floor_through, torch.floor),
        (lambda x: clamp_through(x, -1, 2), lambda x: x.clamp(-1, 2)),
    ):
        x = values.clone().requires_grad_()
        y = through(x)
        assert torch.equal(y.detach(), plain(values))
        (gradient,) = torch.autograd.grad((3 * y).sum(), x)
        assert torch.equal(gradient, torch.full_like(values, 3))


def test_soft_rounding_shows_both_sides_values_near_the_parameters():
    quantiser = SoftRounding(0.3, 2.0, generator())
    x = torch.randn(10_000, generator=generator(3)) * 3
    for view in (quantiser.for_distortion, quantiser.for_rate):
        values = view(x)
        assert (values - x).abs().max() <= 1.0
        assert abs(float((values - x).mean())) < 0.03  # Kumaraswamy's mean is not quite its mode


def test_soft_rounding_passes_gradients_everywhere():
    x = (torch.randn(1000, generator=generator()) * 3).requires_grad_()
    (gradient,) = torch.autograd.grad(SoftRounding(0.3, 1.0, generator()).for_distortion(x).sum(), x)
    assert gradient.isfinite().all()
    assert (gradient >= 0).all()
    assert 0.5 < float(gradient.mean()) < 2


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_quantisation_noise_rounds_its_share(probability: float):
    x = (torch.rand(20_000, generator=generator()) * 8 - 4).requires_grad_()
    values = QuantisationNoise(probability, generator()).for_distortion(x)
    rounded = values == x.round()
    assert (rounded | (values == x)).all()
    assert float(rounded.float().mean()) == pytest.approx(probability, abs=0.02)
    (gradient,) = torch.autograd.grad(values.sum(), x)
    assert torch.equal(gradient, torch.ones_like(x))


def test_quantisation_noise_shows_the_rate_uniform_noise():
    x = torch.zeros(100_000)
    noise = QuantisationNoise(1.0, generator()).for_rate(x)
    assert noise.abs().max() <= 0.5
    assert float(noise.std()) == pytest.approx((1 / 12) ** 0.5, abs=0.003)
