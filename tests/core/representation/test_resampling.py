"""Interpolation against the library's own, and against numbers done by hand."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.representation.resampling import read_time, resize, time_positions, upsample


def features(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def interpolated(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The library's bilinear interpolation of [B, H, W, C]."""
    return F.interpolate(x.permute(0, 3, 1, 2), size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_upsample_is_bilinear_interpolation(stride: int, size: tuple[int, int]):
    x = features(2, *size, 3)
    expected = interpolated(x, (size[0] * stride, size[1] * stride))
    assert torch.allclose(upsample(x, stride), expected, atol=1e-12)


@given(st.tuples(*[st.integers(1, 7)] * 2), st.tuples(*[st.integers(1, 20)] * 2))
def test_resize_is_bilinear_interpolation(size: tuple[int, int], wanted: tuple[int, int]):
    x = features(2, *size, 3)
    assert torch.allclose(resize(x, wanted), interpolated(x, wanted), atol=1e-12)


def test_constants_stay_constant():
    x = torch.full((1, 3, 2, 1), 0.7)
    for y in (upsample(x, 3), resize(x, (7, 5))):
        assert torch.allclose(y, torch.tensor(0.7))


def test_time_is_read_between_the_centres_of_rows():
    grid = torch.tensor([[0.0], [10.0], [30.0]])
    # Six frames over three rows: centres at frames 0.5, 2.5, 4.5.
    values = read_time(grid, torch.arange(6), 6).flatten()
    assert torch.allclose(values, torch.tensor([0.0, 2.5, 7.5, 15.0, 25.0, 30.0]))


def test_time_positions_stay_inside():
    for length, total in ((1, 5), (5, 5), (7, 3), (2, 100)):
        low, high, fraction = time_positions(torch.arange(total), total, length)
        assert low.min() >= 0
        assert high.max() <= length - 1
        assert ((fraction >= 0) & (fraction < 1)).all()
        assert (low.diff() >= 0).all()


def test_a_row_a_frame_is_read_as_it_is():
    grid = features(6, 2, 3)
    assert torch.equal(read_time(grid, torch.arange(6), 6), grid)
