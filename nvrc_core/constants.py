"""Small constant tensors, made once for each device: on CUDA, bringing one there waits for all work that is under way,
and can be no part of a recorded graph."""

from functools import lru_cache

import torch
from torch import Tensor

Numbers = tuple[float, ...] | tuple["Numbers", ...]


def constant(values: Numbers, like: Tensor) -> Tensor:
    """Numbers in the type of `like`, on its device. Not to be written to."""
    return _kept(values, like.dtype, like.device)


def indices(values: tuple[int, ...], like: Tensor) -> Tensor:
    """Whole numbers as int64, on the device of `like`. Not to be written to."""
    return _kept(values, torch.int64, like.device)


def look_up(table: tuple[int, ...], index: Tensor) -> Tensor:
    """The table's entries at `index` (int64), as int64."""
    return indices(table, index)[index]


@lru_cache(maxsize=4096)
def _kept(values: Numbers, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)
