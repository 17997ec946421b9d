"""The context prior: what it may look at, that it is exact, and that it is the one of the specification."""

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from random_segments import uniform
from torch import Tensor

from nvrc_core.compression.grid_prior import CONTEXT_GROUPS, GridPrior
from nvrc_core.compression.grid_prior import PHASES as PARITIES
from nvrc_core.compression.grid_prior import phase_slices as slices_of
from nvrc_core.compression.prior import Batch
from nvrc_core.representation.base import ParameterSpec

PHASES = range(8)


def prior_of(*sizes: tuple[int, int, int, int]) -> GridPrior:
    return GridPrior(tuple(ParameterSpec(f"grid{i}", size, "grid", 0.1) for i, size in enumerate(sizes)))


# Odd sizes, and a coarser level that is short in time and space.
PRIOR = prior_of((5, 7, 6, 2), (2, 3, 3, 4))
FINE, COARSE = PRIOR.specs


def random_side(prior: GridPrior, seed: int, limit: int = MAX_SIDE_VALUE) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    return {spec.name: uniform(generator, limit, spec.shape) for spec in prior.side_specs}


def lively_side(prior: GridPrior, seed: int = 1) -> dict[str, Tensor]:
    """Side information under which the network is neither dead nor at its clamps: small weights, all hidden units
    open."""
    side = random_side(prior, seed, 60)
    side["context.expand"] /= 4
    side["context.expand"].round_()
    side["context.phase"] = side["context.phase"].abs() + 900
    for spec in prior.specs:
        side[f"{spec.name}.mean"] /= 60
        side[f"{spec.name}.mean"].round_()
        side[f"{spec.name}.scale"].fill_(30)
    side["context.project"] = torch.tensor([[1.0, -1.0] * 4, [-1.0, 1.0] * 4], dtype=torch.float64)
    return side


def grids(seed: int, limit: int = 4) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(seed)
    return uniform(generator, limit, FINE.shape), uniform(generator, limit, COARSE.shape)


def phase_slices(phase: int) -> tuple[slice, ...]:
    return slices_of(PARITIES[phase])


def predicted(symbols: Tensor, coarser: Tensor, side: Mapping[str, Tensor], phase: int) -> Tensor:
    """Mean and scale of the finer level, stacked: [2, T', H', W', C]."""
    prediction = PRIOR.predict({"grid0": symbols, "grid1": coarser}, side, Batch("grid0", phase_slices(phase)))
    return torch.stack([prediction.mean_eighths, prediction.scale_index])


# -- what it may look at ----------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_its_own_and_later_phases_have_no_influence(phase: int):
    side = lively_side(PRIOR)
    symbols, coarser = grids(1)
    before = predicted(symbols, coarser, side, phase)
    for later in range(phase, 8):
        symbols[phase_slices(later)] = 1e5
    assert torch.equal(predicted(symbols, coarser, side, phase), before)


@pytest.mark.parametrize(("earlier", "phase"), list(itertools.combinations(PHASES, 2)))
def test_every_earlier_phase_has_influence(earlier: int, phase: int):
    side = lively_side(PRIOR)
    symbols, coarser = grids(1)
    before = predicted(symbols, coarser, side, phase)
    symbols[phase_slices(earlier)] += 60
    changed = predicted(symbols, coarser, side, phase) != before
    assert changed.float().mean() > 0.5


def test_the_coarser_level_has_influence_from_the_first_phase_on():
    side = lively_side(PRIOR)
    symbols, coarser = grids(1)
    for phase in PHASES:
        before = predicted(symbols, coarser, side, phase)
        assert not torch.equal(predicted(symbols, coarser * 8, side, phase), before)
        assert torch.equal(predicted(symbols, -coarser, side, phase), before)  # only by its magnitudes


def test_channels_do_not_see_each_other():
    side = lively_side(PRIOR)
    symbols, coarser = grids(1)
    before = predicted(symbols, coarser, side, 7)
    symbols[..., 1] += 9
    after = predicted(symbols, coarser, side, 7)
    assert torch.equal(after[..., 0], before[..., 0])
    assert not torch.equal(after[..., 1], before[..., 1])


