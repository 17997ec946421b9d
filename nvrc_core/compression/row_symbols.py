"""What a prior of rows is given in training: the symbols of some rows of a segment, and of their context rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nvrc_core.constants import indices
from nvrc_core.representation.intervals import Intervals


@dataclass(frozen=True)
class RowSymbols:
    """Symbols of N rows, in any order, [N, H, W, C] by the grid's name.

    `symbols`: of the rows themselves; of real values, the bits of what they round to are counted, with a gradient
    (`rate.rounded_bits`), and predictions see them rounded, as a decoder would. `context`: of their context rows,
    integers; zero where there is none.
    `rows`: the rows' numbers, [N], on the same device.
    """

    symbols: Mapping[str, Tensor]
    context: Mapping[str, Tensor]
    rows: Tensor


def context_symbols(grid: Tensor, rows: Tensor, context: Tensor) -> Tensor:
    """The symbols of each row's context row from a whole grid [T, H, W, C]; zero where it has none (-1).

    `context`: the context row of every row, int64 [T], on the grid's device, as `rows` [N] are.
    """
    of_rows = context[rows]
    return grid[of_rows.clamp_min(0)] * (of_rows >= 0).to(grid.dtype).view(-1, 1, 1, 1)


def known_symbols(grids: Mapping[str, Tensor], rows: Tensor, context: Tensor) -> dict[str, Tensor]:
    """`context_symbols` of all grids, rounded."""
    return {name: context_symbols(grid.detach(), rows, context).round() for name, grid in grids.items()}


def rows_of(grids: Mapping[str, Tensor], rows: Tensor, intervals: Intervals) -> RowSymbols:
    """Some rows of whole grids, with their context."""
    rows = rows.to(next(iter(grids.values())).device)
    context = indices(intervals.context, rows)
    return RowSymbols({name: grid[rows] for name, grid in grids.items()}, known_symbols(grids, rows, context), rows)
