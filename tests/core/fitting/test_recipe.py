"""Schedules: when a fit does what."""

import itertools

import pytest
import torch

from nvrc_core.compression.quantise import QuantisationNoise, SoftRounding
from nvrc_core.fitting.recipe import Recipe
from nvrc_core.fitting.schedule import quantiser_at
from nvrc_core.presets import PRESETS

RECIPE = Recipe(visits=10, min_steps=100, batch_frames=4, second_stage=0.2)
GRID = [i / 1000 for i in range(1000)]
RECIPES = pytest.mark.parametrize("recipe", [RECIPE, PRESETS["nvrc-s1"].recipe])


def test_steps_follow_from_visits_but_short_clips_get_enough():
    assert RECIPE.steps_for(400) == 1000  # each of 400 frames 10 times, 4 a step
    assert RECIPE.steps_for(1) == RECIPE.steps_for(40) == 100


@RECIPES
def test_the_first_stage_comes_first(recipe: Recipe):
    stages = [recipe.stage(progress) for progress in GRID]
    assert stages[0] == (1, 0.0)
    assert stages == sorted(stages)
    assert all(0 <= inside <= 1 for _, inside in stages)
    assert sum(stage == 2 for stage, _ in stages) == pytest.approx(1000 * recipe.second_stage, abs=1)


@RECIPES
def test_learning_rates_rise_and_then_fall_to_their_end(recipe: Recipe):
    rates = [recipe.learning_rate(progress) for progress in GRID]
    peak = rates.index(max(rates))
    assert 0 < rates[0] < 0.5
    assert peak / 1000 == pytest.approx(recipe.warm_up, abs=0.002)
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert all(a <= b for a, b in itertools.pairwise(rates[: peak + 1]))
    assert all(a >= b for a, b in itertools.pairwise(rates[peak:]))
    assert rates[-1] == pytest.approx(recipe.final_rate, abs=0.01)


@RECIPES
def test_quantisers_harden(recipe: Recipe):
    quantisers = [quantiser_at(recipe, progress, torch.Generator()) for progress in GRID]
    soft = [q for q in quantisers if isinstance(q, SoftRounding)]
    noisy = [q for q in quantisers if isinstance(q, QuantisationNoise)]
    assert quantisers == soft + noisy
    for values, (start, end) in (
        ([q.temperature for q in soft], recipe.temperature),
        ([q.noise_shape for q in soft], recipe.noise_shape),
    ):
        assert (values[0], values[-1]) == pytest.approx((start, end), abs=0.02)
        assert all(a >= b for a, b in itertools.pairwise(values))
    shares = [q.probability for q in noisy]
    assert shares[0] == pytest.approx(recipe.rounding[0], abs=0.05)
    assert shares[len(shares) // 2 + 1 :] == pytest.approx([recipe.rounding[1]] * len(shares[len(shares) // 2 + 1 :]))
    assert all(a <= b for a, b in itertools.pairwise(shares))
