"""The interface between what is fitted and everything around it.

Fitting, compression and the container know a representation only as a list of named parameters and a
`render` function; they never look inside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

# "grid": [T, H, W, C], coded under the context prior, coarser levels first.
# "band", "motion": [T, H, W, C], rows in coding order: wavelet bands, coarser first, and motion.
# "layer": a matrix [rows, ...], coded under the dual-axis prior; local grids count as layers, as in the paper.
# "bias": a vector, coded with one step, mean and scale.
# "filter": weights of the filter of predictions, coded as a layer.
Kind = Literal["grid", "band", "motion", "layer", "bias", "filter"]


@dataclass(frozen=True)
class ParameterSpec:
    """One tensor of a representation. `init_bound`: it starts uniform in [-init_bound, init_bound]."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    init_bound: float

    @property
    def size(self) -> int:
        """The number of values."""
        return int(torch.Size(self.shape).numel())


class Representation(Protocol):
    """A family of parametric videos of one size."""

    specs: tuple[ParameterSpec, ...]
    """All parameters, in coding order."""

    mac_per_pixel: float
    """Multiply-accumulates per luma sample of one rendered frame."""

    def initial_parameters(self, plane_means: tuple[float, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Float32 starting values by name. `plane_means`: mean sample of Y, U, V in [0, 1]."""
        ...

    def render(self, parameters: Mapping[str, Tensor], frames: Tensor) -> tuple[Tensor, ...]:
        """Planes Y, U, V as [B, H, W] in [0, 1] (unrounded) of the frame indices [B], each without the others."""
        ...

    def render_each(self, parameters: Mapping[str, Tensor], frames: range) -> Iterator[tuple[Tensor, ...]]:
        """Planes Y, U, V as [1, H, W] of one frame after the other, the same whichever others are asked for."""
        ...
