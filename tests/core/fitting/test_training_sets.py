"""Which rows a step sees, and what they count."""

from itertools import islice

import pytest
import torch

from nvrc_core.fitting.training_sets import TrainingSets
from nvrc_core.representation.intervals import Intervals, default_keys


@pytest.mark.parametrize(("frames", "interval"), [(1, 8), (2, 8), (12, 8), (33, 16), (50, 49)])
def test_weighted_sums_over_sets_are_in_the_mean_sums_over_all_rows(frames: int, interval: int):
    sets = TrainingSets(Intervals(frames, default_keys(frames, interval)), torch.device("cpu"))
    values = torch.randn(frames, generator=torch.Generator().manual_seed(0))
    sums = [(values * sets.weights)[seen.index].sum() for seen in sets.sets]
    torch.testing.assert_close(torch.stack(sums).mean(), values.sum())


def test_an_epoch_holds_every_set_once_in_an_order_of_its_own():
    sets = TrainingSets(Intervals(65, default_keys(65, 32)), torch.device("cpu"))
    order = sets.order(torch.Generator().manual_seed(0))
    epochs = [[seen.rows for seen in islice(order, len(sets.sets))] for _ in range(3)]
    everything = sorted(seen.rows for seen in sets.sets)
    assert len(everything) > 4
    assert [sorted(epoch) for epoch in epochs] == [everything] * 3
    assert epochs[0] != epochs[1]
    assert all(seen.index.tolist() == list(seen.rows) for seen in sets.sets)
