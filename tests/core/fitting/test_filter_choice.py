"""First weights of the filter of predictions."""

import pytest
import torch

from nvrc_core.fitting.filter_choice import choose_filter
from nvrc_core.representation.prediction_filter import WEIGHTS, filtered


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def missed(predicted: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> float:
    return float((filtered(predicted, weights) - wanted).square().mean())


def test_a_filter_is_found_again():
    weights = 0.05 * noise(WEIGHTS)
    predicted = 0.1 * noise(2, 1, 32, 48, seed=2)
    wanted = filtered(predicted, weights)
    assert missed(predicted, wanted, choose_filter(predicted, wanted)) < 1e-3 * missed(predicted, wanted, 0 * weights)


def test_noise_is_filtered_out():
    smooth = torch.sin(torch.arange(64) / 9).expand(1, 1, 48, 64) * torch.cos(torch.arange(48) / 7).view(-1, 1)
    noisy = smooth + 0.2 * noise(1, 1, 48, 64)
    cleaned = filtered(noisy, choose_filter(noisy, smooth))
    assert (cleaned - smooth).square().mean() < 0.2 * (noisy - smooth).square().mean()


def test_all_pictures_count():
    weights, predicted = 0.05 * noise(2, WEIGHTS), 0.1 * noise(2, 1, 32, 48, seed=2)
    wanted = torch.cat([filtered(plane[None], of_plane) for plane, of_plane in zip(predicted, weights, strict=True)])
    of_both = missed(predicted, wanted, choose_filter(predicted, wanted))
    for one in (slice(0, 1), slice(1, 2)):
        assert of_both < 0.8 * missed(predicted, wanted, choose_filter(predicted[one], wanted[one]))


def test_a_good_prediction_is_left_alone():
    predicted = 0.1 * noise(1, 1, 32, 48)
    found = choose_filter(predicted, predicted + 1e-4 * noise(1, 1, 32, 48, seed=2))
    assert found.abs().max() < 1e-3


@pytest.mark.parametrize("rounding", [0.0, 1e-7, 1e-6])
def test_flat_predictions_have_no_filter(rounding: float):
    flat = 0.4 + rounding * noise(1, 1, 16, 16)
    assert choose_filter(flat, flat + 0.1 * noise(1, 1, 16, 16, seed=2)).abs().max() < 0.05
