"""The dual-axis prior of layers (NVRC, section 3.3): steps, means and scales for a tensor, its rows and its columns.

Indices of the axes add up: in the logarithmic domain that multiplies steps and scales, and it stays exact in
integers. (The paper composes means and scales as nested affine maps of floats; see docs/adr.)
"""

import math
from collections.abc import Mapping

import torch
from nvrc_formats.tables import GAUSSIAN, SCALES
from torch import Tensor

from nvrc_core.compression.quantise import clamp_through
from nvrc_core.compression.rate import symbol_bits
from nvrc_core.compression.side_information import (
    SCALES_PER_STEP,
    STEPS_PER_OCTAVE,
    SideSpec,
    SideValues,
    scale_at_step,
)
from nvrc_core.representation.base import ParameterSpec

# An axis gets parameters of its own where each of them serves at least this many values: the paper's threshold. Lower
# ones did not pay in short fits of small clips.
MIN_VALUES_PER_ENTRY = 128
FIELDS = ("step", "mean", "scale")
# A Gaussian of deviation s in steps of d takes log2(s / d * sqrt(2 pi e)) bits.
GAUSSIAN_BITS_OFFSET = 0.5 * math.log2(2 * math.pi * math.e)
SPREAD_OF_ZEROS = 0.05  # where a layer starts at zero: about what it comes to
# Biases start at zero, so their own spread says nothing; the filter of predictions has a say in all pictures.
FIRST_STEP_OCTAVES = {"bias": -6, "filter": -8}


def matrix_shape(spec: ParameterSpec) -> tuple[int, int]:
    """[rows, columns] of a tensor: its first axis against all others; a vector is one row."""
    return (spec.shape[0], math.prod(spec.shape[1:])) if len(spec.shape) > 1 else (1, spec.shape[0])


class LayerPrior:
    """The prior of all layers and biases, flattened in the order of `specs`."""

    def __init__(self, specs: tuple[ParameterSpec, ...]) -> None:
        self.specs = specs
        self.side_specs = tuple(
            SideSpec(f"{spec.name}.{axis}.{field}", f"{axis}.{field}", shape)
            for spec in specs
            for axis, shape in self._axes(spec).items()
            for field in FIELDS
        )

    @staticmethod
    def _axes(spec: ParameterSpec) -> dict[str, tuple[int, int]]:
        rows, columns = matrix_shape(spec)
        axes = {"tensor": (1, 1)}
        if rows > 1 and columns >= MIN_VALUES_PER_ENTRY:
            axes["row"] = (rows, 1)
        if columns > 1 and rows >= MIN_VALUES_PER_ENTRY:
            axes["column"] = (1, columns)
        return axes

    def flatten(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """All layers as one vector."""
        return torch.cat([parameters[spec.name].reshape(-1) for spec in self.specs])

    def unflatten(self, values: Tensor) -> dict[str, Tensor]:
        """The inverse of `flatten`."""
        parts = values.split([spec.size for spec in self.specs])
        return {spec.name: part.view(spec.shape) for spec, part in zip(self.specs, parts, strict=True)}

    def _field(self, side: SideValues, field: str) -> Tensor:
        """The sum over axes of one field, for every value: a vector like `flatten`'s."""
        return torch.cat(
            [
                sum(side[f"{spec.name}.{axis}.{field}"] for axis in self._axes(spec))
                .expand(matrix_shape(spec))
                .reshape(-1)
                for spec in self.specs
            ]
        )

    def step_indices(self, side: SideValues) -> Tensor:
        """The step index of every value."""
        return self._field(side, "step")

    def initial_side(self, parameters: Mapping[str, Tensor], layer_bits: float) -> dict[str, Tensor]:
        """Side information for fresh parameters: steps at which a layer's value costs about `layer_bits`."""
        side = {spec.name: torch.zeros(spec.shape) for spec in self.side_specs}
        for spec in self.specs:
            values = parameters[spec.name]
            octaves = FIRST_STEP_OCTAVES.get(spec.kind)
            if octaves is None:
                spread = float(values.square().mean().sqrt()) or SPREAD_OF_ZEROS
                octaves = math.log2(spread) + GAUSSIAN_BITS_OFFSET - layer_bits
            index = round(octaves * STEPS_PER_OCTAVE)
            side[f"{spec.name}.tensor.step"].fill_(index)
            side[f"{spec.name}.tensor.scale"].fill_(scale_at_step(values, index))
        return side

    def shifted_side(self, side: SideValues, shift: int) -> dict[str, Tensor]:
        """The tensors of side information that change where all steps are 2 ** (shift / 8) times their size."""
        moved = {}
        for spec in self.specs:
            step, scale = f"{spec.name}.tensor.step", f"{spec.name}.tensor.scale"
            moved |= {step: side[step] + shift, scale: side[scale] - shift * SCALES_PER_STEP}
        return moved

    def predict(self, side: SideValues) -> tuple[Tensor, Tensor]:
        """(mean in eighths, scale index in 0..63) of every symbol: integers if `side` holds integers."""
        return self._field(side, "mean"), clamp_through(self._field(side, "scale"), 0, SCALES - 1)

    def bits(self, symbols: Tensor, side: SideValues) -> Tensor:
        """Bits of every symbol of the flat vector."""
        mean_eighths, scale_index = self.predict(side)
        return symbol_bits(symbols, mean_eighths, scale_index, GAUSSIAN)
