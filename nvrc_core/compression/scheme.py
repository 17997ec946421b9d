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
BIAS_STEP_INDEX = -6 * STEPS_PER_OCTAVE  # biases start near zero, so their own spread says nothing
MIN_STEP_INDEX = -20 * STEPS_PER_OCTAVE


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
    """The integers of a segment: `side` by name, `layers` as one vector, `grids` [T, H, W, C] by name."""

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
        self, parameters: Mapping[str, Tensor], bits_per_parameter: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Side information for fresh parameters: steps at which a value costs about `bits_per_parameter`, and
        the scales that match.
        """
        side = {spec.name: torch.full(spec.shape, spec.initial) for spec in self.side_specs}
        for spec in self.specs:
            values = parameters[spec.name]
            if spec.kind == "bias":
                index = BIAS_STEP_INDEX
            else:
                octaves = math.log2(float(values.std()) + 1e-12) + GAUSSIAN_BITS_OFFSET - bits_per_parameter
                index = max(MIN_STEP_INDEX, round(octaves * STEPS_PER_OCTAVE))
            scale = matching_scale_index(values / step_size(torch.tensor(float(index))))
            side[f"{spec.name}.tensor.step"].fill_(index)
            side[f"{spec.name}.scale" if spec.kind == "grid" else f"{spec.name}.tensor.scale"].fill_(scale)
        # The context network starts as an almost constant prior, but with paths for gradients.
        expand = side["context.expand"]
        side["context.expand"] = torch.randn(expand.shape, generator=generator) * 2
        side["context.phase"] += 8.0
        return side

    def in_steps(self, parameters: Mapping[str, Tensor], side: SideValues) -> Symbols:
        """All parameters in units of their steps (real values), `side` rounded."""
        layers = self.layer_prior.flatten(parameters) / step_size(self.layer_prior.step_indices(side))
        grids = {
            spec.name: parameters[spec.name] / step_size(self.grid_prior.step_indices(side, spec))
            for spec in self.grid_prior.specs
        }
        return Symbols(dict(side), layers, grids)

    def dequantise(self, symbols: Symbols) -> dict[str, Tensor]:
        """Parameters by name from values in units of their steps."""
        side = symbols.side
        layers = symbols.layers * step_size(self.layer_prior.step_indices(side))
        parameters = self.layer_prior.unflatten(layers)
        for spec in self.grid_prior.specs:
            parameters[spec.name] = symbols.grids[spec.name] * step_size(self.grid_prior.step_indices(side, spec))
        return parameters

    def quantise(self, values: Symbols, quantiser: Callable[[Tensor], Tensor]) -> Symbols:
        """Applies one quantiser to layers and grids."""
        return Symbols(
            values.side,
            quantiser(values.layers),
            {name: quantiser(grid) for name, grid in values.grids.items()},
        )

    def rate(self, symbols: Symbols) -> Rate:
        """Bits by part of (possibly noisy) symbols."""
        return Rate(
            layers=self.layer_prior.bits(symbols.layers, symbols.side).sum(),
            grids=self.grid_prior.bits(symbols.grids, symbols.side),
            side=side_bits(self.side_specs, symbols.side),
        )
