"""How much the distortion bends along single symbols: what straight-through rounding leaves out.

Straight-through rounding hands a symbol the distortion's gradient at its rounded value. Where the best real value is
0.8, that gradient pushes down from 1 and up from 0, so that the symbol wanders around the threshold between them and
takes the wrong one a fifth of the time. The gradient at the real value x itself is, to second order, the one at the
rounded value r plus h (x - r), where h is the second derivative: with it, x comes to rest at 0.8 and rounds to 1
always, while all that is predicted from the symbol still sees what will be decoded. A rate with a slope then moves x to
where rounding it is a decision by rate and distortion.

h is a mean over the symbols of a channel of a level, by finite differences in random directions of signs: the
expectation of z . H z is the trace of H (M. F. Hutchinson, "A Stochastic Estimator of the Trace of the Influence
Matrix for Laplacian Smoothing Splines", 1990).
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from nvrc_core.fitting.row_adam import members_of
from nvrc_core.fitting.training_sets import RowSet

DISTANCE = 0.5
"""Symbols by which directions go: about as far as rounding does."""

SHARE = 0.75
"""Of the curvature that is found. All of it would hold symbols that bend less than the mean of their channel where they
are; with a little less, those that are nearly undecided go on trying both sides."""

Gradients = Callable[[RowSet, Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Of the distortion by symbols: of N rows, symbols [N, h, w, C] by name in, gradients alike out."""


def mean_curvature(
    gradients: Gradients,
    grids: Mapping[str, Tensor],
    groups: Iterable[tuple[str, ...]],
    sets: Iterable[RowSet],
    levels: Tensor,
    weights: Tensor,
    draw: torch.Generator,
) -> dict[str, Tensor]:
    """The mean second derivative for each level and channel of `grids` [F, h, w, C], by name: [levels, C], at least 0.

    `sets`: rows to look at. `groups`: names that are changed at once; of kinds that are not alike, one alone would
    drown the others. `levels` [F]. `weights` [F]: what the gradient of a row counts more in its sets than in all.
    """
    count = int(levels.max()) + 1
    sums = {name: grid.new_zeros(count, grid.shape[-1]) for name, grid in grids.items()}
    places = {name: grid.new_zeros(count, 1) for name, grid in grids.items()}
    for seen in sets:
        rows = seen.index
        symbols = {name: grid[rows].round() for name, grid in grids.items()}
        here, of_level = gradients(seen, symbols), members_of(levels[rows], count)
        for names in groups:
            signs = {name: _signs(symbols[name], draw) for name in names}
            there = gradients(seen, symbols | {name: symbols[name] + DISTANCE * signs[name] for name in names})
            for name in names:
                bends = ((there[name] - here[name]) * signs[name]).sum(dim=(1, 2)) / DISTANCE
                sums[name] += of_level @ (bends / weights[rows].unsqueeze(1))
                places[name] += of_level.sum(dim=1, keepdim=True) * symbols[name][0, ..., 0].numel()
    return {name: (total / places[name].clamp_min(1)).clamp_min(0) * SHARE for name, total in sums.items()}


def _signs(like: Tensor, draw: torch.Generator) -> Tensor:
    return (torch.randint(2, like.shape, generator=draw).to(like) * 2).sub_(1)
