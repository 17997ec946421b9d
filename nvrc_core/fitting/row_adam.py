"""Adam for grids of which a step sees only some rows (frames)."""

from collections.abc import Mapping

import torch
from torch import Tensor

EPSILON = 1e-12
NEIGHBOURHOOD = 5
"""Values across, of which second moments are taken as one."""
MAX_MOVE = 4.0
"""Of a value in one step, in units of the rate. Less takes so much from rare large gradients that many small ones of
the other sign win, and symbols come to rest elsewhere than where the loss is lowest."""


def members_of(levels: Tensor, count: int) -> Tensor:
    """[count, N]: 1 where a row of the given levels [N] belongs to a level. A product with it sums over each level, in
    a fixed order also on CUDA."""
    return (levels == torch.arange(count, device=levels.device).unsqueeze(1)).float()


class RowAdam:
    """Kingma and Ba, "Adam", 2015, with three changes for grids [F, h, w, C].

    Rows that a step leaves out stand still: their momentum would carry them on without a gradient. The second moment is
    one number for a channel of all rows of a `level`: single values of a sparse grid see too few gradients for one of
    their own, while frames that others are predicted from see far larger ones. Where the mean of a value's
    neighbourhood is larger, it takes the place of that number: gradients of some places are many times the root mean
    square in every step. And no value moves by more than MAX_MOVE rates: larger steps overshoot, and whatever is
    predicted from there follows.
    """

    def __init__(self, grids: Mapping[str, Tensor], levels: Tensor, betas: tuple[float, float]) -> None:
        """`levels`: the level of each row, int64 [F] on the grids' device."""
        self.grids = {name: grid.clone() for name, grid in grids.items()}
        self._levels, self._betas = levels, betas
        count = int(levels.max()) + 1
        self._first = {name: torch.zeros_like(grid) for name, grid in grids.items()}
        self._second = {name: grid.new_zeros(count, grid.shape[-1]) for name, grid in grids.items()}
        self._nearby = {name: torch.zeros_like(grid) for name, grid in grids.items()}
        self._row_visits = torch.zeros(len(levels), device=levels.device)
        self._level_visits = torch.zeros(count, device=levels.device)

    def leaves(self, rows: Tensor) -> dict[str, Tensor]:
        """Copies of some rows, by name, that collect gradients."""
        return {name: grid[rows].requires_grad_() for name, grid in self.grids.items()}

    def scale(self, factors: Mapping[str, Tensor]) -> None:
        """Multiplies grids, which other step sizes make smaller or larger numbers. A factor is [F or 1, 1, 1, C],
        equal in all rows of a level."""
        for name, factor in factors.items():
            self.grids[name] *= factor
            self._first[name] /= factor
            self._nearby[name] /= factor.square()
            by_level = torch.ones_like(self._second[name])
            by_level[self._levels] = factor.expand(len(self._levels), -1, -1, -1)[:, 0, 0]
            self._second[name] /= by_level.square()

    @torch.no_grad()
    def step(self, rows: Tensor, gradients: Mapping[str, Tensor], rate: float | Tensor) -> None:
        """Moves the rows; `rate`: about the change of a value whose gradients agree."""
        momentum, memory = self._betas
        levels = self._levels[rows]
        of_level = members_of(levels, len(self._level_visits))
        members = of_level.sum(dim=1, keepdim=True)
        visited = members > 0
        self._row_visits[rows] += 1
        self._level_visits += visited[:, 0]
        first_bias, nearby_bias = (
            (1 - beta ** self._row_visits[rows]).view(-1, 1, 1, 1) for beta in (momentum, memory)
        )
        second_bias = (1 - memory**self._level_visits).clamp_min(EPSILON).unsqueeze(1)
        for name, gradient in gradients.items():
            first = self._first[name][rows].lerp_(gradient, 1 - momentum)
            self._first[name][rows] = first
            squares = gradient.square()
            nearby = self._nearby[name][rows].lerp_(_blurred(squares), 1 - memory)
            self._nearby[name][rows] = nearby
            second = self._second[name]
            now = of_level @ squares.mean(dim=(1, 2)) / members.clamp_min(1)
            second.copy_(torch.where(visited, second.lerp(now, 1 - memory), second))
            shared = (second / second_bias)[levels][:, None, None]
            scale = torch.maximum(shared, nearby / nearby_bias).sqrt_().add_(EPSILON)
            move = (first / (first_bias * scale)).clamp_(-MAX_MOVE, MAX_MOVE)
            self.grids[name].index_add_(0, rows, move.mul_(-rate))


def _blurred(grid: Tensor) -> Tensor:
    """The mean of each value's neighbourhood in [F, h, w, C], as far as it lies inside."""
    inside = _window_sums(_window_sums(grid.new_ones(1, *grid.shape[1:3], 1), 1), 2)
    return _window_sums(_window_sums(grid, 2), 1).div_(inside)


def _window_sums(values: Tensor, axis: int) -> Tensor:
    """Sums over NEIGHBOURHOOD values along an axis. With channels last, whole rows are added: several times as fast as
    the library's pooling."""
    size, sums = values.shape[axis], values.clone()
    for distance in range(1, min(NEIGHBOURHOOD // 2 + 1, size)):
        sums.narrow(axis, distance, size - distance).add_(values.narrow(axis, 0, size - distance))
        sums.narrow(axis, 0, size - distance).add_(values.narrow(axis, distance, size - distance))
    return sums
