"""The codec under any prior: it knows batches and predictions, not what is behind them."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import torch
from nvrc_formats.errors import PayloadError
from nvrc_formats.limits import MAX_SYMBOL
from random_segments import assert_equal, uniform, wild_symbols
from torch import Tensor

from nvrc_core.compression.prior import Batch, Prediction
from nvrc_core.compression.scheme import Scheme
from nvrc_core.compression.segment_codec import decode_symbols, encode_symbols
from nvrc_core.compression.side_information import SideSpec, SideValues
from nvrc_core.representation.base import ParameterSpec

LAYERS = (ParameterSpec("net.weight", (5, 4), "layer", 0.1), ParameterSpec("net.bias", (5,), "bias", 0.0))
FIRST, SECOND = (ParameterSpec(name, (4, 3, 2, 5), "grid", 0.1) for name in ("first", "second"))


class RowPrior:
    """Each row of a grid is predicted to be the row before it, the first row of the second grid the other's last.

    Rows go from the last to the first, their even channels before the odd ones.
    """

    def __init__(self, *specs: ParameterSpec) -> None:
        self.specs = specs
        self.side_specs = tuple(SideSpec(f"{spec.name}.scale", "context.scale", (1,)) for spec in specs)

    def batches(self) -> Iterator[Batch]:
        everywhere = slice(None)
        for spec in self.specs:
            for row in reversed(range(spec.shape[0])):
                for first in (0, 1):
                    channels = torch.arange(first, spec.shape[3], 2)
                    yield Batch(spec.name, (torch.tensor([row])[:, None], everywhere, everywhere, channels))

    def predict(self, grids: Mapping[str, Tensor], side: SideValues, batch: Batch) -> Prediction:
        row = int(batch.index[0])
        known = grids[batch.name]
        mean = 8 * (known[row + 1] if row + 1 < len(known) else grids[self.specs[0].name][0])
        if batch.name == self.specs[0].name and row + 1 == len(known):
            mean = torch.zeros_like(mean)
        mean = mean[None][..., batch.index[-1]].movedim(-1, 1).clamp(-1023, 1023)  # as advanced indices put it
        return Prediction(mean, (side[f"{batch.name}.scale"] + 20).clamp(0, 63).expand(mean.shape))


@pytest.fixture
def scheme(monkeypatch: pytest.MonkeyPatch) -> Scheme:
    """Two priors, of two grids and of one."""
    third = ParameterSpec("third", (2, 1, 1, 3), "grid", 0.1)
    monkeypatch.setattr(
        "nvrc_core.compression.scheme._grid_priors", lambda specs, intervals: (RowPrior(third), RowPrior(FIRST, SECOND))
    )
    return Scheme((FIRST, SECOND, third, *LAYERS))


def test_any_prior_is_coded_and_comes_back(scheme: Scheme):
    symbols = wild_symbols(scheme, np.random.default_rng(3))
    assert list(symbols.grids) == ["third", "first", "second"]
    written = encode_symbols(scheme, symbols)
    read, told = decode_symbols(scheme, written.payload)
    assert_equal(read, symbols)
    assert told == written
    assert list(written.bits) == ["side", "layers", "third", "first", "second"]  # the order of coding


def test_batches_see_what_is_before_them(scheme: Scheme):
    """Rows that repeat cost next to nothing, however large their symbols."""
    symbols = wild_symbols(scheme, np.random.default_rng(4))
    symbols.side["first.scale"].fill_(-20)
    symbols.side["second.scale"].fill_(-20)
    row = uniform(np.random.default_rng(5), 120, FIRST.shape[1:])
    symbols.grids["first"][:] = row
    symbols.grids["second"][:] = row
    written = encode_symbols(scheme, symbols)
    assert written.bits["first"] > 24 * row.numel() > 500 * written.bits["second"]
    assert_equal(decode_symbols(scheme, written.payload)[0], symbols)


def test_limits_hold_under_any_prior(scheme: Scheme):
    symbols = wild_symbols(scheme, np.random.default_rng(6))
    symbols.grids["third"][0, 0, 0, 0] = MAX_SYMBOL
    with pytest.raises(PayloadError, match="beyond the limit"):
        encode_symbols(scheme, symbols)
