"""The dual-axis prior of layers (NVRC, section 3.3): steps, means and scales for a tensor, its rows and its columns.

Indices of the axes add up: in the logarithmic domain that multiplies steps and scales, and it stays exact in
integers. (The paper composes means and scales as nested affine maps of floats; see docs/adr.)
"""

from collections.abc import Mapping
from math import prod

import torch
from nvrc_formats.tables import GAUSSIAN, SCALES
from torch import Tensor

from nvrc_core.compression.quantise import clamp_through
from nvrc_core.compression.rate import symbol_bits
from nvrc_core.compression.side_information import SideSpec, SideValues
from nvrc_core.representation.base import ParameterSpec

# An axis gets parameters of its own where each of them serves at least this many values: the paper's threshold. Lower
# ones did not pay in short fits of small clips.
MIN_VALUES_PER_ENTRY = 128
FIELDS = ("step", "mean", "scale")
AXES = ("tensor", "row", "column")


def matrix_shape(spec: ParameterSpec) -> tuple[int, int]:
    """[rows, columns] of a tensor: its first axis against all others; a vector is one row."""
    return (spec.shape[0], prod(spec.shape[1:])) if len(spec.shape) > 1 else (1, spec.shape[0])


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

    def predict(self, side: SideValues) -> tuple[Tensor, Tensor]:
        """(mean in eighths, scale index in 0..63) of every symbol: integers if `side` holds integers."""
        return self._field(side, "mean"), clamp_through(self._field(side, "scale"), 0, SCALES - 1)

    def bits(self, symbols: Tensor, side: SideValues) -> Tensor:
        """Bits of every symbol of the flat vector."""
        mean_eighths, scale_index = self.predict(side)
        return symbol_bits(symbols, mean_eighths, scale_index, GAUSSIAN)
