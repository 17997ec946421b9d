"""The priors of bands and motion are those of SPEC section 11.4, which is computed here in Python's integers."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from random_segments import uniform

from nvrc_core.compression.band_prior import BandPrior
from nvrc_core.compression.motion_prior import MotionPrior
from nvrc_core.compression.prior import GridsPrior
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.intervals import Intervals

CHANNELS = {"band16": 12, "band8": 9, "band4": 9, "band2": 3}
BANDS = list(CHANNELS)
PHASES = [(0, 0), (1, 1), (0, 1), (1, 0)]
DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
HORIZONTAL, VERTICAL = [(0, -1), (0, 1)], [(-1, 0), (1, 0)]
KNOWN = [[], [(DIAGONAL, 0)], [(HORIZONTAL, 1), (VERTICAL, 2)], [(DIAGONAL, 3), (HORIZONTAL, 4), (VERTICAL, 5)]]
# Frames and keys; the largest symbols and values of side information; cells.
SEGMENTS = [
    (5, (0, 4), 3, 60, (3, 2)),
    (7, (0, 2, 6), 40, 300, (1, 3)),
    (1, (0,), 2000, MAX_SIDE_VALUE, (2, 2)),
    (3, (0, 1, 2), MAX_SYMBOL - 1, MAX_SIDE_VALUE, (2, 1)),
    (8, (0, 7), 5, 30, (1, 1)),
]


def clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def logarithm(total: int) -> int:
    exponent = total.bit_length() - 1
    return 8 * exponent + ((8 * total) >> exponent) - 48


class Side:
    """Side information in integers."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.arrays = {name: value.numpy().astype(np.int64) for name, value in tensors.items()}

    def __call__(self, name: str, *at: int) -> int:
        return int(self.arrays[name][at])

    def weight(self, name: str, *at: int) -> int:
        return clamp(self(name, *at), 0, 255)


def of_band(
    grids: dict[str, np.ndarray], side: Side, intervals: Intervals, name: str, at: tuple[int, ...]
) -> tuple[int, int]:
    """(mean in eighths, scale index): 11.4.1."""
    row, y, x, c = at
    grid, band, context = grids[name], BANDS.index(name), intervals.context[row]
    kind = min(intervals.level[row], 1)
    group = 0 if row == 0 else intervals.level[row] + 1
    is_low_pass = band == 0 and c < 3
    offset = side("band.offset", c) if is_low_pass else 0
    parent = grids[BANDS[band - 1]] if band else None

    def symbol(y: int, x: int) -> int:
        inside = 0 <= y < grid.shape[1] and 0 <= x < grid.shape[2]
        return clamp(int(grid[row, y, x, c]) - offset * (row == 0), -2047, 2047) if inside else 0

    def before(y: int, x: int) -> int:
        inside = 0 <= y < grid.shape[1] and 0 <= x < grid.shape[2] and context >= 0
        return min(abs(int(grid[context, y, x, c]) - offset * (context == 0)), 2047) if inside else 0

    def above(y: int, x: int) -> int:
        inside = 0 <= y < parent.shape[1] and 0 <= x < parent.shape[2]
        return min(abs(int(parent[row, y, x, c + 3 * (band == 1)])), 2047) if inside else 0

    phase = PHASES.index((y % 2, x % 2))
    orientation = 0 if is_low_pass else 1 + c % 3
    total, mean = 32, 0
    for neighbours, entry in KNOWN[phase]:
        symbols = [symbol(y + dy, x + dx) for dy, dx in neighbours]
        total += side.weight("band.neighbours", kind, entry) * sum(map(abs, symbols))
        mean += side("band.mean", kind, orientation, entry) * sum(symbols)
    cross = HORIZONTAL + VERTICAL
    sums = [before(y, x), sum(before(y + dy, x + dx) for dy, dx in cross)]
    if band:
        sums += [above(y >> 1, x >> 1), sum(above((y >> 1) + dy, (x >> 1) + dx) for dy, dx in cross)]
    total += sum(side.weight("band.outer", kind, phase, entry) * value for entry, value in enumerate(sums))
    slope = side("band.slope", kind, 0 if is_low_pass else 1 + band)
    bias = side(f"{name}.scale", group, c) + side("band.phase", kind, phase)
    mean = clamp(mean >> 4, -16383, 16383) + (8 * offset if row == 0 else 0)
    return mean, clamp(bias + ((slope * logarithm(total)) >> 6), 0, 63)


