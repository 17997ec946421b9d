"""The priors of bands and motion: what they may look at, that they are exact, that training counts what coding does."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from row_priors import FRAMES, band_prior, lively_side, motion_prior, random_side, random_symbols, visits, walked_bits

from nvrc_core.compression.prior import GridsPrior
from nvrc_core.compression.row_symbols import rows_of
from nvrc_core.representation.intervals import Intervals

MakePrior = Callable[..., GridsPrior]
both = pytest.mark.parametrize("make", [band_prior, motion_prior], ids=["bands", "motion"])


@both
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 7), st.data())
def test_batches_hold_every_symbol_once(make: MakePrior, height: int, width: int, frames: int, data: st.DataObject):
    inner = data.draw(st.sets(st.integers(0, frames - 1)))
    keys = tuple(sorted(inner | {0, frames - 1}))
    prior = make(height, width, frames, keys)
    for name, counts in visits(prior).items():
        if name == "motion":
            assert (counts[0] == 0).all()
            assert (counts[1 : len(keys), ..., 2:5] == 0).all()
            assert (counts[1 : len(keys), ..., [0, 1, 5]] == 1).all()
            assert (counts[len(keys) :] == 1).all()
        else:
            assert (counts == 1).all()


@both
@settings(max_examples=12)
@given(st.sampled_from([(1, 1), (1, 3), (3, 1), (2, 2), (3, 5)]), st.sampled_from([1, 2, 3, 6]), st.integers(0, 99))
def test_training_counts_what_coding_does_and_nothing_looks_ahead(
    make: MakePrior, size: tuple[int, int], frames: int, seed: int
):
    prior = make(*size, frames, tuple(sorted({0, frames // 2, frames - 1})))
    symbols, side = random_symbols(prior, seed), lively_side(prior, seed)
    walked = walked_bits(prior, symbols, side)
    rows = rows_of(symbols, torch.arange(frames), prior.intervals)
    for name, bits in prior.bits(rows, side).items():
        assert torch.allclose(bits, walked[name].sum((1, 2, 3)), rtol=1e-12, atol=1e-12)
    totals = prior.total_bits(symbols, side)
    assert {name: float(bits) for name, bits in totals.items()} == pytest.approx(
        {name: float(bits.sum()) for name, bits in walked.items()}
    )


@both
def test_rows_may_come_alone_and_in_any_order(make: MakePrior):
    prior = make()
    symbols, side = random_symbols(prior, 1), lively_side(prior)
    whole = prior.bits(rows_of(symbols, torch.arange(FRAMES), prior.intervals), side)
    rows = torch.tensor([7, 0, 4, 3])
    some = prior.bits(rows_of(symbols, rows, prior.intervals), side)
    for name, bits in some.items():
        assert torch.allclose(bits, whole[name][rows])


def test_real_values_cost_what_they_round_to():
    """Themselves, and in the predictions of others."""
    prior = band_prior()
    symbols, side = random_symbols(prior, 2), lively_side(prior)
    real = {name: grid + 0.3 for name, grid in symbols.items()}
    before, after = (
        prior.bits(rows_of(grids, torch.arange(FRAMES), prior.intervals), side) for grids in (symbols, real)
    )
    for name, bits in before.items():
        assert torch.equal(bits, after[name])


@both
@pytest.mark.parametrize("limit", [3, 300, MAX_SYMBOL - 1])
@pytest.mark.parametrize("seed", range(4))
def test_float32_is_exact_up_to_the_limits(make: MakePrior, seed: int, limit: int):
    prior = make()
    symbols, side = random_symbols(prior, seed, limit), random_side(prior, seed)
    if seed % 2:
        side = {name: value.sign() * MAX_SIDE_VALUE for name, value in side.items()}
    assert_same_in_float32(prior, symbols, side)


@both
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_exact_in_float32(make: MakePrior, sign: int):
    """All symbols and weights at their largest: the bounds that the format is made for."""
    prior = make()
    side = {name: torch.full_like(value, MAX_SIDE_VALUE) for name, value in random_side(prior, 1).items()}
    for name, values in side.items():
        if name.endswith(("weight", "neighbours", "outer")):
            side[name] = torch.where(values > 255, 255.0, values)
        if name.endswith("offset"):
            side[name] = values * 0
    chequer = random_symbols(prior, 1, MAX_SYMBOL - 1)
    symbols = {name: grid.sign().abs() * sign * (MAX_SYMBOL - 1) for name, grid in chequer.items()}
    assert_same_in_float32(prior, symbols, side)
    alternating = {name: grid.sign() * (MAX_SYMBOL - 1) for name, grid in chequer.items()}
    assert_same_in_float32(prior, alternating, side)


def assert_same_in_float32(prior: GridsPrior, symbols: dict, side: dict) -> None:
    single, single_side = ({name: value.float() for name, value in values.items()} for values in (symbols, side))
    for batch in prior.batches():
        exact, found = prior.predict(symbols, side, batch), prior.predict(single, single_side, batch)
        assert torch.equal(exact.mean_eighths, exact.mean_eighths.round())
        assert torch.equal(found.mean_eighths.double(), exact.mean_eighths)
        assert torch.equal(found.scale_index.double(), exact.scale_index)
        assert 0 <= float(exact.scale_index.min()) <= float(exact.scale_index.max()) <= 63


@both
def test_a_context_row_counts_and_no_other_row(make: MakePrior):
    prior = make()
    side, rows = lively_side(prior), torch.arange(FRAMES)
    symbols = random_symbols(prior, 3)
    before = prior.bits(rows_of(symbols, rows, prior.intervals), side)
    changed_row = 4
    changed = {name: grid.clone() for name, grid in symbols.items()}
    for grid in changed.values():
        grid[changed_row] = grid[changed_row] * 9 + grid[changed_row].sign() * 20
    after = prior.bits(rows_of(changed, rows, prior.intervals), side)
    children = [row for row in range(FRAMES) if prior.intervals.context[row] == changed_row]
    assert children
    for name in before:
        differs = (before[name] != after[name]).nonzero().flatten().tolist()
        assert set(differs) == {changed_row, *children}


@both
def test_levels_have_steps_and_scales_of_their_own(make: MakePrior):
    prior = make()
    side, rows = lively_side(prior), torch.arange(FRAMES)
    symbols = random_symbols(prior, 4)
    spec = prior.specs[-1]
    before = prior.bits(rows_of(symbols, rows, prior.intervals), side)[spec.name]
    scales = "motion.scale" if spec.name == "motion" else f"{spec.name}.scale"
    last = side[scales].clone()
    last[-1] += 9
    after = prior.bits(rows_of(symbols, rows, prior.intervals), side | {scales: last})[spec.name]
    differs = set((before != after).nonzero().flatten().tolist())
    last_level = prior.intervals.rows_of_level(prior.intervals.levels - 1)
    assert differs == set(range(FRAMES)[last_level])
    for some in (slice(2, 7), torch.tensor([8, 1])):
        shape = symbols[spec.name][some].shape
        steps = prior.step_indices(side, spec, some).expand(shape)
        assert torch.equal(steps, prior.step_indices(side, spec).expand(symbols[spec.name].shape)[some])


@both
def test_a_start_from_data_beats_one_without(make: MakePrior):
    prior = make(5, 6)
    generator = torch.Generator().manual_seed(1)
    coded = visits(prior)
    symbols = {
        spec.name: (torch.randn(spec.shape, generator=generator) * (1 + 3 * torch.rand(spec.shape[3]))).round()
        * coded[spec.name].float()
        for spec in prior.specs
    }
    started = prior.initial_side(symbols)
    assert {spec.name for spec in prior.side_specs if not spec.group.endswith(("step", "share"))} == set(started)
    plain = {name: torch.zeros_like(value) for name, value in started.items()}
    rounded = {name: value.round() for name, value in started.items()}
    bits, plain_bits = (sum(map(float, prior.total_bits(symbols, side).values())) for side in (rounded, plain))
    assert bits < 0.7 * plain_bits
    count = sum(float((counts > 0).sum()) for counts in coded.values())
    assert bits / count < 4.2  # a normal deviation of 1 to 4 steps has 2 to 4 bits


@both
def test_one_frame_starts_too(make: MakePrior):
    prior = make(1, 1, 1, (0,))
    symbols = {spec.name: torch.zeros(spec.shape) for spec in prior.specs}
    side = {name: value.round() for name, value in prior.initial_side(symbols).items()}
    assert all(float(bits) < 1 for bits in prior.total_bits(symbols, side).values())


@both
def test_gradients_reach_symbols_and_side_information(make: MakePrior):
    prior = make()
    steers = {name: value for name, value in lively_side(prior).items() if not name.endswith(("step", "share"))}
    side = {name: value.float().requires_grad_() for name, value in steers.items()}
    symbols = {name: value.float().requires_grad_() for name, value in random_symbols(prior, 5).items()}
    total = sum(
        bits.sum() for bits in prior.bits(rows_of(symbols, torch.arange(FRAMES), prior.intervals), side).values()
    )
    leaves = {**side, **symbols}
    for name, gradient in zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True):
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name


def test_steps_and_scales_of_bands_shift_together():
    prior = band_prior()
    side = lively_side(prior)
    moved = side | prior.shifted_side(side, 8)  # steps twice as large, so symbols half as large
    for spec in prior.side_specs:
        change = moved[spec.name] - side[spec.name]
        if spec.group.endswith(".step"):
            assert (change == 8).all()
        elif spec.group.endswith(".scale"):
            assert (change < 0).all()


def test_motion_keeps_its_steps():
    prior = motion_prior()
    assert prior.shifted_side(lively_side(prior), 8) == {}


def test_first_side_information_of_the_darkest_picture_can_be_written():
    """Low-passes at the finest steps are further from zero than an offset can tell."""
    prior = band_prior()
    symbols = {spec.name: torch.zeros(spec.shape) for spec in prior.specs}
    symbols["band16"][..., 0] = -(MAX_SIDE_VALUE + 500)
    side = prior.initial_side(symbols)
    assert all(values.abs().max() <= MAX_SIDE_VALUE for values in side.values())


def test_keys_follow_each_other():
    """The first key, keys and levels are coded in this order, and a level at once."""
    prior = band_prior(2, 2)
    rows = [batch.index[0] for batch in prior.batches() if batch.name == "band16" and batch.index[1].start == 0]
    starts = [(0, 1), (1, 2), (2, 3), *((s.start, s.stop) for s in map(prior.intervals.rows_of_level, (1, 2, 3)))]
    assert sorted({(row.start, row.stop) for row in rows}) == starts


def test_an_offset_takes_the_first_keys_brightness():
    prior = band_prior(3, 3)
    symbols = random_symbols(prior, 6)
    bright = {name: grid.clone() for name, grid in symbols.items()}
    bright["band16"][0, ..., :3] += torch.tensor([700.0, -30.0, 90.0])
    side = lively_side(prior)
    side["band.offset"] = torch.zeros(3, dtype=torch.float64)
    moved = side | {"band.offset": torch.tensor([700.0, -30.0, 90.0], dtype=torch.float64)}
    before, after = prior.total_bits(symbols, side), prior.total_bits(bright, moved)
    assert {name: float(bits) for name, bits in after.items()} == pytest.approx(
        {name: float(bits) for name, bits in before.items()}
    )


def test_second_flow_sees_the_first_at_its_cell():
    prior = motion_prior()
    symbols, side = random_symbols(prior, 7), lively_side(prior)
    side["motion.mean"][2:4, -1] = 100
    batch = next(batch for batch in prior.batches() if batch.index[3] == slice(2, 4))
    before = prior.predict(symbols, side, batch)
    symbols["motion"][(*batch.index[:3], slice(0, 2))] += 8
    assert (prior.predict(symbols, side, batch).mean_eighths == before.mean_eighths - 50).all()


@pytest.mark.parametrize("after", [False, True])
def test_motion_goes_on(after: bool):
    """A row halfway between its references is expected to move half as much as its context row, which lies beyond."""
    prior = motion_prior(4, 4, 5, (0, 4))
    intervals: Intervals = prior.intervals
    row = next(
        r for r in range(5) if intervals.level[r] == 2 and (intervals.context[r] == intervals.reference1[r]) == after
    )
    context = intervals.context[row]
    symbols = {"motion": torch.zeros(5, 4, 4, 6, dtype=torch.float64)}
    symbols["motion"][context, ..., :4] = torch.tensor(
        [-8.0, 4.0, 8.0, -4.0]
    )  # at an even pace through both references
    side = {name: torch.zeros_like(value) for name, value in lively_side(prior).items()}
    side["motion.mean"][:4, 4] = 64  # half of what is expected
    for batch in prior.batches():
        if row in range(5)[batch.index[0]] and batch.index[3] != slice(4, 6):
            mean = prior.predict(symbols, side, batch).mean_eighths[row - batch.index[0].start]
            expected = torch.tensor([-32.0, 16.0] if batch.index[3] == slice(0, 2) else [32.0, -16.0])
            assert (mean == expected).all()


@both
@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_predictions_are_the_same_on_every_device(make: MakePrior, dtype: torch.dtype):
    prior = make()
    here = [
        {name: value.to(dtype) for name, value in of(prior, seed).items()}
        for seed, of in enumerate((random_symbols, random_side))
    ]
    there = [{name: value.cuda() for name, value in named.items()} for named in here]
    for batch in prior.batches():
        a, b = prior.predict(*here, batch), prior.predict(*there, batch)
        assert torch.equal(a.mean_eighths, b.mean_eighths.cpu())
        assert torch.equal(a.scale_index, b.scale_index.cpu())
