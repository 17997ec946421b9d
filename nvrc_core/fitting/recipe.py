"""How a fit runs, in numbers: length, stages, learning rates. All schedules advance by step, not by epoch."""

from dataclasses import dataclass
from math import cos, pi


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The knobs of a fit; none of them is needed to decode.

    Length: `visits`: how often each frame is trained on; `min_steps`: at least so many optimiser steps, for short
    clips; `batch_frames`: frames a step; `second_stage`: the share of the steps that is stage 2.
    `rate_interval`: the rate's gradient is taken anew every so many steps and added in each of them (NVRC, section
    3.4, gives rate its own steps; combined before the optimiser, lambda keeps its meaning).
    `layer_bits`: what a value of a layer costs at the first steps. `grid_step`: the first step size of grids.
    `layer_rate`, `grid_rate`: peak learning rates of layers and biases, and of grids.
    `step_travel`, `prior_travel`, `context_travel`: how far step indices, means and scales, and weights of the
    context network can move in a whole fit: a short fit has to adapt its side information as far as a long one.
    `warm_up`, `final_rate`: share of the fit over which learning rates rise; the factor that they end at.
    `temperature`, `noise_shape`: at the start and end of stage 1; `rounding`: share of rounded values over the first
    half of stage 2 (NVRC, appendix).
    """

    visits: float
    min_steps: int
    batch_frames: int
    second_stage: float = 0.1
    rate_interval: int = 4
    layer_bits: float = 3.0
    grid_step: float = 0.3
    layer_rate: float = 1e-2
    grid_rate: float = 3e-2
    step_travel: float = 270.0
    prior_travel: float = 540.0
    context_travel: float = 200.0
    warm_up: float = 0.03
    final_rate: float = 0.02
    temperature: tuple[float, float] = (0.5, 0.3)
    noise_shape: tuple[float, float] = (2.0, 1.0)
    rounding: tuple[float, float] = (0.5, 1.0)

    def steps_for(self, frames: int) -> int:
        """The number of optimiser steps for a clip."""
        return max(self.min_steps, round(self.visits * frames / self.batch_frames))

    def stage(self, progress: float) -> tuple[int, float]:
        """(1 or 2, progress inside the stage) at the overall progress in [0, 1)."""
        first = 1 - self.second_stage
        return (1, progress / first) if progress < first else (2, (progress - first) / self.second_stage)

    def learning_rate(self, progress: float) -> float:
        """The factor on all learning rates: linear warm-up, then a cosine to `final_rate`."""
        return warm_up_cosine(progress, self.warm_up, self.final_rate)


def warm_up_cosine(progress: float, warm_up: float, final_rate: float) -> float:
    """A factor that rises linearly to 1 over the share `warm_up`, and falls along a cosine to `final_rate`."""
    if progress < warm_up:
        return (progress + 1e-3) / (warm_up + 1e-3)
    inside = (progress - warm_up) / (1 - warm_up)
    return final_rate + (1 - final_rate) * (0.5 + 0.5 * cos(pi * inside))
