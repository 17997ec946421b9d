"""The MS-SSIM of training, against the library's; its gradients, and pictures too small for the library."""

import pytest
import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim as library_ms_ssim

from nvrc_core.fitting.ms_ssim import WINDOW, ms_ssim, scales_for


def pictures(height: int, width: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two smooth pictures of three channels, and the same under noise."""
    generator = torch.Generator().manual_seed(1)
    smooth = F.avg_pool2d(torch.rand(2, 3, height, width, generator=generator), 5, 1, 2)
    return smooth, smooth + noise * torch.randn(smooth.shape, generator=generator)


@pytest.mark.parametrize("size", [(65, 65), (66, 97), (144, 176)], ids=str)
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_it_is_the_librarys(size: tuple[int, int], noise: float):
    a, b = pictures(*size, noise)
    expected = library_ms_ssim(a.double(), b.double(), data_range=1, win_size=WINDOW, size_average=False)
    assert ms_ssim(a, b) == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("size", "scales"),
    [((1, 1), 1), ((5, 400), 1), ((8, 8), 1), ((9, 9), 2), ((64, 64), 4), ((65, 65), 5), ((720, 1280), 5)],
)
def test_as_many_scales_as_fit(size: tuple[int, int], scales: int):
    assert scales_for(*size) == scales


SMALL = [(1, 1), (1, 9), (2, 2), (4, 64), (5, 5), (17, 33), (64, 64)]


@pytest.mark.parametrize("size", SMALL, ids=str)
def test_small_pictures_have_it_too(size: tuple[int, int]):
    a, b = pictures(*size, 0.1)
    assert ms_ssim(a, a) == pytest.approx(1, abs=1e-6)
    near, far = (ms_ssim(a, torch.lerp(a, b, share)) for share in (0.3, 1.0))
    assert (far < near).all()
    assert (near < 1).all()


@pytest.mark.parametrize("size", [*SMALL, (80, 65)], ids=str)
def test_gradients_are_finite_where_nothing_is_alike(size: tuple[int, int]):
    a, _ = pictures(*size, 0.0)
    noise = torch.rand(a.shape, generator=torch.Generator().manual_seed(2))
    for rendered in (1 - a, noise, torch.zeros_like(a), torch.full_like(a, 2.0)):
        rendered.requires_grad_()
        score = ms_ssim(rendered, a)
        assert ((score >= 0) & (score < 1)).all()
        score.sum().backward()
        assert rendered.grad.isfinite().all()
