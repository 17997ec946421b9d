"""How all parameters of a representation become symbols: steps, priors and rates of layers, grids and side information.

Training and coding both go through this one class, so that what is trained is what is written.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nvrc_core.compression.grid_prior import GridPrior
from nvrc_core.compression.layer_prior import LayerPrior
from nvrc_core.compression.rate import matching_scale_index
from nvrc_core.compression.side_information import STEPS_PER_OCTAVE, SideValues, side_bits, step_size
from nvrc_core.representation.base import ParameterSpec

# A Gaussian of deviation s in steps of d takes log2(s / d * sqrt(2 pi e)) bits.
GAUSSIAN_BITS_OFFSET = 0.5 * math.log2(2 * math.pi * math.e)
BIAS_STEP_OCTAVE = -6  # biases start at zero, so their own spread says nothing


@dataclass(frozen=True)
class Rate:
    """Bits of a segment's symbols by part, scalars that carry gradients."""

    layers: Tensor
    grids: dict[str, Tensor]
    side: Tensor

    @property
    def total(self) -> Tensor:
        """All bits but the container's."""
        return self.layers + self.side + sum(self.grids.values())


@dataclass(frozen=True)
class Symbols:
    """What is coded: `side` by name, `layers` as one vector, `grids` [T, H, W, C] by name.

    Integers once quantised; during a fit, real values in units of their steps.
    """

    side: dict[str, Tensor]
    layers: Tensor
    grids: dict[str, Tensor]


class Scheme:
    """The compression scheme of one list of parameters."""

    def __init__(self, specs: tuple[ParameterSpec, ...]) -> None:
        self.specs = specs
        self.layer_prior = LayerPrior(tuple(spec for spec in specs if spec.kind != "grid"))
        self.grid_prior = GridPrior(tuple(spec for spec in specs if spec.kind == "grid"))
        self.side_specs = (*self.layer_prior.side_specs, *self.grid_prior.side_specs)

    def initial_side(
        self, parameters: Mapping[str, Tensor], layer_bits: float, grid_step: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Side information for fresh parameters, scales matching the values.

        Layers get steps at which a value costs about `layer_bits`. Grids start as noise whose size says nothing:
        they get `grid_step`.
        """
        side = {spec.name: torch.zeros(spec.shape) for spec in self.side_specs}
        for spec in self.specs:
            values = parameters[spec.name]
            if spec.kind == "bias":
                octaves = BIAS_STEP_OCTAVE
            elif spec.kind == "grid":
                octaves = math.log2(grid_step)
            else:
                octaves = math.log2(float(values.square().mean().sqrt())) + GAUSSIAN_BITS_OFFSET - layer_bits
            index = round(octaves * STEPS_PER_OCTAVE)
            scale = matching_scale_index(values / step_size(torch.tensor(float(index))))
            side[f"{spec.name}.tensor.step"].fill_(index)
            side[f"{spec.name}.scale" if spec.kind == "grid" else f"{spec.name}.tensor.scale"].fill_(scale)
        # The context network starts as an almost constant prior, but with paths for gradients.
        expand = side["context.expand"]
        side["context.expand"] = torch.randn(expand.shape, generator=generator) * 8
        side["context.phase"] += 8.0
        return side

    def in_steps(self, layers: Tensor, grids: Mapping[str, Tensor], side: SideValues) -> Symbols:
        """Values in units of their steps. `layers`: flattened by the layer prior; `side`: rounded."""
        return Symbols(
            dict(side),
            layers / step_size(self.layer_prior.step_indices(side)),
            {
                spec.name: grids[spec.name] / step_size(self.grid_prior.step_indices(side, spec))
                for spec in self.grid_prior.specs
            },
        )

    def dequantise(self, symbols: Symbols) -> dict[str, Tensor]:
        """Parameters by name from values in units of their steps."""
        side = symbols.side
        parameters = self.layer_prior.unflatten(symbols.layers * step_size(self.layer_prior.step_indices(side)))
        for spec in self.grid_prior.specs:
            steps = step_size(self.grid_prior.step_indices(side, spec))
            parameters[spec.name] = symbols.grids[spec.name] * steps
        return parameters

    def rate(self, symbols: Symbols) -> Rate:
        """Bits by part of (possibly noisy) symbols."""
        return Rate(
            layers=self.layer_prior.bits(symbols.layers, symbols.side).sum(),
            grids=self.grid_prior.bits(symbols.grids, symbols.side),
            side=side_bits(self.side_specs, symbols.side),
        )


def quantise(values: Symbols, quantiser: Callable[[Tensor], Tensor]) -> Symbols:
    """Applies one quantiser to layers and grids."""
    grids = {name: quantiser(grid) for name, grid in values.grids.items()}
    return Symbols(values.side, quantiser(values.layers), grids)
