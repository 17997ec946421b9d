"""How a fit of motion-compensated wavelets runs, in numbers."""

from dataclasses import dataclass

from nvrc_core.compression.grid_prior import CONTEXT_GROUPS
from nvrc_core.fitting.recipe import warm_up_cosine
from nvrc_core.representation.intervals import Intervals


@dataclass(frozen=True, kw_only=True)
class MotionRecipe:
    """The knobs of such a fit; none of them is needed to decode.

    `visits`: how often a frame is trained on, in the mean; `min_steps`: at least so many optimiser steps. `key_rows`:
    see `MotionTrainer`. `hard_share`: the share of the steps, at the end, in which the rate sees rounded values too.
    `grid_rate`: steps that a symbol moves in an optimiser step whose gradients agree; `layer_rate`: the same for
    weights of the network. `layer_bits`: what a weight costs at first. `step_travel`, `prior_travel`,
    `context_travel`: how far step indices, means and scales, and weights of priors can move in a whole fit. `warm_up`:
    share of the fit over which learning rates rise.
    """

    visits: float
    min_steps: int = 20
    hard_share: float = 0.2
    grid_rate: float = 0.08
    layer_rate: float = 5e-3
    layer_bits: float = 4.0
    step_travel: float = 12.0
    prior_travel: float = 60.0
    context_travel: float = 200.0
    warm_up: float = 0.02

    def steps_for(self, intervals: Intervals) -> int:
        """The number of optimiser steps for a segment."""
        sets = intervals.training_sets()
        rows = sum(map(len, sets)) / len(sets) if sets else intervals.frames
        return max(self.min_steps, round(self.visits * intervals.frames / rows))

    def side_travel(self, group: str) -> float:
        """How far a value of a group of side information can move."""
        if group.endswith("step"):
            return self.step_travel
        return self.context_travel if group in CONTEXT_GROUPS else self.prior_travel

    def learning_rate(self, progress: float) -> float:
        """The factor on all learning rates."""
        return warm_up_cosine(progress, self.warm_up, 0.0)
