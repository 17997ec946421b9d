"""Motion compensation and blending, against the formulas in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nvrc_core.representation.sample_reading import scattered
from nvrc_core.representation.warp import blend, fade, warp, warp_picture

SIZES = pytest.mark.parametrize("size", [(16, 16), (32, 48), (8, 24)])


def bilinear(lattice: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[h, w] interpolated between cell centres, sample by sample."""
    height, width = lattice.shape
    result = np.empty(size)
    for y, x in np.ndindex(*size):
        row = np.clip((y + 0.5) * height / size[0] - 0.5, 0, height - 1)
        column = np.clip((x + 0.5) * width / size[1] - 0.5, 0, width - 1)
        top, left = int(row), int(column)
        below, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = row - top, column - left
        upper = lattice[top, left] * (1 - across) + lattice[top, right] * across
        lower = lattice[below, left] * (1 - across) + lattice[below, right] * across
        result[y, x] = upper * (1 - down) + lower * down
    return result


def cubic(distance: float, a: float = -0.75) -> float:
    t = abs(distance)
    return (a + 2) * t**3 - (a + 3) * t**2 + 1 if t <= 1 else a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a


def warp_by_the_formula(plane: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """[H, W] by a flow of each sample."""
    height, width = plane.shape
    result = np.zeros(plane.shape)
    for y, x in np.ndindex(*plane.shape):
        left, top = np.floor(x + dx[y, x]), np.floor(y + dy[y, x])
        u, v = x + dx[y, x] - left, y + dy[y, x] - top
        for i in range(-1, 3):
            for j in range(-1, 3):
                row, column = (int(np.clip(k, 0, side - 1)) for k, side in ((top + i, height), (left + j, width)))
                result[y, x] += cubic(v - i) * cubic(u - j) * plane[row, column]
    return result


@SIZES
def test_warp_is_the_formula(size: tuple[int, int]):
    generator = torch.Generator().manual_seed(2)
    planes = torch.rand(2, 2, *size, generator=generator) - 0.5
    flow = torch.randn(2, 2, 2, 3, generator=generator) * 4
    warped = warp(planes, flow)
    assert warped.shape == planes.shape
    for index, (frame, moves) in enumerate(zip(planes.double().numpy(), flow.double().numpy(), strict=True)):
        dx, dy = (bilinear(move, size) for move in moves)
        for channel, plane in enumerate(frame):
            assert np.abs(warp_by_the_formula(plane, dx, dy) - warped[index, channel].numpy()).max() < 1e-4


@SIZES
def test_blend_is_the_formula(size: tuple[int, int]):
    generator = torch.Generator().manual_seed(3)
    first, second = (
        (
            torch.rand(2, 1, *size, generator=generator),
            torch.rand(2, 2, size[0] // 2, size[1] // 2, generator=generator),
        )
        for _ in range(2)
    )
    mask = torch.randn(2, 1, 2, 3, generator=generator) * 2
    positions = [0.25, 0.999]
    luma, chroma = blend(first, second, mask, torch.tensor(positions))
    for index, position in enumerate(positions):
        share = 1 - np.clip(position, 0.02, 0.98)
        raised = bilinear(mask[index, 0].double().numpy(), size) + np.log(share / (1 - share))
        weight = torch.from_numpy(1 / (1 + np.exp(-raised)))
        halved = weight.reshape(size[0] // 2, 2, size[1] // 2, 2).mean(dim=(1, 3))
        for blended, planes, share_of_first in ((luma, 0, weight), (chroma, 1, halved)):
            expected = share_of_first * first[planes][index] + (1 - share_of_first) * second[planes][index]
            assert (blended[index] - expected).abs().max() < 1e-5


def test_no_motion_shows_the_same_picture():
    planes = torch.rand(2, 1, 32, 48)
    assert torch.allclose(warp(planes, torch.zeros(2, 2, 2, 3)), planes, atol=1e-4)


def test_flow_points_at_what_is_shown():
    planes = torch.rand(1, 1, 32, 48)
    moved = warp(planes, torch.tensor([3.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3))
    assert torch.allclose(moved[..., 2:, :-3], planes[..., :-2, 3:], atol=1e-4)
    assert torch.allclose(moved[..., :2, :-3], planes[..., :1, 3:], atol=1e-4)  # held at the borders
    assert torch.allclose(moved[..., 2:, -3:], planes[..., :-2, -1:], atol=1e-4)


def test_chroma_moves_by_half_of_what_luma_does():
    luma, chroma = torch.rand(1, 1, 32, 48), torch.rand(1, 2, 16, 24)
    flow = torch.tensor([4.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3)
    moved = warp_picture((luma, chroma), flow, None)
    assert torch.allclose(moved[0][..., :-2, :-4], luma[..., 2:, 4:], atol=1e-4)
    assert torch.allclose(moved[1][..., :-1, :-2], chroma[..., 1:, 2:], atol=1e-4)


def test_a_mask_of_zero_blends_by_the_position():
    first, second = ((torch.full((1, 1, 16, 16), value), torch.full((1, 2, 8, 8), value)) for value in (0.0, 1.0))
    for planes in blend(first, second, torch.zeros(1, 1, 1, 1), torch.tensor([0.25])):
        assert torch.allclose(planes, torch.tensor(0.25))


def test_the_gradient_agrees_with_the_librarys_interpolation():
    generator = torch.Generator().manual_seed(4)
    planes, weight = torch.randn(2, 3, 2, 32, 48, generator=generator, dtype=torch.float64)
    flow = (torch.randn(3, 2, 2, 3, generator=generator, dtype=torch.float64) * 3).requires_grad_()
    planes.requires_grad_()
    ys, xs = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    raised = F.interpolate(flow, size=(32, 48), mode="bilinear", align_corners=False)
    places = torch.stack([(xs + raised[:, 0] + 0.5) / 24 - 1, (ys + raised[:, 1] + 0.5) / 16 - 1], dim=-1)
    expected = F.grid_sample(planes, places, mode="bicubic", padding_mode="border", align_corners=False)
    warped = warp(planes, flow)
    assert torch.allclose(warped, expected)
    gradients = (torch.autograd.grad(result, (planes, flow), weight) for result in (warped, expected))
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs)


def test_the_gradient_of_the_flow_agrees_with_finite_differences():
    planes = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    flow = (torch.randn(1, 2, 1, 2, dtype=torch.float64) * 0.2).requires_grad_()
    assert torch.autograd.gradcheck(lambda flow: warp(planes, flow), flow)


def test_whole_numbers_scatter_as_the_library_does():
    """Places far outside as well, where many read the same sample."""
    generator = torch.Generator().manual_seed(4)
    planes = torch.randn(2, 3, 20, 31, generator=generator, dtype=torch.float64, requires_grad=True)
    places = torch.rand(2, 20, 31, 2, generator=generator, dtype=torch.float64) * 2.6 - 1.3
    read = F.grid_sample(planes, places, mode="bicubic", padding_mode="border", align_corners=False)
    seeds = torch.randn(read.shape, generator=generator, dtype=torch.float64) * 1e-9
    (wanted,) = torch.autograd.grad(read, planes, seeds)
    assert torch.allclose(scattered(seeds, places), wanted, rtol=1e-9, atol=1e-19)
    assert not scattered(seeds * 0, places).any()


def test_fade_is_the_formula():
    generator = torch.Generator().manual_seed(6)
    luma, chroma = torch.rand(2, 1, 32, 48, generator=generator) - 0.5, torch.rand(2, 2, 16, 24, generator=generator)
    amount = torch.rand(2, 1, 2, 3, generator=generator) * 3 - 1
    faded_luma, faded_chroma = fade((luma, chroma), amount)
    for index in range(2):
        kept = (1 - bilinear(amount[index, 0].double().numpy(), (32, 48))).clip(0, 1)
        assert np.abs(luma[index, 0].double().numpy() * kept - faded_luma[index, 0].numpy()).max() < 1e-6
        of_chroma = kept.reshape(16, 2, 24, 2).mean((1, 3))
        assert np.abs(chroma[index].double().numpy() * of_chroma - faded_chroma[index].numpy()).max() < 1e-6


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_fade_can_always_be_learned(share: float):
    """Also where nothing and where all of the prediction is left out."""
    amount = torch.full((1, 1, 2, 3), share, requires_grad=True)
    luma, chroma = fade((torch.ones(1, 1, 32, 48), torch.ones(1, 2, 16, 24)), amount)
    (gradient,) = torch.autograd.grad(luma.sum() + chroma.sum(), amount)
    assert gradient.sum() == pytest.approx(-(32 * 48 + 2 * 16 * 24))