def test_nothing_reaches_further_than_a_neighbour():
    side = lively_side(PRIOR)
    symbols, coarser = grids(1)
    before = predicted(symbols, coarser, side, 7)  # positions (2 t + 1, 2 y + 1, 2 x + 1)
    symbols[0, 0, 0] += 50
    changed = (predicted(symbols, coarser, side, 7) != before).any(dim=0).any(dim=-1)
    assert changed[0, 0, 0]
    assert int(changed.sum()) == 1


# -- exactness --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("limit", [3, 300, MAX_SYMBOL - 1])
def test_float32_is_exact_up_to_the_limits(seed: int, limit: int):
    symbols, coarser = grids(seed, limit)
    side = random_side(PRIOR, seed)
    for name in CONTEXT_GROUPS:  # as many weights at their limits as can be
        if seed % 2:
            side[name] = side[name].sign() * MAX_SIDE_VALUE
    single = {name: value.float() for name, value in side.items()}
    for phase in PHASES:
        exact = predicted(symbols, coarser, side, phase)
        assert torch.equal(exact, exact.round())
        assert torch.equal(predicted(symbols.float(), coarser.float(), single, phase).double(), exact)


def test_the_largest_sums_are_exact_in_float32():
    """All features, weights and hidden values at their largest: the bounds that the format is made for."""
    side = {name: torch.full_like(value, MAX_SIDE_VALUE) for name, value in random_side(PRIOR, 1).items()}
    symbols, coarser = torch.full(FINE.shape, 1.0).double() * MAX_SYMBOL, torch.full(COARSE.shape, 255.0).double()
    side["context.project"][0] -= 1  # an odd number of odd products
    single = {name: value.float() for name, value in side.items()}
    for phase in PHASES:
        exact = predicted(symbols, coarser, side, phase)
        assert torch.equal(predicted(symbols.float(), coarser.float(), single, phase).double(), exact)


# -- the specification ------------------------------------------------------------------------------------


def specified(
    symbols: np.ndarray, coarser: np.ndarray | None, side: Mapping[str, list], name: str, at: tuple[int, int, int, int]
) -> tuple[int, int]:
    """(mean in eighths, scale index) of one position [t, y, x, channel]: SPEC section 6.6, in Python's integers."""
    *here, channel = at
    parities = [i & 1 for i in here]
    phase = 4 * parities[0] + 2 * parities[1] + parities[2]
    features = [0] * 15
    for d in range(1, 8):
        if phase ^ d >= phase:
            continue
        moves = [(-1, 1) if bit else (0,) for bit in (d >> 2 & 1, d >> 1 & 1, d & 1)]
        for move in itertools.product(*moves):
            place = tuple(i + m for i, m in zip(here, move, strict=True))
            if all(0 <= i < side_ for i, side_ in zip(place, symbols.shape, strict=False)):
                symbol = int(symbols[(*place, channel)])
                features[2 * (d - 1)] += symbol
                features[2 * (d - 1) + 1] += abs(symbol)
    if coarser is not None:
        place = tuple(min(i >> 1, side_ - 1) for i, side_ in zip(here, coarser.shape, strict=False))
        features[14] = sum(abs(int(symbol)) for symbol in coarser[place])
    features = [min(255, max(-255, feature)) for feature in features]

    def dot(weights: list, values: list) -> int:
        return sum(int(weight) * value for weight, value in zip(weights, values, strict=True))

    hidden = [
        min(2047, max(0, (dot(side["context.expand"][j], features) >> 2) + int(side["context.phase"][phase][j])))
        for j in range(8)
    ]
    mean, scale = ((dot(side["context.project"][k], hidden) >> 5) for k in (0, 1))
    mean += int(side[f"{name}.mean"][channel])
    scale += int(side[f"{name}.scale"][channel])
    return min(1023, max(-1023, mean)), min(63, max(0, scale))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [3, 40, MAX_SYMBOL - 1])
