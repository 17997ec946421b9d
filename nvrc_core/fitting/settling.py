"""Priors of grids fitted to given symbols, which takes no pictures and little time.

First values that are typical cost a tenth of the rate, and a fit that started from them would save these bits on
symbols instead.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from nvrc_core.compression.row_symbols import known_symbols
from nvrc_core.compression.scheme import Scheme
from nvrc_core.compression.side_information import SideSpec, SideValues, join_side, split_side

RATE = 0.7  # index units a step, falling to none


def settle(
    scheme: Scheme,
    side: SideValues,
    grids: Mapping[str, Tensor],
    context: Tensor,
    sets: Iterable[Tensor],
    weights: Tensor,
    steps: int,
) -> dict[str, Tensor]:
    """Side information (learned, real numbers) at which the rounded values of `grids` [F, h, w, C] take few bits.

    `context`: the context row of every row, [F]. `sets`: the rows [N] that a step looks at, at least `steps` of them;
    `weights` [F]: what the bits of each row count there. What symbols mean (their steps), and all that is about layers,
    stays as it is.
    """
    specs = scheme.side_specs
    flat = join_side(specs, side).detach().clone().requires_grad_()
    moves = torch.cat([torch.full(spec.shape, float(_settles(spec))).flatten() for spec in specs]).to(flat)
    optimiser = torch.optim.Adam([flat], lr=RATE)
    for step, rows in zip(range(steps), sets, strict=False):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        symbols = {name: grid[rows].round() for name, grid in grids.items()}
        bits = scheme.row_bits(symbols, known_symbols(grids, rows, context), rows, split_side(specs, flat))
        optimiser.zero_grad(set_to_none=True)
        (bits * weights[rows]).sum().backward()
        flat.grad *= moves
        optimiser.step()
    return split_side(specs, flat.detach())


def _settles(spec: SideSpec) -> bool:
    """Whether it says how symbols of grids are coded, and not what they mean."""
    return spec.group.startswith(("band.", "motion.")) and not spec.group.endswith(("step", "share"))
