"""Block matching: motion of lattice cells by comparing blocks, on pictures of reduced resolution.

Flow is [N, 2, h, w]: (dx, dy) in luma samples, one vector a cell of 16x16 luma samples; a block is its cell.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from nvrc_formats.shapes import MotionWaveletShape
from torch import Tensor

CELL = MotionWaveletShape.COARSEST_STRIDE
FINE, COARSE = 2, 4
"""Luma samples along a side of a sample of the two reduced resolutions."""

REACH = 32
"""Luma samples along each axis that a block may move apart from the whole picture."""

# Prices of motion, in mean absolute differences of samples in [0, 1]: of the root of a distance in samples of the
# lowest resolution, and of a luma sample of difference from neighbours, up to ROUGHEST samples. High ones: motion that
# is smooth where pictures say little is cheaper to code, and is where the descent that follows wants to start.
DISTANCE_PRICE = 0.0008
ROUGHNESS_PRICE = 0.003
ROUGHEST = 32.0
AGREEING_ROUNDS = 3

# Logits of the mask for a ratio of e between the mean absolute differences of both references, which start at
# SMALLEST_DIFFERENCE, and the most of them.
FAVOUR, SMALLEST_DIFFERENCE, LARGEST_MASK = 1.5, 0.01, 2.0

FOUR = ((-1, 0), (1, 0), (0, -1), (0, 1))
EIGHT = (*FOUR, (-1, -1), (1, -1), (-1, 1), (1, 1))


def full_search(current: Tensor, reference: Tensor, farthest: int, thrift: float = 1.0) -> Tensor:
    """The best of all moves up to REACH luma samples along each axis from the picture's dominant move, which can be
    `farthest` luma samples long; moves are four luma samples apart. Of equal ones the one nearest to the dominant move
    is taken: a wider search of blocks finds more wrong motion than right one.

    `current`, `reference`: pictures [N, 1, H / 2, W / 2] at half the luma resolution. `thrift`: factor on all prices.
    """
    current, reference = (F.avg_pool2d(picture, COARSE // FINE) for picture in (current, reference))
    dominant = dominant_move(current, reference, farthest // COARSE)
    height, width = current.shape[-2:]
    radius = REACH // COARSE
    moves = _moves(radius)
    around = _shifted(reference, dominant, radius)
    costs = current.new_empty(len(moves), len(current), 1, height * COARSE // CELL, width * COARSE // CELL)
    difference = torch.empty_like(current)
    for cost, (x, y) in zip(costs, moves, strict=True):
        moved = around[:, :, radius + y : radius + y + height, radius + x : radius + x + width]
        torch.sub(moved, current, out=difference)
        torch.mean(_cells(difference.abs_(), CELL // COARSE), dim=(3, 5), out=cost)
    # A block of 4x4 samples is small: neighbours have a say.
    near = F.avg_pool2d(F.pad(costs.flatten(0, 2), (1,) * 4, mode="replicate"), 3, stride=1)
    table = costs.new_tensor(moves)
    costs.lerp_(near.view_as(costs), 0.5).add_(thrift * DISTANCE_PRICE * table.norm(dim=1).sqrt().view(-1, 1, 1, 1, 1))
    best = _agreed(costs.squeeze(2), table, thrift * ROUGHNESS_PRICE)
    return (best + dominant.view(-1, 2, 1, 1)) * COARSE


def _agreed(costs: Tensor, table: Tensor, roughness_price: float) -> Tensor:
    """The moves [N, 2, h, w] of a table [M, 2] with the least of costs [M, N, h, w] and of what neighbours differ."""
    best = table[costs.argmin(dim=0)].movedim(-1, 1)
    radius = int(table.max())
    span = torch.arange(-radius, radius + 1, device=table.device).to(table).view(-1, 1, 1, 1)
    places = (table.long() + radius).unbind(dim=1)  # of a move along x and along y in the span
    for _ in range(AGREEING_ROUNDS):
        rough = costs.clone()
        for neighbour in _shifts(best):
            along_x, along_y = (
                (span - side).abs_()[place] for side, place in zip(neighbour.unbind(1), places, strict=True)
            )
            rough.add_(along_x.add_(along_y).clamp_(max=ROUGHEST / COARSE), alpha=roughness_price * COARSE / len(FOUR))
        best = table[rough.argmin(dim=0)].movedim(-1, 1)
    return best


def dominant_move(current: Tensor, reference: Tensor, farthest: int) -> Tensor:
    """The move (x, y) of the whole picture [N, 2] in samples, even numbers up to `farthest`, with the least mean
    absolute difference where the pictures overlap, which is at least half of each side."""
    current, reference = (F.avg_pool2d(picture, 2, ceil_mode=True) for picture in (current, reference))
    height, width = current.shape[-2:]
    moves = [(x, y) for x, y in _moves(farthest // 2) if 2 * abs(x) <= width and 2 * abs(y) <= height]
    costs = current.new_empty(len(moves), len(current))
    for cost, (x, y) in zip(costs, moves, strict=True):
        here = current[..., max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
        there = reference[..., max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
        torch.mean((here - there).abs_(), dim=(1, 2, 3), out=cost)
    table = costs.new_tensor(moves)
    costs += DISTANCE_PRICE * table.norm(dim=1, keepdim=True).sqrt()
    return table[costs.argmin(dim=0)] * 2


def _moves(radius: int) -> list[tuple[int, int]]:
    """All moves (x, y) up to a radius along each axis, the shortest first."""
    span = range(-radius, radius + 1)
    return sorted(((x, y) for y in span for x in span), key=lambda move: move[0] ** 2 + move[1] ** 2)


def _shifted(pictures: Tensor, moves: Tensor, margin: int) -> Tensor:
    """Pictures [N, 1, H, W] read at (x + dx, y + dy), moves [N, 2] in samples, with a margin; borders are held."""
    height, width = pictures.shape[-2:]
    steps = moves.long()
    x = torch.arange(-margin, width + margin, device=pictures.device) + steps[:, :1]
    y = torch.arange(-margin, height + margin, device=pictures.device) + steps[:, 1:]
    index = y.clamp(0, height - 1).unsqueeze(2) * width + x.clamp(0, width - 1).unsqueeze(1)
    return pictures.flatten(1).gather(1, index.flatten(1)).view(-1, 1, height + 2 * margin, width + 2 * margin)


def refine(
    current: Tensor, reference: Tensor, flow: Tensor, expected: Tensor, thrift: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Flow to one luma sample, and what it leaves, [N, 1, h, w] in mean absolute differences: the best of the given
    flow, of `expected`, of zero and of the neighbours' flows, then of small moves around it. `thrift`: as above."""
    search = _Refinement(current, reference, flow, thrift * ROUGHNESS_PRICE)
    search.offer([torch.zeros_like(flow), expected, search.typical, *_shifts(flow)])
    for move in (2, 1):
        search.settle()
        centre = search.flow
        search.offer(centre + centre.new_tensor(step).view(1, 2, 1, 1) * move for step in EIGHT)
    search.settle()
    search.offer([search.typical, *_shifts(search.flow)])
    return search.flow, search.difference(search.flow)


