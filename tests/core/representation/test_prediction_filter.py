"""The filter of predictions: its formula, sample by sample, and its gradients."""

import numpy as np
import pytest
import torch

from nvrc_core.representation.prediction_filter import NEAR_PLACES, PLACES, WEIGHTS, filter_inputs, filtered


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def at(plane: np.ndarray, y: int, x: int) -> float:
    """A sample, borders held."""
    height, width = plane.shape
    return plane[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]


def by_hand(plane: np.ndarray, weights: np.ndarray) -> np.ndarray:
    result = plane.copy()
    for y, x in np.ndindex(plane.shape):

        def differences(dy: int, dx: int) -> np.ndarray:
            return np.array([at(plane, y + dy, x + dx), at(plane, y - dy, x - dx)]) - plane[y, x]  # noqa: B023

        for weight, place in zip(weights[:12], PLACES, strict=True):
            result[y, x] += weight * differences(*place).sum()
        for weight, place in zip(weights[12:], NEAR_PLACES, strict=True):
            result[y, x] += weight * differences(*place).clip(-0.02, 0.02).sum()
    return result


def test_places_are_one_of_each_pair_within_reach():
    both = {*PLACES, *((-dy, -dx) for dy, dx in PLACES)}
    assert both == {(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4) if 0 < abs(dy) + abs(dx) <= 3}
    assert len(PLACES) == 12
    # Their order is that of the format.
    assert PLACES[:4] == ((0, 1), (0, 2), (0, 3), (1, -2))
    assert NEAR_PLACES == ((0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0))


@pytest.mark.parametrize("size", [(8, 16), (1, 5), (4, 2)])
def test_the_formula(size: tuple[int, int]):
    planes, weights = 0.03 * noise(2, 1, *size), 0.05 * noise(WEIGHTS)
    expected = np.stack([by_hand(plane[0].numpy(), weights.numpy()) for plane in planes])
    np.testing.assert_allclose(filtered(planes, weights)[:, 0].numpy(), expected, atol=1e-12)
    of_inputs = planes + torch.einsum("k,knchw->nchw", weights, filter_inputs(planes))
    np.testing.assert_allclose(of_inputs[:, 0].numpy(), expected, atol=1e-12)


def test_flat_pictures_and_no_weights_change_nothing():
    planes = noise(2, 1, 6, 7)
    assert torch.equal(filtered(planes, torch.zeros(WEIGHTS, dtype=torch.float64)), planes)
    flat = torch.full((1, 1, 6, 7), 0.3, dtype=torch.float64)
    torch.testing.assert_close(filtered(flat, noise(WEIGHTS)), flat)


def test_edges_are_left_alone_by_what_is_bounded():
    """A weight that takes away all of a small difference moves a large one by no more than its bound."""
    weights = torch.zeros(WEIGHTS, dtype=torch.float64)
    weights[12 + NEAR_PLACES.index((0, 1))] = 0.5

    def moved(height: float) -> float:
        step = torch.zeros(1, 1, 4, 8, dtype=torch.float64)
        step[..., 4:] = height
        return float((filtered(step, weights) - step).abs().max())

    assert moved(0.01) == pytest.approx(0.005)
    assert moved(0.02) == pytest.approx(0.01)
    assert moved(0.5) == pytest.approx(0.01)


def test_gradients():
    planes, weights = (0.03 * noise(2, 1, 5, 6)).requires_grad_(), (0.05 * noise(WEIGHTS)).requires_grad_()
    assert torch.autograd.gradcheck(filtered, (planes, weights))
