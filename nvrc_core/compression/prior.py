"""What every prior of grids offers to the scheme and to the codec.

A prior is given all symbols that are coded before a batch and tells the means and scales of the batch, in integers
that are exact on every machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from nvrc_formats.tables import LAPLACE
from torch import Tensor

from nvrc_core.compression.rate import symbol_bits
from nvrc_core.compression.row_symbols import RowSymbols
from nvrc_core.compression.side_information import SideSpec, SideValues
from nvrc_core.representation.base import ParameterSpec


@dataclass(frozen=True)
class Batch:
    """Symbols that are coded at once, none of them seeing another: those at `index` of the grid `name`.

    `index`: one entry for each leading axis of the grid [T, H, W, C], as in `grid[index]`.
    """

    name: str
    index: tuple[slice | Tensor, ...]


@dataclass(frozen=True)
class Prediction:
    """The prior of a batch: mean in eighths and scale index, both in the shape of its symbols."""

    mean_eighths: Tensor
    scale_index: Tensor


class GridsPrior(Protocol):
    """The prior of all grids of one kind."""

    specs: tuple[ParameterSpec, ...]
    """The grids, as the representation lists them."""

    side_specs: tuple[SideSpec, ...]
    """The integers that steer this prior and give its steps."""

    def step_indices(self, side: SideValues, spec: ParameterSpec) -> Tensor:
        """The step index of every value of a grid, in a shape that broadcasts to the grid's."""
        ...

    def batches(self) -> Iterator[Batch]:
        """All batches in coding order. Together they hold every symbol once."""
        ...

    def predict(self, grids: Mapping[str, Tensor], side: SideValues, batch: Batch) -> Prediction:
        """The prior of a batch from the batches before it. Other symbols of `grids` are not looked at.

        Exact if all inputs are integers.
        """
        ...

    def total_bits(self, grids: Mapping[str, Tensor], side: SideValues) -> dict[str, Tensor]:
        """Bits of each grid by name, scalars."""
        ...

    def shifted_side(self, side: SideValues, shift: int) -> dict[str, Tensor]:
        """The tensors of side information that change where all steps that follow the rate are 2 ** (shift / 8) times
        their size."""
        ...


class RowStart(Protocol):
    """Where a fit of grids with a row for each frame starts."""

    symbols: Mapping[str, Tensor]
    """Integers [T, H, W, C] by name."""

    steps: Mapping[str, Tensor]
    """Their steps, [levels, C] by name; the same on all levels where the prior has one for all."""

    inherits: bool
    """Whether flow is coded as what differs from inherited flow."""


class RowPrior(GridsPrior, Protocol):
    """The prior of grids with a row for each frame, which can be trained on a few rows at a time."""

    def step_indices(self, side: SideValues, spec: ParameterSpec, rows: slice | Tensor = slice(None)) -> Tensor:
        """The step index of every value of some rows of a grid, in a shape that broadcasts to theirs."""
        ...

    def initial_side(self, symbols: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How symbols are coded (not what they mean), for a fit that starts from these symbols."""
        ...

    def bits(self, rows: RowSymbols, side: SideValues) -> dict[str, Tensor]:
        """Bits of each row [N] by name of the grid, by the same arithmetic as `predict`."""
        ...


def bits_of_batches(prior: GridsPrior, grids: Mapping[str, Tensor], side: SideValues) -> dict[str, Tensor]:
    """`total_bits` by way of `predict`; a prior may have a quicker one."""
    totals: dict[str, Tensor] = {}
    for batch in prior.batches():
        prediction, grid = prior.predict(grids, side, batch), grids[batch.name]
        bits = symbol_bits(grid[batch.index], prediction.mean_eighths, prediction.scale_index, LAPLACE).sum()
        totals[batch.name] = totals.get(batch.name, grid.new_zeros(())) + bits
    return totals