def test_it_is_the_prior_of_the_specification(seed: int, limit: int):
    prior = prior_of((3, 4, 5, 2), (1, 2, 2, 3))
    generator = np.random.default_rng([seed, limit])
    fine, coarse = (uniform(generator, limit, spec.shape) for spec in prior.specs)
    side = lively_side(prior, seed) if seed < 3 else random_side(prior, seed)
    plain = {name: value.tolist() for name, value in side.items()}
    symbols = {"grid0": fine, "grid1": coarse}
    for batch in prior.batches():
        prediction = prior.predict(symbols, side, batch)
        level = symbols[batch.name]
        coarser = coarse.numpy() if batch.name == "grid0" else None
        positions = torch.stack(torch.meshgrid(*map(torch.arange, level.shape), indexing="ij"), -1)[batch.index]
        expected = [
            specified(level.numpy(), coarser, plain, batch.name, tuple(at)) for at in positions.flatten(0, -2).tolist()
        ]
        found = torch.stack([prediction.mean_eighths, prediction.scale_index], -1).flatten(0, -2).tolist()
        assert list(map(tuple, found)) == expected


# -- phases, steps, gradients -----------------------------------------------------------------------------


@given(st.tuples(*[st.integers(1, 6)] * 3))
def test_phases_partition_every_grid(size: tuple[int, int, int]):
    visits = torch.zeros((*size, 2), dtype=torch.int64)
    for batch in prior_of(visits.shape).batches():
        assert visits[batch.index].numel() > 0
        visits[batch.index] += 1
    assert (visits == 1).all()


@given(st.tuples(*[st.integers(1, 5)] * 3), st.tuples(*[st.integers(1, 3)] * 3))
def test_any_two_levels_go_together(size: tuple[int, int, int], coarse_size: tuple[int, int, int]):
    prior = prior_of((*size, 2), (*coarse_size, 3))
    side = lively_side(prior)
    symbols = {spec.name: torch.ones(spec.shape, dtype=torch.float64) for spec in prior.specs}
    for batch in prior.batches():
        prediction = prior.predict(symbols, side, batch)
        expected = symbols[batch.name][batch.index].shape
        assert prediction.mean_eighths.shape == prediction.scale_index.shape == expected


def test_levels_are_coded_coarse_to_fine():
    prior = prior_of((4, 4, 4, 1), (2, 2, 2, 2), (1, 1, 1, 4))
    order = [(batch.name, tuple(axis.start for axis in batch.index)) for batch in prior.batches()]
    assert order == [("grid2", PARITIES[0]), *[(name, phase) for name in ("grid1", "grid0") for phase in PARITIES]]


def test_blocks_share_a_step():
    prior = prior_of((18, 9, 8, 2))
    side = random_side(prior, 1, 50)
    assert side["grid0.block.step"].shape == (2, 2, 1, 2)
    steps = prior.step_indices(side, prior.specs[0])
    assert steps.shape == (18, 9, 8, 2)
    for t, y, x, c in itertools.product((0, 15, 16, 17), (0, 7, 8), (0, 7), (0, 1)):
        block = side["grid0.block.step"][t // 16, y // 8, x // 8, c]
        assert steps[t, y, x, c] == side["grid0.tensor.step"].item() + block


def test_gradients_reach_the_context_network_and_the_symbols():
    side = {name: value.float().requires_grad_() for name, value in lively_side(PRIOR).items()}
    symbols = {name: value.float().requires_grad_() for name, value in zip(("grid0", "grid1"), grids(2), strict=True)}
    bits = PRIOR.total_bits(symbols, side)
    assert list(bits) == ["grid1", "grid0"]
    priors = {name: value for name, value in side.items() if "step" not in name}
    gradients = torch.autograd.grad(sum(bits.values()), [*priors.values(), *symbols.values()])
    for name, gradient in zip([*priors, *symbols], gradients, strict=True):
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name
