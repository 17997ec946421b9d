"""Motion rounded to steps with regard to what it costs: the nearest step is seldom the best one.

From the nearest steps on, each node of the lattice takes the value in its neighbourhood with the lowest price: squared
errors by the quadratic model of `motion_descent`, and differences from other motion as a coder sees them. Nodes are
taken in four turns, so that no two of a turn share a cell of the model (iterated conditional modes: J. Besag, "On the
Statistical Analysis of Dirty Pictures", 1986).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.fitting.motion_descent import Target, linearise

# Bits for a step of difference from each of the four neighbours, and from what the context row lets expect; for a step
# of the mask.
NEIGHBOUR_PRICE, EXPECTED_PRICE, MASK_PRICE = 0.8, 0.5, 1.0

ROUNDS = 2
TURNS = ((0, 0), (1, 1), (0, 1), (1, 0))


def round_motion(motion: Tensor, target: Target, steps: Tensor, inherited: Tensor) -> Tensor:
    """What is coded of motion [N, C, h, w], as multiples of `steps` [C]; `inherited`, alike, is added to it."""
    lattice = _Lattice(target, steps.view(-1, 1, 1), inherited)
    symbols = ((motion - inherited) / lattice.steps).round()
    for _ in range(ROUNDS):
        symbols = lattice.improved(symbols)
    return symbols * lattice.steps


class _Lattice:
    """Prices of symbols [N, C, h, w], which are what is coded of motion in steps; `flows` of the channels are flow, the
    rest mask."""

    def __init__(self, target: Target, steps: Tensor, inherited: Tensor) -> None:
        self.target, self.steps, self.inherited = target, steps, inherited
        self.flows = flows = 2 * len(target.references)
        self.expected = (target.expected[:, :flows] - inherited[:, :flows]) / steps[:flows]

    def improved(self, symbols: Tensor) -> Tensor:
        """One turn for every node."""
        model = linearise(self._motion(symbols), self.target)
        curvature = model.node_curvature() * self.steps.unsqueeze(1) * self.steps
        for top, left in TURNS:
            slope = model.gradient(self._motion(symbols)) * self.steps
            around = _neighbours(symbols)
            price = self._price(symbols, around)
            most, best = torch.zeros_like(price), symbols
            for candidate in self._candidates(symbols, around):
                move = candidate - symbols
                bent = torch.einsum("nabyx,nbyx->nayx", curvature, move).div_(2).add_(slope)
                gain = price - self._price(candidate, around) - (bent * move).sum(dim=1, keepdim=True)
                best = torch.where(gain > most, candidate, best)
                most = torch.maximum(most, gain)
            symbols = symbols.clone()
            symbols[..., top::2, left::2] = best[..., top::2, left::2]
        return symbols

    def _motion(self, symbols: Tensor) -> Tensor:
        return self.inherited + symbols * self.steps

    def _candidates(self, symbols: Tensor, around: list[Tensor]) -> Iterator[Tensor]:
        """A step up or down in a channel; a neighbour's flow towards one reference; all of a neighbour."""
        for channel in range(symbols.shape[1]):
            for step in (-1, 1):
                candidate = symbols.clone()
                candidate[:, channel] += step
                yield candidate
        for neighbour in around:
            for side in range(0, self.flows, 2):
                yield torch.cat([symbols[:, :side], neighbour[:, side : side + 2], symbols[:, side + 2 :]], dim=1)
            yield neighbour

    def _price(self, candidate: Tensor, around: list[Tensor]) -> Tensor:
        """[N, 1, h, w]: bits of a candidate among its neighbours' symbols."""
        differences = sum((candidate - neighbour).abs() for neighbour in around) * NEIGHBOUR_PRICE
        differences[:, : self.flows] += (candidate[:, : self.flows] - self.expected).abs() * (
            self.target.known * EXPECTED_PRICE
        )
        differences[:, self.flows :] += candidate[:, self.flows :].abs() * MASK_PRICE
        return differences.sum(dim=1, keepdim=True)


def _neighbours(symbols: Tensor) -> list[Tensor]:
    around = F.pad(symbols, (1,) * 4, mode="replicate")
    height, width = symbols.shape[-2:]
    return [around[:, :, y : y + height, x : x + width] for x, y in ((0, 1), (2, 1), (1, 0), (1, 2))]