def first_mask(differences: list[Tensor]) -> Tensor:
    """Logits in favour of the reference that is like the picture, by the mean absolute differences of both."""
    first, second = (difference + SMALLEST_DIFFERENCE for difference in differences)
    return ((second / first).log() * FAVOUR).clamp(-LARGEST_MASK, LARGEST_MASK)


class _Refinement:
    """The best flow so far. `typical`: the median of each cell and its neighbours."""

    def __init__(self, current: Tensor, reference: Tensor, flow: Tensor, roughness_price: float) -> None:
        self.current, self.reference, self.flow = current, reference, flow
        self.roughness_price = roughness_price
        height, width = current.shape[-2:]
        self.x = torch.arange(width, device=current.device) + 0.5
        self.y = torch.arange(height, device=current.device).unsqueeze(1) + 0.5
        self.settle()

    def settle(self) -> None:
        """Makes the flow so far what neighbours are compared with."""
        self.typical = _median(self.flow)
        self.cost = self._cost(self.flow)

    def offer(self, candidates: Iterable[Tensor]) -> None:
        for candidate in candidates:
            cost = self._cost(candidate)
            better = cost < self.cost
            self.cost = torch.where(better, cost, self.cost)
            self.flow = torch.where(better, candidate, self.flow)

    def _cost(self, flow: Tensor) -> Tensor:
        roughness = (flow - self.typical).abs().sum(dim=1, keepdim=True).clamp(max=ROUGHEST)
        return self.difference(flow) + self.roughness_price * roughness

    def difference(self, flow: Tensor) -> Tensor:
        """[N, 1, h, w]."""
        height, width = self.current.shape[-2:]
        block = CELL // FINE
        dense = (flow / FINE).repeat_interleave(block, dim=-2).repeat_interleave(block, dim=-1)
        x, y = (self.x + dense[:, 0]) * (2 / width) - 1, (self.y + dense[:, 1]) * (2 / height) - 1
        places = torch.stack([x, y], dim=1).permute(0, 2, 3, 1)  # planar: read faster
        moved = F.grid_sample(self.reference, places, padding_mode="border", align_corners=False)
        return _cells((moved - self.current).abs_(), block).mean(dim=(3, 5))


def _cells(picture: Tensor, size: int) -> Tensor:
    """[N, 1, H, W] to [N, 1, H / size, size, W / size, size]."""
    count, planes, height, width = picture.shape
    return picture.view(count, planes, height // size, size, width // size, size)


def _shifts(flow: Tensor) -> list[Tensor]:
    """The flow of each of the four neighbours."""
    around = F.pad(flow, (1,) * 4, mode="replicate")
    height, width = flow.shape[-2:]
    return [around[:, :, 1 + y : 1 + y + height, 1 + x : 1 + x + width] for x, y in FOUR]


def _median(flow: Tensor) -> Tensor:
    around = F.pad(flow, (1,) * 4, mode="replicate").unfold(2, 3, 1).unfold(3, 3, 1)
    return around.flatten(-2).median(dim=-1).values
