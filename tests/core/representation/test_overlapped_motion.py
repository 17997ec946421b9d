"""Overlapped motion, against the formulas in float64."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nvrc_core.representation import overlapped_motion
from nvrc_core.representation.warp import warp, warp_picture

# Lattices and planes; of the last two, cells have 15 and 26 2/3 samples.
SIZES = pytest.mark.parametrize(
    ("lattice", "size"), [((2, 3), (32, 48)), ((1, 2), (8, 16)), ((2, 8), (30, 120)), ((3, 1), (80, 16))]
)


def by_the_formula(planes: torch.Tensor, flow: torch.Tensor, luma_samples: int, cell: int) -> torch.Tensor:
    """Planes [N, C, H, W] moved by a flow [N, 2, h, w], sample by sample."""
    (h, w), (height, width) = flow.shape[-2:], planes.shape[-2:]
    plain, result = warp(planes, flow, luma_samples), torch.empty_like(planes)
    for y, x in np.ndindex(height, width):
        top, down = divmod((2 * y + 1) * h + height, 2 * height)
        left, across = divmod((2 * x + 1) * w + width, 2 * width)
        v, u = down / (2 * height), across / (2 * width)
        rows, columns = (np.clip([of - 1, of], 0, side - 1) for of, side in ((top, h), (left, w)))
        cells = [flow[:, :, row, column] for row, column in product(rows, columns)]
        jump = (torch.stack(cells).amax(0) - torch.stack(cells).amin(0)).amax(1)
        overlap = ((8 * jump / cell - 1) / 3).clamp(0, 1).view(-1, 1)
        blended = torch.zeros_like(plain[..., 0, 0])
        for weight, move in zip(((1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u), cells, strict=True):
            at = move / luma_samples + move.new_tensor([x + 0.5, y + 0.5])
            at = (at * move.new_tensor([2 / width, 2 / height]) - 1).view(-1, 1, 1, 2)
            read = F.grid_sample(planes, at, mode="bicubic", padding_mode="border", align_corners=False)
            blended += weight * read[..., 0, 0]
        result[..., y, x] = (1 - overlap) * plain[..., y, x] + overlap * blended
    return result


def jumping(lattice: tuple[int, int], frames: int = 2, jump: float = 4.0) -> torch.Tensor:
    """A flow that jumps, in frame 0 not at all, between some of its cells."""
    generator = torch.Generator().manual_seed(7)
    flow = torch.randn(frames, 2, *lattice, generator=generator, dtype=torch.float64) * jump
    flow[0] = flow[0, :, :1, :1] + torch.randn(2, *lattice, generator=generator, dtype=torch.float64) * 0.1
    return flow


@SIZES
@pytest.mark.parametrize(("luma_samples", "cell"), [(1, 16), (2, 16), (1, 32), (2, 64)])
def test_overlapped_motion_is_the_formula(
    lattice: tuple[int, int], size: tuple[int, int], luma_samples: int, cell: int
):
    planes = torch.rand(2, 2, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    flow = jumping(lattice, jump=cell / 4)
    moved = warp(planes, flow, luma_samples, cell)
    assert torch.allclose(moved, by_the_formula(planes, flow, luma_samples, cell), atol=1e-12)
    assert torch.equal(moved[0], warp(planes, flow, luma_samples)[0])


@SIZES
def test_reading_all_samples_is_reading_some(lattice: tuple[int, int], size: tuple[int, int], monkeypatch):
    """With the gradients of both."""
    generator = torch.Generator().manual_seed(3)
    planes = torch.rand(2, 2, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    flow, seeds = jumping(lattice).requires_grad_(), torch.rand(planes.shape, generator=generator, dtype=torch.float64)
    shift = (torch.rand(2, 2, *size, generator=generator, dtype=torch.float64) * 0.1).requires_grad_()
    results = []
    for _ in range(2):
        plain = warp(planes, flow)
        moved = overlapped_motion.overlapped(plain, planes, flow, 16, 1, shift)
        results.append((moved, *torch.autograd.grad(moved, (planes, flow, shift), seeds)))
        monkeypatch.setattr(overlapped_motion, "_of_some_samples", overlapped_motion._of_all_samples)
    for some, all_samples in zip(*results, strict=True):
        assert torch.allclose(some, all_samples, atol=1e-12)


def test_the_gradient_agrees_with_finite_differences():
    generator = torch.Generator().manual_seed(5)
    planes = torch.randn(1, 2, 8, 16, generator=generator, dtype=torch.float64, requires_grad=True)
    flow = torch.tensor([[[[0.1, 4.3]], [[0.2, 1.4]]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda planes, flow: warp(planes, flow, 1, 16), (planes, flow))


def test_even_flow_is_interpolated():
    planes, flow = torch.rand(2, 1, 32, 48), torch.rand(2, 2, 2, 3) * 2
    assert torch.equal(warp(planes, flow, 1, 16), warp(planes, flow))


def test_either_side_of_a_jump_moves_by_its_own():
    """Where interpolated flow would show what neither side has."""
    luma, chroma = torch.rand(1, 1, 16, 64), torch.rand(1, 2, 8, 32)
    flow = torch.zeros(1, 2, 1, 4)
    flow[:, 0, :, 2:] = 12.0
    overlapped, interpolated = (warp_picture((luma, chroma), flow, cell) for cell in (16, None))
    weight = ((torch.arange(64) - 23.5) / 16).clamp(0, 1)
    still, moved = luma, luma[..., (torch.arange(64) + 12).clamp(max=63)]
    assert torch.allclose(overlapped[0], (1 - weight) * still + weight * moved, atol=1e-5)
    assert not torch.allclose(interpolated[0], overlapped[0], atol=0.1)
    still, moved, weight = chroma, chroma[..., (torch.arange(32) + 6).clamp(max=31)], weight.view(-1, 2).mean(1)
    assert torch.allclose(overlapped[1], (1 - weight) * still + weight * moved, atol=1e-5)