def of_motion(
    grids: dict[str, np.ndarray], side: Side, intervals: Intervals, name: str, at: tuple[int, ...]
) -> tuple[int, int]:
    """(mean in eighths, scale index): 11.4.2."""
    row, y, x, c = at
    grid, context = grids[name], intervals.context[row]
    goes_on = intervals.level[row] > 0 and context == intervals.reference0[row]

    def value(row: int, y: int, x: int, c: int) -> int:
        inside = 0 <= y < grid.shape[1] and 0 <= x < grid.shape[2] and row >= 0
        return clamp(int(grid[row, y, x, c]), -1023, 1023) if inside else 0

    def s(dy: int, dx: int, c: int = c) -> int:
        return value(row, y + dy, x + dx, c)

    def e(dy: int, dx: int) -> int:
        t = [value(context, y + dy, x + dx, channel) for channel in range(6)]
        return ((-t[2], -t[3], t[2], t[3], *t[4:]) if goes_on else (t[0], t[1], -t[0], -t[1], *t[4:]))[c]

    known = [s(0, -1), s(-1, 0), s(-1, -1), s(-1, 1), e(0, 0), e(0, -1), e(-1, 0), e(0, 1) + e(1, 0)]
    known.append(-s(0, 0, c - 2) if c in (2, 3) else 0)
    mean = sum(side("motion.mean", c, entry) * number for entry, number in enumerate(known))
    kind = (0, 0, 1, 1, 2, 3)[c]
    changes = sum(
        abs(s(0, 0, coded) - s(0, -1, coded)) + abs(s(0, 0, coded) - s(-1, 0, coded))
        for coded in range(2 * min(kind, 2))
    )
    differences = [
        abs(s(0, -1) - s(-1, 0)),
        abs(s(-1, 0) - s(-1, -1)),
        abs(s(-1, 0) - s(-1, 1)),
        abs(s(0, -1) - s(-1, -1)),
        abs(e(0, 1) - e(0, -1)) + abs(e(1, 0) - e(-1, 0)),
        changes,
        abs(e(0, 0)),
    ]
    total = 32 + sum(side.weight("motion.weight", kind, entry) * value for entry, value in enumerate(differences))
    scale = side("motion.scale", intervals.level[row], c) + ((side("motion.slope", kind) * logarithm(total)) >> 6)
    return clamp(mean >> 4, -16383, 16383), clamp(scale, 0, 63)


def predicted(prior: GridsPrior, grids: dict, side: dict) -> Iterator[tuple[str, tuple[int, ...], tuple[int, int]]]:
    """Name, position and (mean, scale) of every symbol, in coding order."""
    for batch in prior.batches():
        shape = grids[batch.name].shape
        positions = torch.arange(grids[batch.name].numel()).view(shape)[batch.index]
        prediction = prior.predict(grids, side, batch)
        fields = (prediction.mean_eighths.expand(positions.shape), prediction.scale_index.expand(positions.shape))
        for position, mean, scale in zip(*(field.flatten().tolist() for field in (positions, *fields)), strict=True):
            yield batch.name, tuple(map(int, np.unravel_index(position, shape))), (int(mean), int(scale))


@pytest.mark.parametrize(("frames", "keys", "limit", "side_limit", "cells"), SEGMENTS)
@pytest.mark.parametrize("specified", [of_band, of_motion])
def test_priors_are_those_of_the_specification(specified, frames, keys, limit, side_limit, cells):
    generator = np.random.default_rng([frames, limit])
    intervals, (height, width) = Intervals(frames, keys), cells
    if specified is of_band:
        specs = tuple(
            ParameterSpec(name, (frames, height << level, width << level, channels), "band", 0.0)
            for level, (name, channels) in enumerate(CHANNELS.items())
        )
        prior = BandPrior(specs, intervals)
    else:
        prior = MotionPrior(ParameterSpec("motion", (frames, height, width, 6), "motion", 0.0), intervals)
    grids = {spec.name: uniform(generator, limit, spec.shape) for spec in prior.specs}
    if specified is of_motion:  # what is not coded is 0
        grids["motion"][: len(keys), ..., 2:5] = 0
        grids["motion"][0] = 0
    side = {spec.name: uniform(generator, side_limit, spec.shape) for spec in prior.side_specs}
    arrays, integers = {name: grid.numpy() for name, grid in grids.items()}, Side(side)
    seen = list(predicted(prior, grids, side))
    for name, at, found in seen:
        assert found == specified(arrays, integers, intervals, name, at), (name, at)
    assert len({(name, at) for name, at, _ in seen}) == len(seen)


def test_a_level_of_motion_is_coded_in_wavefronts():
    """Rows of a level together, in each wavefront set by set of channels, all in array order."""
    prior = MotionPrior(ParameterSpec("motion", (5, 2, 3, 6), "motion", 0.0), Intervals(5, (0, 4)))
    grids = {"motion": torch.zeros(5, 2, 3, 6)}
    side = {spec.name: torch.zeros(spec.shape) for spec in prior.side_specs}
    order = [at for _, at, _ in predicted(prior, grids, side)]
    sets = {0: [(0, 1), (5,)], 1: [(0, 1), (2, 3), (4, 5)]}
    cells = [[(0, 0)], [(0, 1)], [(0, 2), (1, 0)], [(1, 1)], [(1, 2)]]
    expected = [
        (row, *cell, channel)
        for rows, kind in (((1,), 0), ((2,), 1), ((3, 4), 1))
        for wavefront in cells
        for channels in sets[kind]
        for row in rows
        for cell in wavefront
        for channel in channels
    ]
    assert order == expected
