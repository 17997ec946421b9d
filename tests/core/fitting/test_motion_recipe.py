"""How long a fit of wavelets runs, and how fast."""

import itertools
from dataclasses import replace

import pytest

from nvrc_core.fitting.motion_recipe import FRAMES_A_STEP, MotionRecipe
from nvrc_core.presets import PRESETS

RECIPE = MotionRecipe(visits=10, min_steps=100, grid_rate=0.01, warm_up=0.1)
MOTION = [preset.recipe for preset in PRESETS.values() if isinstance(preset.recipe, MotionRecipe)]


def test_steps_follow_from_visits_but_short_clips_get_enough():
    assert RECIPE.steps_for(40 * FRAMES_A_STEP) == 400
    assert RECIPE.steps_for(1) == RECIPE.steps_for(10 * FRAMES_A_STEP) == 100


def test_a_network_gets_its_steps_but_few_in_a_fit_of_few():
    recipe = MotionRecipe(visits=0, min_steps=10, network_steps=1000, grid_rate=0.01)
    assert [replace(recipe, min_steps=steps).network_steps_for(8) for steps in (1, 10, 100)] == [40, 400, 1000]


def test_learning_rates_rise_and_then_fall_to_nothing():
    rates = [RECIPE.learning_rate(i / 1000) for i in range(1001)]
    peak = rates.index(max(rates))
    assert peak == pytest.approx(100, abs=2)
    assert rates[peak] == pytest.approx(1, abs=0.02)
    assert 0 < rates[0] < 0.5
    assert all(a <= b for a, b in itertools.pairwise(rates[: peak + 1]))
    assert all(a >= b for a, b in itertools.pairwise(rates[peak:]))
    assert rates[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("recipe", MOTION)
def test_a_fit_ends_with_rounded_values(recipe: MotionRecipe):
    assert 0 < recipe.hard_share < 1 - recipe.warm_up
    assert recipe.steps_for(1) >= 10
