"""Priors of rows, small and odd, with random symbols and side information; and a walk through their batches."""

from collections.abc import Mapping

import numpy as np
import torch
from nvrc_formats.limits import MAX_SIDE_VALUE
from nvrc_formats.tables import LAPLACE
from random_segments import uniform
from torch import Tensor

from nvrc_core.compression.band_prior import BandPrior
from nvrc_core.compression.motion_prior import MotionPrior
from nvrc_core.compression.prior import GridsPrior
from nvrc_core.compression.rate import symbol_bits
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.intervals import Intervals

Grids = dict[str, Tensor]
FRAMES, KEYS = 10, (0, 5, 9)


def band_prior(height: int = 3, width: int = 2, frames: int = FRAMES, keys: tuple[int, ...] = KEYS) -> BandPrior:
    specs = (
        ParameterSpec(f"band{16 >> level}", (frames, height << level, width << level, channels), "band", 0.0)
        for level, channels in enumerate((12, 9, 9, 3))
    )
    return BandPrior(tuple(specs), Intervals(frames, keys))


def motion_prior(height: int = 3, width: int = 4, frames: int = FRAMES, keys: tuple[int, ...] = KEYS) -> MotionPrior:
    return MotionPrior(ParameterSpec("motion", (frames, height, width, 6), "motion", 0.0), Intervals(frames, keys))


def random_symbols(prior: GridsPrior, seed: int, limit: int = 4) -> Grids:
    """Integers up to a limit where there are symbols; zero elsewhere."""
    generator = np.random.default_rng(seed)
    coded = visits(prior)
    return {spec.name: uniform(generator, limit, spec.shape) * coded[spec.name] for spec in prior.specs}


def random_side(prior: GridsPrior, seed: int, limit: int = MAX_SIDE_VALUE) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    return {spec.name: uniform(generator, limit, spec.shape) for spec in prior.side_specs}


def lively_side(prior: GridsPrior, seed: int = 1) -> dict[str, Tensor]:
    """Side information under which all features count and no scale is at its clamps."""
    side = random_side(prior, seed, 30)
    for spec in prior.side_specs:
        if spec.group.endswith(".scale"):
            side[spec.name] = side[spec.name].abs() / 6 + 8
        elif spec.group.endswith((".weight", ".slope")):
            side[spec.name] = side[spec.name].abs() + 10
        elif spec.group.endswith(".phase"):
            side[spec.name] = side[spec.name] / 10
        side[spec.name] = side[spec.name].round()
    return side


def visits(prior: GridsPrior) -> Grids:
    """How often batches hold each symbol."""
    counts = {spec.name: torch.zeros(spec.shape, dtype=torch.float64) for spec in prior.specs}
    for batch in prior.batches():
        counts[batch.name][batch.index] += 1
    return counts


def walked_bits(prior: GridsPrior, symbols: Mapping[str, Tensor], side: Mapping[str, Tensor]) -> Grids:
    """Bits of each symbol by predictions batch by batch, as a decoder makes them: symbols of this batch and of later
    ones are not there yet, and there is rubbish in their place."""
    generator = np.random.default_rng(99)
    coded = visits(prior)
    known = {
        name: torch.where(coded[name] > 0, uniform(generator, 500, grid.shape), 0.0).to(grid)
        for name, grid in symbols.items()
    }
    bits = {name: torch.zeros_like(grid) for name, grid in symbols.items()}
    for batch in prior.batches():
        prediction = prior.predict(known, side, batch)
        values = symbols[batch.name][batch.index]
        assert prediction.mean_eighths.shape == prediction.scale_index.shape == values.shape
        assert torch.equal(prediction.mean_eighths, prediction.mean_eighths.round())
        assert torch.equal(prediction.scale_index, prediction.scale_index.round())
        bits[batch.name][batch.index] = symbol_bits(values, prediction.mean_eighths, prediction.scale_index, LAPLACE)
        known[batch.name][batch.index] = values
    return bits
