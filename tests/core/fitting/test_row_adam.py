"""Adam for rows: the ordinary one where nothing is special, and still where a row is left out."""

import pytest
import torch

from nvrc_core.fitting.row_adam import MAX_MOVE, RowAdam

BETAS = (0.9, 0.99)
RATE = 0.1


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def adam(grid: torch.Tensor, levels: list[int]) -> RowAdam:
    return RowAdam({"g": grid}, torch.tensor(levels), BETAS)


def test_of_grids_of_one_value_it_is_adam():
    """One row a level and one value a channel share their variance with nobody."""
    grid = noise(3, 1, 1, 2)
    ours, reference = adam(grid, [0, 1, 2]), grid.clone().requires_grad_()
    optimiser = torch.optim.Adam([reference], lr=RATE, betas=BETAS, eps=1e-12)
    for step in range(20):
        gradient = noise(3, 1, 1, 2, seed=step + 1) * torch.tensor([1.0, 100.0])
        reference.grad = gradient
        optimiser.step()
        ours.step(torch.arange(3), {"g": gradient}, RATE)
    torch.testing.assert_close(ours.grids["g"], reference.detach())


def test_of_gradients_of_one_size_it_is_adam():
    """A variance that is shared by equals is everybody's own."""
    grid = noise(4, 2, 3, 2)
    ours, reference = adam(grid, [0, 1, 1, 2]), grid.clone().requires_grad_()
    optimiser = torch.optim.Adam([reference], lr=RATE, betas=BETAS, eps=1e-12)
    for step in range(20):
        gradient = noise(4, 2, 3, 2, seed=step + 1).sign() * (1 + step)
        reference.grad = gradient
        optimiser.step()
        ours.step(torch.arange(4), {"g": gradient}, RATE)
    torch.testing.assert_close(ours.grids["g"], reference.detach())


def test_rows_that_are_left_out_stand_still():
    grid = noise(4, 2, 2, 3)
    optimiser = adam(grid, [0, 1, 1, 2])
    optimiser.step(torch.arange(4), {"g": noise(4, 2, 2, 3, seed=1)}, RATE)
    before = optimiser.grids["g"].clone()
    rows = torch.tensor([0, 2])
    optimiser.step(rows, {"g": noise(2, 2, 2, 3, seed=2)}, RATE)
    moved = (optimiser.grids["g"] != before).flatten(1)
    assert moved.any(1).tolist() == [True, False, True, False]
    assert torch.equal(adam(grid, [0, 1, 1, 2]).grids["g"], grid)  # the grids given are not the grids moved


@pytest.mark.parametrize("visits", [1, 3])
def test_a_rare_row_moves_as_far_as_others_at_each_visit(visits: int):
    """Momentum starts from zero in each row; what it lacks is made up for by that row's own visits."""
    optimiser = adam(torch.zeros(3, 2, 2, 1), [0, 1, 1])
    ones = {"g": torch.ones(2, 2, 2, 1)}
    for _ in range(7):
        optimiser.step(torch.tensor([0, 1]), ones, RATE)
    for _ in range(visits):
        optimiser.step(torch.tensor([0, 2]), ones, RATE)
    torch.testing.assert_close(optimiser.grids["g"][2], torch.full((2, 2, 1), -RATE * visits))


def test_levels_and_channels_have_scales_of_their_own():
    optimiser = adam(torch.zeros(2, 3, 3, 2), [0, 1])
    size = torch.tensor([1.0, 1e3]) * torch.tensor([1.0, 1e-4]).view(2, 1, 1, 1)
    for _ in range(5):
        optimiser.step(torch.arange(2), {"g": torch.ones(2, 3, 3, 2) * size}, RATE)
    torch.testing.assert_close(optimiser.grids["g"], torch.full((2, 3, 3, 2), -5 * RATE))


def test_a_value_of_large_gradients_moves_no_farther_than_the_bound():
    """It shares its variance with many that have none: unbounded, it would move ten times the rate."""
    optimiser = adam(torch.zeros(1, 10, 10, 1), [0])
    gradient = torch.zeros(1, 10, 10, 1)
    gradient[0, 4, 7] = 5.0
    for visits in range(1, 4):
        optimiser.step(torch.tensor([0]), {"g": gradient}, RATE)
        torch.testing.assert_close(optimiser.grids["g"], -visits * MAX_MOVE * RATE * gradient.sign())


def test_in_a_place_of_large_gradients_values_move_by_the_rate():
    optimiser = adam(torch.zeros(1, 20, 20, 1), [0])
    gradient = torch.zeros(1, 20, 20, 1)
    gradient[0, 5:12, 7:14] = 3.0
    optimiser.step(torch.tensor([0]), {"g": gradient}, RATE)
    torch.testing.assert_close(optimiser.grids["g"][0, 7:10, 9:12], torch.full((3, 3, 1), -RATE))
    assert (optimiser.grids["g"][0, 5, 7] < -RATE).all()  # some of its neighbours have none


def test_no_gradient_is_no_move():
    optimiser = adam(noise(2, 2, 2, 1), [0, 1])
    before = optimiser.grids["g"].clone()
    optimiser.step(torch.arange(2), {"g": torch.zeros(2, 2, 2, 1)}, RATE)
    assert torch.equal(optimiser.grids["g"], before)


def test_scaled_grids_go_on_as_if_they_had_always_been_so():
    """The same values in other steps: the gradient of a value twice as large is half as large."""
    levels, factor = [0, 1, 1], torch.tensor([2.0, 0.5, 0.5]).view(3, 1, 1, 1).expand(3, 1, 1, 2)
    grid, gradients = noise(3, 2, 2, 2), [noise(3, 2, 2, 2, seed=seed) for seed in range(1, 7)]
    scaled, always = adam(grid, levels), adam(grid * factor, levels)
    for gradient in gradients[:3]:
        scaled.step(torch.arange(3), {"g": gradient}, RATE)
        always.step(torch.arange(3), {"g": gradient / factor}, RATE)
    scaled.grids["g"].copy_(always.grids["g"] / factor)  # steps are no smaller for smaller values
    scaled.scale({"g": factor})
    for gradient in gradients[3:]:
        for optimiser in (scaled, always):
            optimiser.step(torch.arange(3), {"g": gradient / factor}, RATE)
    torch.testing.assert_close(scaled.grids["g"], always.grids["g"])


def test_leaves_are_copies_that_collect_gradients():
    optimiser = adam(noise(3, 2, 2, 1), [0, 1, 1])
    leaf = optimiser.leaves(torch.tensor([0, 2]))["g"]
    (leaf * 3).sum().backward()
    assert torch.equal(leaf.grad, torch.full((2, 2, 2, 1), 3.0))
    assert torch.equal(leaf.detach(), optimiser.grids["g"][[0, 2]])
    assert not optimiser.grids["g"].requires_grad
