"""The curvature of a distortion along single symbols."""

from collections.abc import Mapping

import torch

from nvrc_core.fitting.curvature import SHARE, mean_curvature
from nvrc_core.fitting.training_sets import RowSet


def row_set(*rows: int) -> RowSet:
    return RowSet(rows, torch.tensor(rows))


LEVELS = torch.tensor([0, 1, 1])
GRIDS = {"a": torch.linspace(-3, 3, 3 * 4 * 5 * 2).view(3, 4, 5, 2), "b": torch.ones(3, 2, 2, 1)}
BENDS = {"a": torch.tensor([[1.0, 2.0], [3.0, 0.0]]), "b": torch.tensor([[5.0], [7.0]])}
SETS = [row_set(0, 1), row_set(0, 2)]
WEIGHTS = torch.tensor([1.0, 2.0, 2.0])  # of a row that only half of the sets hold


def quadratic(coupling: float = 0.0):
    """Gradients of sum(bend * x**2) / 2 + coupling * (sum(x)**2 - sum(x**2)) / 2 over all rows, as sets estimate it."""

    def gradients(seen: RowSet, symbols: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        rows = seen.index
        total = sum(values.sum() for values in symbols.values())
        return {
            name: (BENDS[name][LEVELS[rows]][:, None, None] * values + coupling * (total - values))
            * WEIGHTS[rows].view(-1, 1, 1, 1)
            for name, values in symbols.items()
        }

    return gradients


def curvature(coupling: float, sets: list[RowSet], groups=(("a",), ("b",))) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return mean_curvature(quadratic(coupling), GRIDS, groups, sets, LEVELS, WEIGHTS, draw)


def test_it_is_exact_where_symbols_are_independent():
    found = curvature(0.0, SETS)
    for name, bends in BENDS.items():
        torch.testing.assert_close(found[name], bends * SHARE)


def test_what_symbols_share_cancels_in_the_mean():
    found = curvature(0.05, SETS * 400, groups=(("a", "b"),))
    for name, bends in BENDS.items():
        torch.testing.assert_close(found[name], bends * SHARE, atol=0.25, rtol=0)


def test_it_is_never_negative_and_zero_for_what_nobody_looked_at():
    found = curvature(0.0, [row_set(0)])
    assert torch.equal(found["a"][1], torch.zeros(2))
    draw = torch.Generator().manual_seed(0)
    downhill = mean_curvature(
        lambda seen, symbols: {name: -values for name, values in symbols.items()},
        GRIDS, (("a", "b"),), SETS, LEVELS, WEIGHTS, draw,
    )  # fmt: skip
    assert all(float(values.abs().max()) == 0 for values in downhill.values())
