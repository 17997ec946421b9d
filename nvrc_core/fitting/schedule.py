"""Which stand-in for rounding a recipe uses, and when."""

import torch

from nvrc_core.compression.quantise import QuantisationNoise, Quantiser, SoftRounding
from nvrc_core.fitting.recipe import Recipe


def quantiser_at(recipe: Recipe, progress: float, generator: torch.Generator) -> Quantiser:
    """The quantiser at `progress` in [0, 1): soft and noisy in stage 1; in stage 2 the share of rounded values
    rises to its end over the first half.
    """
    stage, inside = recipe.stage(progress)
    if stage == 1:
        return SoftRounding(_ramp(recipe.temperature, inside), _ramp(recipe.noise_shape, inside), generator)
    return QuantisationNoise(_ramp(recipe.rounding, min(1.0, 2 * inside)), generator)


def _ramp(ends: tuple[float, float], position: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * position
