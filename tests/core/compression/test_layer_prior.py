"""Steps, means and scales of tensors, rows and columns add up at every value."""

import itertools

import pytest
import torch
from nvrc_formats.tables import SCALES

from nvrc_core.compression.layer_prior import MIN_VALUES_PER_ENTRY, LayerPrior, matrix_shape
from nvrc_core.representation.base import ParameterSpec

ENOUGH = MIN_VALUES_PER_ENTRY


def layer(name: str, *shape: int, kind: str = "layer") -> ParameterSpec:
    return ParameterSpec(name, shape, kind, 0.1)


SPECS = (
    layer("both", ENOUGH, ENOUGH + 1),
    layer("rows", 3, 2, ENOUGH // 2),
    layer("columns", ENOUGH, 5),
    layer("neither", ENOUGH - 1, 7),
    layer("bias", 300, kind="bias"),
)


def names(prior: LayerPrior) -> list[str]:
    return [spec.name for spec in prior.side_specs]


def random_side(prior: LayerPrior, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {spec.name: torch.randint(-90, 90, spec.shape, generator=generator).double() for spec in prior.side_specs}


def test_axes_appear_where_each_entry_serves_enough_values():
    prior = LayerPrior(SPECS)
    fields = ("step", "mean", "scale")
    axes = {"both": ("tensor", "row", "column"), "rows": ("tensor", "row"), "columns": ("tensor", "column")}
    expected = [
        f"{spec.name}.{axis}.{field}" for spec in SPECS for axis in axes.get(spec.name, ("tensor",)) for field in fields
    ]
    assert names(prior) == expected
    shapes = {spec.name: spec.shape for spec in prior.side_specs}
    assert shapes["both.row.mean"] == (ENOUGH, 1)
    assert shapes["both.column.mean"] == (1, ENOUGH + 1)
    assert shapes["rows.row.step"] == (3, 1)


def test_groups_hold_one_field_of_one_axis():
    for spec in LayerPrior(SPECS).side_specs:
        assert spec.group == ".".join(spec.name.split(".")[-2:])


def test_every_value_gets_the_sum_over_its_axes():
    prior = LayerPrior(SPECS)
    side = random_side(prior)
    means, scales = prior.predict(side)
    fields = {"step": prior.step_indices(side), "mean": means, "scale": scales}
    for field, flat in fields.items():
        start = 0
        for spec in SPECS:
            rows, columns = matrix_shape(spec)
            values = flat[start : start + spec.size].view(rows, columns)
            start += spec.size
            for row, column in itertools.product({0, 1, rows - 1} & set(range(rows)), {0, 2, columns - 1}):
                expected = side[f"{spec.name}.tensor.{field}"].item()
                if f"{spec.name}.row.{field}" in side:
                    expected += side[f"{spec.name}.row.{field}"][row].item()
                if f"{spec.name}.column.{field}" in side:
                    expected += side[f"{spec.name}.column.{field}"][0, column].item()
                if field == "scale":
                    expected = min(SCALES - 1, max(0, expected))
                assert values[row, column] == expected
        assert start == len(flat)


def test_flatten_and_unflatten():
    prior = LayerPrior(SPECS)
    parameters = {spec.name: torch.randn(spec.shape) for spec in SPECS}
    flat = prior.flatten(parameters)
    assert flat.shape == (sum(spec.size for spec in SPECS),)
    back = prior.unflatten(flat)
    assert all(torch.equal(back[name], value) for name, value in parameters.items())


def test_gradients_reach_all_side_information():
    prior = LayerPrior(SPECS)
    side = {name: value.clamp(0, 5).requires_grad_() for name, value in random_side(prior).items()}
    symbols = torch.randn(sum(spec.size for spec in SPECS)).double() * 3
    bits = prior.bits(symbols / 2 ** (prior.step_indices(side) / 8), side).sum()
    for name, gradient in zip(side, torch.autograd.grad(bits, list(side.values())), strict=True):
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name


@pytest.mark.parametrize(("shape", "matrix"), [((5,), (1, 5)), ((4, 3), (4, 3)), ((4, 2, 2, 3), (4, 12))])
def test_matrix_shape(shape: tuple[int, ...], matrix: tuple[int, int]):
    assert matrix_shape(layer("x", *shape)) == matrix
