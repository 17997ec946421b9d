"""Motion between the frames of a video and their references, by search: where a fit of motion starts.

Coarse to fine, level by level of the tree of references, so that the motion of a row is known when others are
predicted from it: block matching at a quarter and at half of the resolution, then descent through the decoder's
prediction, and rounding.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.fitting.block_search import CELL, FINE, first_mask, full_search, refine
from nvrc_core.fitting.motion_coding import USUAL, MotionCoding
from nvrc_core.fitting.motion_descent import Target, descend
from nvrc_core.fitting.motion_rounding import round_motion
from nvrc_core.fitting.rate_control import TYPICAL_QUALITY_WEIGHT
from nvrc_core.representation.inherited_motion import FIRST_TO_INHERIT, inherited_flow
from nvrc_core.representation.intervals import NONE, Intervals
from nvrc_core.representation.motion_channels import FLOW0, FLOW_CHANNELS, MASK, MOTION_CHANNELS

FARTHEST, SPEED = 128, 24
"""Luma samples along each axis that the whole picture may move, in all and in a frame's time."""

TYPICAL_ERROR_PRICE, PRICE_EXPONENT = 300.0, 0.7
"""At the typical lambda, a squared error of luma is worth the 300 bits that it weighs in the loss. At others it is
worth about so much, as found on quantised closed loops: the residual makes up for part of what motion misses."""

MOST_ERROR_PRICE = 1.7
"""In units of lambda: what little residual there is at the lowest ones makes up for nothing."""

USUAL_ERROR_PRICE = 35.0
"""Below it the prices of block matching, which are in units of differences, grow: blocks of different motion are not
worth their bits, and the descent that follows cannot make them one again."""

CHUNK_PIXELS = 2**20
"""Luma samples that are worked on at once."""


@torch.no_grad()
def search_motion(
    luma: Tensor,
    intervals: Intervals,
    *,
    coding: MotionCoding = USUAL,
    quality_weight: float = TYPICAL_QUALITY_WEIGHT,
    peak: int = 255,
) -> Tensor:
    """What is coded of motion, [F, h, w, 6] in row order and the coding's cells: (dx, dy) to either reference in luma
    samples, and the mask in logits, as multiples of the coding's steps. The fade is zero: what it is worth shows in a
    closed loop (`warm_start`).

    `quality_weight`: about the lambda of the fit: at a low one, motion that saves little error is not worth its bits.
    `luma`: samples [T, H, W] up to `peak`, H and W multiples of 16, in the order of time (see `warm_start.pad_planes`).
    Keys only move from the key before.
    """
    frames, height, width = luma.shape
    lattice = -(-height // coding.cell), -(-width // coding.cell)
    coded = torch.zeros(frames, *lattice, MOTION_CHANNELS, device=luma.device)
    motion = torch.zeros_like(coded)
    chunk = max(1, CHUNK_PIXELS // (height * width))
    error_price = min(
        TYPICAL_ERROR_PRICE * (quality_weight / TYPICAL_QUALITY_WEIGHT) ** PRICE_EXPONENT,
        MOST_ERROR_PRICE * quality_weight,
    )
    for level in range(intervals.levels):
        rows = intervals.rows_of_level(level)
        distance = _distance(intervals, range(frames)[rows])
        for first in range(max(1, rows.start), rows.stop, chunk):
            chunk_rows = list(range(first, min(first + chunk, rows.stop)))
            farthest = min(FARTHEST, distance * SPEED)
            expected = _expected(motion, chunk_rows, intervals)
            coded[chunk_rows] = _search(luma, intervals, chunk_rows, expected, coding, farthest, peak, error_price)
            motion[chunk_rows] = coded[chunk_rows] + expected * coding.inherits
    return coded


def _distance(intervals: Intervals, rows: Iterable[int]) -> int:
    """The largest distance in time to a reference."""
    pairs = [(row, of[row]) for row in rows for of in (intervals.reference0, intervals.reference1) if of[row] != NONE]
    return max((abs(intervals.frame[row] - intervals.frame[reference]) for row, reference in pairs), default=0)


def _expected(motion: Tensor, rows: list[int], intervals: Intervals) -> Tensor:
    """Motion [N, h, w, 6] that rows of one level inherit, if any do, from that of all rows."""
    if intervals.level[rows[0]] < FIRST_TO_INHERIT:
        return torch.zeros_like(motion[rows])
    context = motion[[intervals.context[row] for row in rows]]
    flow = inherited_flow(context, torch.tensor(rows, device=motion.device), intervals)
    return F.pad(flow, (0, motion.shape[-1] - FLOW_CHANNELS))


def _search(
    luma: Tensor,
    intervals: Intervals,
    rows: list[int],
    expected: Tensor,
    coding: MotionCoding,
    farthest: int,
    peak: int,
    error_price: float,
) -> Tensor:
    """What is coded of the motion of rows of one level: [N, h, w, 6]. The whole picture may move by `farthest` luma
    samples."""
    level = intervals.level[rows[0]]
    thrift = max(1.0, USUAL_ERROR_PRICE / error_price)

    def pictures(of_rows: list[int]) -> Tensor:
        return (luma[[intervals.frame[row] for row in of_rows]].unsqueeze(1) / peak).sub_(0.5)

    known = expected.new_full((len(rows), 1, 1, 1), float(level >= FIRST_TO_INHERIT))
    channels = (MASK if level else FLOW0).stop
    expected = expected[..., :channels].movedim(-1, 1)
    current, references, flows, differences = pictures(rows), [], [], []
    current_half = F.avg_pool2d(current, FINE)
    for side, of_row in enumerate((intervals.reference0, intervals.reference1)[: 2 if level else 1]):
        references.append(pictures([of_row[row] for row in rows]))
        half = F.avg_pool2d(references[-1], FINE)
        flow = full_search(current_half, half, farthest, thrift)
        expected_flow = F.interpolate(expected[:, 2 * side : 2 * side + 2], flow.shape[-2:])
        flow, difference = refine(current_half, half, flow, expected_flow, thrift)
        flows.append(flow)
        differences.append(difference)

    start = torch.cat([*flows, first_mask(differences)] if level else flows, dim=1)
    start = _in_larger_cells(start, coding.cell // CELL)
    position = start.new_tensor([intervals.position[row] for row in rows])
    target = Target(current, references, expected, known, position, error_price, coding.overlapping_cell)
    steps = start.new_tensor(coding.steps[:channels])
    found = round_motion(descend(start, target), target, steps, expected * coding.inherits)
    return F.pad(found.movedim(1, -1), (0, MOTION_CHANNELS - channels))


def _in_larger_cells(motion: Tensor, scale: int) -> Tensor:
    """Motion [N, C, h, w] in cells of `scale` by `scale` cells: of the motions inside, the one that is least far from
    all others, as the mean of two is neither."""
    height, width = motion.shape[-2:]
    padded = F.pad(motion, (0, -width % scale, 0, -height % scale), mode="replicate")
    inside = F.pixel_unshuffle(padded, scale).unflatten(1, (motion.shape[1], -1))  # [N, C, scale**2, h', w']
    far = torch.stack([(inside - one.unsqueeze(2)).abs().sum(dim=(1, 2)) for one in inside.unbind(2)], dim=1)
    typical = far.argmin(dim=1).view(-1, 1, 1, *inside.shape[-2:]).expand(-1, motion.shape[1], 1, -1, -1)
    return inside.gather(2, typical).squeeze(2)
