"""What an optimiser step looks at: some frames and all that they refer to."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nvrc_core.representation.intervals import Intervals


@dataclass(frozen=True, eq=False)
class RowSet:
    """Rows that references close, in ascending order: their numbers, and the same on the device, int64 [N]."""

    rows: tuple[int, ...]
    index: Tensor


class TrainingSets:
    """The sets of a segment (`Intervals.training_sets`), each with all keys.

    `weights` [F]: one over the share of the sets that hold a row, so that the weighted sum of any quantity over one
    set's rows is, in the mean over sets, its sum over all rows.
    """

    def __init__(self, intervals: Intervals, device: torch.device) -> None:
        keys = range(len(intervals.keys))
        sets = ((*keys, *rows) for rows in intervals.training_sets() or ((),))
        self.sets = [RowSet(rows, torch.tensor(rows, device=device)) for rows in sets]
        share = torch.tensor(intervals.visit_share())
        share[: len(keys)] = 1.0
        self.weights = (1 / share).to(device)

    def order(self, draw: torch.Generator) -> Iterator[RowSet]:
        """Every set once an epoch, in random order, without end."""
        while True:
            for number in torch.randperm(len(self.sets), generator=draw):
                yield self.sets[number]
