"""How all parameters of a representation become symbols: steps, priors and rates of layers, grids and side information.

Training and coding both go through this one class, so that what is trained is what is written.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nvrc_core.compression.band_prior import BandPrior
from nvrc_core.compression.grid_prior import GridPrior
from nvrc_core.compression.layer_prior import LayerPrior
from nvrc_core.compression.motion_prior import SHARE_ONE, MotionPrior
from nvrc_core.compression.prior import GridsPrior, RowStart
from nvrc_core.compression.row_symbols import RowSymbols
from nvrc_core.compression.side_information import STEPS_PER_OCTAVE, SideValues, side_bits, step_size
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.intervals import Intervals
from nvrc_core.representation.motion_channels import MOTION

LAYER_KINDS = ("layer", "bias", "filter")


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

    def __init__(self, specs: tuple[ParameterSpec, ...], intervals: Intervals | None = None) -> None:
        """`intervals`: the frames of grids that have a row for each frame."""
        self.specs = specs
        self.layer_prior = LayerPrior(tuple(spec for spec in specs if spec.kind in LAYER_KINDS))
        self.grid_priors = _grid_priors(specs, intervals)
        self._motion_prior = next((prior for prior in self.grid_priors if isinstance(prior, MotionPrior)), None)
        self.grid_specs = tuple(spec for prior in self.grid_priors for spec in prior.specs)
        self.side_specs = sum((prior.side_specs for prior in self.grid_priors), self.layer_prior.side_specs)

    def initial_side(
        self, parameters: Mapping[str, Tensor], layer_bits: float, grid_step: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Side information for fresh parameters, scales matching the values.

        Layers get steps at which a value costs about `layer_bits`. Grids start as noise whose size says nothing:
        they get `grid_step`.
        """
        side = self.layer_prior.initial_side(parameters, layer_bits)
        for prior in self.grid_priors:
            side |= prior.initial_side(parameters, grid_step, generator)
        return side

    def initial_motion_side(self, parameters: Mapping[str, Tensor], start: RowStart) -> dict[str, Tensor]:
        """Side information for grids that start from given symbols, and for layers that cost nothing yet."""
        side = self.layer_prior.initial_side(parameters, 0.0)
        shapes = {spec.name: spec.shape for spec in self.side_specs}
        for prior in self.grid_priors:
            for spec in prior.specs:
                indices = (start.steps[spec.name].log2() * STEPS_PER_OCTAVE).round()
                name = f"{spec.name}.step"
                side[name] = indices if indices.shape == shapes[name] else indices[0]
            side |= prior.initial_side(start.symbols)
        side["motion.share"] = torch.full((1,), float(SHARE_ONE * start.inherits))
        return side

    def shifted_side(self, side: SideValues, shift: int) -> dict[str, Tensor]:
        """Side information (learned or rounded) with all steps shifted but those of motion, and scales that follow."""
        moved = dict(side)
        for prior in (self.layer_prior, *self.grid_priors):
            moved |= prior.shifted_side(side, shift)
        return moved

    def in_steps(self, layers: Tensor, grids: Mapping[str, Tensor], side: SideValues) -> Symbols:
        """Values in units of their steps, of representations without motion. `layers`: flattened by the layer prior;
        `side`: rounded."""
        return Symbols(
            dict(side),
            layers / step_size(self.layer_prior.step_indices(side)),
            {name: grids[name] / steps for name, steps in self.grid_steps(side)},
        )

    def dequantise(self, symbols: Symbols) -> dict[str, Tensor]:
        """Parameters by name from values in units of their steps."""
        side = symbols.side
        parameters = self.layer_prior.unflatten(symbols.layers * step_size(self.layer_prior.step_indices(side)))
        parameters |= {name: symbols.grids[name] * steps for name, steps in self.grid_steps(side)}
        if self._motion_prior:
            parameters[MOTION] = self._motion_prior.whole(parameters[MOTION], side)
        return parameters

    def grid_steps(self, side: SideValues) -> Iterator[tuple[str, Tensor]]:
        """The name of each grid and its steps, which broadcast to its values."""
        for prior in self.grid_priors:
            for spec in prior.specs:
                yield spec.name, step_size(prior.step_indices(side, spec))

    # -- training on some rows ----------------------------------------------------------------------------

    def dequantise_rows(
        self, layers: Tensor, symbols: Mapping[str, Tensor], side: SideValues, rows: Tensor
    ) -> dict[str, Tensor]:
        """`dequantise` where grids are given, and returned, in some rows alone, their context rows among them:
        [N, H, W, C] by name."""
        parameters = self.layer_prior.unflatten(layers * step_size(self.layer_prior.step_indices(side)))
        for prior in self.grid_priors:
            for spec in prior.specs:
                parameters[spec.name] = symbols[spec.name] * step_size(prior.step_indices(side, spec, rows))
        if self._motion_prior:
            parameters[MOTION] = self._motion_prior.whole(parameters[MOTION], side, rows)
        return parameters

    def row_bits(
        self, symbols: Mapping[str, Tensor], context: Mapping[str, Tensor], rows: Tensor, side: SideValues
    ) -> Tensor:
        """Bits of each row [N], all grids together; see `RowSymbols`."""
        known = RowSymbols(symbols, context, rows)
        return sum(bits for prior in self.grid_priors for bits in prior.bits(known, side).values())

    def shared_bits(self, layers: Tensor, side: SideValues) -> Tensor:
        """Bits of all that is not in rows: layers and side information."""
        return self.layer_prior.bits(layers, side).sum() + side_bits(self.side_specs, side)

    # -- rate ---------------------------------------------------------------------------------------------

    def rate(self, symbols: Symbols) -> Rate:
        """Bits by part of (possibly noisy) symbols."""
        grids: dict[str, Tensor] = {}
        for prior in self.grid_priors:
            grids |= prior.total_bits(symbols.grids, symbols.side)
        return Rate(
            layers=self.layer_prior.bits(symbols.layers, symbols.side).sum(),
            grids=grids,
            side=side_bits(self.side_specs, symbols.side),
        )


def _grid_priors(specs: tuple[ParameterSpec, ...], intervals: Intervals | None) -> tuple[GridsPrior, ...]:
    """The priors of the kinds of grids that there are, in coding order."""
    grids, motion, bands = (tuple(spec for spec in specs if spec.kind == kind) for kind in ("grid", "motion", "band"))
    priors: list[GridsPrior] = []
    if grids:
        priors.append(GridPrior(grids))
    if motion or bands:
        priors += [MotionPrior(*motion, intervals), BandPrior(bands, intervals)]
    return tuple(priors)


def quantise(values: Symbols, quantiser: Callable[[Tensor], Tensor]) -> Symbols:
    """Applies one quantiser to layers and grids."""
    grids = {name: quantiser(grid) for name, grid in values.grids.items()}
    return Symbols(values.side, quantiser(values.layers), grids)
