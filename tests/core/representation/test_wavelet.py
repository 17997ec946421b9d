"""The spatial transform: its inverse, its gradient, and the 9/7 filters found in it."""

import pytest
import torch
from torch import Tensor

from nvrc_core.representation.wavelet import BANDS, analyse, synthesise

Bands = dict[str, Tensor]
CHANNELS = {"band16": 12, "band8": 9, "band4": 9, "band2": 3}
SIZES = pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 1), (3, 5)])


def random_bands(height: int, width: int, count: int = 2, dtype: torch.dtype = torch.float64) -> Bands:
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(count, height << level, width << level, CHANNELS[name], generator=generator, dtype=dtype)
        for level, name in enumerate(BANDS)
    }


@SIZES
def test_synthesis_and_analysis_are_inverse(size: tuple[int, int]):
    bands = random_bands(*size, dtype=torch.float32)
    luma, chroma = synthesise(bands)
    assert luma.shape == (2, 1, 16 * size[0], 16 * size[1])
    assert chroma.shape == (2, 2, 8 * size[0], 8 * size[1])
    again = analyse(luma, chroma)
    assert list(again) == list(BANDS)
    for name, band in bands.items():
        assert again[name].shape == band.shape
        assert torch.allclose(again[name], band, atol=2e-5)
    for plane, back in zip((luma, chroma), synthesise(again), strict=True):
        assert torch.allclose(plane, back, atol=2e-5)


def test_inputs_are_left_alone():
    bands = random_bands(1, 2)
    before = {name: band.clone() for name, band in bands.items()}
    planes = synthesise(bands)
    copies = [plane.clone() for plane in planes]
    analyse(*planes)
    assert all(torch.equal(bands[name], before[name]) for name in BANDS)
    assert all(torch.equal(plane, copy) for plane, copy in zip(planes, copies, strict=True))


@SIZES
def test_the_gradient_is_the_adjoint(size: tuple[int, int]):
    bands = {name: band.requires_grad_() for name, band in random_bands(*size).items()}
    planes = synthesise(bands)
    weights = [torch.randn_like(plane) for plane in planes]
    product = sum((plane * weight).sum() for plane, weight in zip(planes, weights, strict=True))
    gradients = torch.autograd.grad(product, list(bands.values()))
    same = sum((bands[name] * gradient).sum() for name, gradient in zip(BANDS, gradients, strict=True))
    assert product.item() == pytest.approx(same.item())


def test_the_gradient_agrees_with_finite_differences():
    bands = [band.requires_grad_() for band in random_bands(1, 2, count=1).values()]
    assert torch.autograd.gradcheck(lambda *x: synthesise(dict(zip(BANDS, x, strict=True))), bands, fast_mode=True)


def test_the_gradient_takes_planes_that_are_not_contiguous():
    bands = {name: band.requires_grad_() for name, band in random_bands(1, 2).items()}
    luma, chroma = synthesise(bands)
    sums = torch.autograd.grad(luma.sum() + chroma.sum(), list(bands.values()), retain_graph=True)
    ones = torch.autograd.grad((luma, chroma), list(bands.values()), (torch.ones_like(luma), torch.ones_like(chroma)))
    assert all(torch.equal(a, b) for a, b in zip(sums, ones, strict=True))


def test_a_flat_picture_is_its_low_pass_alone():
    luma, chroma = torch.full((1, 1, 32, 48), 0.25), torch.full((1, 2, 16, 24), -0.125)
    bands = analyse(luma, chroma)
    # A low-pass value is the mean times the gain of the filter, that of two axes a level.
    gain = float(bands["band16"][0, 0, 0, 1]) / -0.125
    assert gain == pytest.approx(2**3, rel=0.01)
    assert torch.allclose(bands["band16"][..., 1:3], torch.tensor(-0.125 * gain))
    assert torch.allclose(bands["band16"][..., 0], torch.tensor(0.25 * gain ** (4 / 3)))
    details = [bands["band16"][..., 3:], *(bands[name] for name in BANDS[1:])]
    assert all(band.abs().max() < 1e-5 for band in details)


@pytest.mark.parametrize(("axis", "channel"), [(-1, 0), (-2, 1)])
def test_details_along_x_come_first(axis: int, channel: int):
    luma = torch.zeros(1, 1, 32, 32)
    luma.narrow(axis, 11, 1).fill_(1.0)  # a line across the axis
    energy = analyse(luma, torch.zeros(1, 2, 16, 16))["band2"].square().sum(dim=(0, 1, 2))
    assert energy[channel] > 0.1
    assert energy.sum() - energy[channel] < 1e-6


def test_planes_keep_apart():
    for plane, (details, low) in enumerate([(slice(3, 6), 0), (slice(6, 9), 1), (slice(9, 12), 2)]):
        bands = {name: torch.zeros_like(band) for name, band in random_bands(1, 1).items()}
        bands["band16"][..., details] = 1
        bands["band16"][..., low] = 1
        bands["band8"][..., 3 * plane : 3 * plane + 3] = 1
        luma, chroma = synthesise(bands)
        assert [float(value.abs().max()) > 0 for value in (luma[:, 0], chroma[:, 0], chroma[:, 1])] == [
            index == plane for index in range(3)
        ]


def test_the_filters_are_the_published_ones():
    """Impulse responses of the inverse: the 7-tap low-pass and the 9-tap high-pass of CDF 9/7, centre to end."""
    low_pass = [1.115087052456994, 0.5912717631142470, -0.05754352622849957, -0.09127176311424948]
    high_pass = [
        0.6029490182363579,
        -0.2668641184428723,
        -0.07822326652898785,
        0.01686411844287495,
        0.02674875741080976,
    ]
    bands = {name: torch.zeros_like(band) for name, band in random_bands(3, 3, count=1).items()}
    bands["band2"][0, 12, 12, 2] = 1  # high-pass along both axes, whose picture is an outer product
    row = synthesise(bands)[0][0, 0, 25]
    response = row[25:30] / row[25]
    assert torch.allclose(response, torch.tensor(high_pass, dtype=torch.float64) / high_pass[0], atol=1e-9)
    bands["band2"][0, 12, 12] = torch.tensor([0.0, 1.0, 0.0])  # low-pass along x
    row = synthesise(bands)[0][0, 0, 25]
    response = row[24:28] / row[24]
    assert torch.allclose(response, torch.tensor(low_pass, dtype=torch.float64) / low_pass[0], atol=1e-9)
