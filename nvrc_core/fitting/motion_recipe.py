"""How a fit of motion-compensated wavelets runs, in numbers. Imports no torch."""

from dataclasses import dataclass

from nvrc_core.fitting.recipe import warm_up_cosine

FRAMES_A_STEP = 9
"""Frames of the largest training sets (`Intervals.training_sets`): a subtree of seven and the two above it."""

MOST_NETWORK_STEPS = 40
"""For each optimiser step of the fit."""


@dataclass(frozen=True, kw_only=True)
class MotionRecipe:
    """The knobs of such a fit; none of them is needed to decode.

    `visits`: how often a frame that is no key would be trained on, in the mean, if all sets were of the largest; in
    fact it is about a tenth less. `min_steps`: at least so many optimiser steps. `network_steps`: those of the
    network, which is fitted afterwards, at most. `hard_share`: the share of the steps, at the end, in which the rate
    sees rounded weights of the filter. `grid_rate`: steps (of quantisation) that a symbol moves in an optimiser step
    whose gradients agree; `layer_rate`: peak learning rate of the filter. How far side information can move in a whole
    fit: `step_travel` and `prior_travel` are those of step indices of grids and of their priors, which are settled
    before, `layer_step_travel` and `layer_prior_travel` those of the filter. `warm_up`: share of the fit over which
    learning rates rise.
    """

    visits: float
    min_steps: int = 20
    network_steps: int = 3000
    hard_share: float = 0.4
    grid_rate: float
    layer_rate: float = 2e-3
    step_travel: float = 8.0
    prior_travel: float = 50.0
    layer_step_travel: float = 12.0
    layer_prior_travel: float = 150.0
    warm_up: float = 0.02

    def steps_for(self, frames: int) -> int:
        """The number of optimiser steps for a segment."""
        return max(self.min_steps, round(self.visits * frames / FRAMES_A_STEP))

    def network_steps_for(self, frames: int) -> int:
        """The number of steps of the network, which are few in a fit of few steps."""
        return min(self.network_steps, MOST_NETWORK_STEPS * self.steps_for(frames))

    def learning_rate(self, progress: float) -> float:
        """The factor on all learning rates."""
        return warm_up_cosine(progress, self.warm_up, 0.0)
