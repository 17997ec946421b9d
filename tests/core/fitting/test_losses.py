"""Distortions, against numbers done by hand, the meter that reports use, and the library of MS-SSIM."""

import numpy as np
import pytest
import torch
from nvrc_formats.video import PLANAR_FORMATS, YUV420P, ColorTags, PixelFormat, VideoFormat
from pytorch_msssim import ms_ssim as library_ms_ssim

from nvrc_core.errors import MediaError
from nvrc_core.evaluation.quality.psnr import PsnrMeter
from nvrc_core.evaluation.quality.rgb import RgbConversion
from nvrc_core.fitting.losses import DISTORTIONS, PaperRgb, SquaredError, StructuralError, plane_errors, psnr_yuv_db

Planes = list[torch.Tensor]
SIZES = [(8, 6), (1, 1), (7, 5), (33, 17), (66, 65)]


def video(size: tuple[int, int] = (8, 6), layout: PixelFormat = YUV420P, **tags: int | bool) -> VideoFormat:
    """Of (width, height)."""
    return VideoFormat(*size, layout, color=ColorTags(**tags))


def samples(seed: int, of: VideoFormat) -> Planes:
    """Two frames of integers, smooth enough to be a picture."""
    generator = torch.Generator().manual_seed(seed)
    peak = of.pixel_format.peak
    return [torch.randint(peak // 4, 3 * peak // 4, (2, *shape), generator=generator) for shape in of.plane_shapes]


def planes(seed: int, of: VideoFormat | None = None) -> Planes:
    """The same as samples in [0, 1]."""
    of = of or video()
    return [plane / of.pixel_format.peak for plane in samples(seed, of)]


@pytest.mark.parametrize("tune", DISTORTIONS)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("layout", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_every_distortion_is_a_number_a_frame_that_falls_to_zero(tune: str, size: tuple[int, int], layout: str):
    of = video(size, PLANAR_FORMATS[layout])
    distortion, wanted = DISTORTIONS[tune](of), planes(1, of)
    assert distortion(wanted, wanted).tolist() == pytest.approx([0, 0], abs=1e-7)
    far = [torch.lerp(a, b, 0.2) for a, b in zip(wanted, planes(2, of), strict=True)]
    far = [torch.stack([a[0], b[1]]) for a, b in zip(wanted, far, strict=True)]
    equal, other = distortion(far, wanted).tolist()
    assert equal == pytest.approx(0, abs=1e-7)  # a frame's own
    assert other > 1e-6


@pytest.mark.parametrize("tune", DISTORTIONS)
@pytest.mark.parametrize("size", SIZES[2:], ids=str)
def test_a_small_step_against_the_gradient_comes_closer(tune: str, size: tuple[int, int]):
    of = video(size)
    distortion, wanted = DISTORTIONS[tune](of), planes(1, of)
    rendered = [torch.lerp(a, b, 0.3).requires_grad_() for a, b in zip(wanted, planes(2, of), strict=True)]
    before = distortion(rendered, wanted).sum()
    gradients = torch.autograd.grad(before, rendered)
    assert all(gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in gradients)
    norm = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    moved = [plane.detach() - 1e-3 / norm * gradient for plane, gradient in zip(rendered, gradients, strict=True)]
    assert float(distortion(moved, wanted).sum()) < before.item()


# -- squared errors ---------------------------------------------------------------------------------------


def test_luma_counts_six_of_eight():
    wanted = planes(1)
    for plane, weight in enumerate((0.75, 0.125, 0.125)):
        rendered = [values + 0.2 * (index == plane) for index, values in enumerate(wanted)]
        assert SquaredError(video())(rendered, wanted).tolist() == pytest.approx([0.04 * weight] * 2)


def test_decibels_are_those_of_the_meter():
    a, b = samples(1, video()), samples(2, video())
    meter = PsnrMeter(255)
    for frame in range(2):
        meter.update(*([np.uint8(plane[frame]) for plane in side] for side in (a, b)))
    assert psnr_yuv_db(planes(1), planes(2)) == pytest.approx(meter.result().yuv, abs=1e-3)


# -- MS-SSIM ----------------------------------------------------------------------------------------------


def test_structure_replaces_most_of_lumas_error():
    of = video((80, 66))
    wanted = planes(1, of)
    rendered = [torch.lerp(a, b, 0.3) for a, b in zip(wanted, planes(2, of), strict=True)]
    luma = [side[0].unsqueeze(1).double() for side in (rendered, wanted)]
    lost = 1 - library_ms_ssim(*luma, data_range=1, win_size=5, size_average=False)
    y, u, v = plane_errors(rendered, wanted).double().unbind(1)
    expected = (6 * (0.75 * lost / 20 + 0.25 * y) + u + v) / 8
    assert StructuralError(of)(rendered, wanted).tolist() == pytest.approx(expected.tolist(), rel=1e-4)


def test_errors_count_most_where_nothing_hides_them():
    of = video((80, 66))
    y, x = np.mgrid[:66, :80]
    texture = torch.from_numpy(np.where(x < 40, 0.5, 0.5 + 0.3 * np.sin(x) * np.cos(y))).float().expand(2, -1, -1)
    error = 0.02 * torch.randn(2, 66, 40, generator=torch.Generator().manual_seed(1))
    wanted = [texture, *planes(1, of)[1:]]
    flat, hidden = ([texture + torch.nn.functional.pad(error, pad), *wanted[1:]] for pad in ((0, 40), (40, 0)))
    assert (StructuralError(of)(flat, wanted) > 2 * StructuralError(of)(hidden, wanted)).all()
    assert SquaredError(of)(flat, wanted).tolist() == pytest.approx(SquaredError(of)(hidden, wanted).tolist(), rel=1e-4)


# -- the paper's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["yuv444p", "yuv444p10le", "yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("tags", [{"matrix": 2}, {"matrix": 1}, {"matrix": 9, "full_range": True}], ids=str)
def test_rgb_is_that_of_the_metric(layout: str, tags: dict):
    """Rounded; chroma is flat, as it is interpolated in another way."""
    of = video((9, 7), PLANAR_FORMATS[layout], **tags)
    peak = of.pixel_format.peak
    integers = samples(1, of)
    for plane in integers[1:]:
        plane[:] = int(0.52 * peak)
    rgb = PaperRgb(of).rgb([plane / peak for plane in integers]).clamp(0, 1) * peak
    for frame in range(2):
        numbers = [plane[frame].numpy().astype(np.uint8 if peak == 255 else np.uint16) for plane in integers]
        expected = RgbConversion.of_tags(of.color).to_rgb(numbers, of.pixel_format)
        assert np.abs(rgb[frame].permute(1, 2, 0).numpy() - expected).max() < 0.51


def test_the_papers_distortion_is_its_formula():
    of = video((80, 66))
    wanted = planes(1, of)
    rendered = [torch.lerp(a, b, 0.1) for a, b in zip(wanted, planes(2, of), strict=True)]
    a, b = (PaperRgb(of).rgb(side).double() for side in (rendered, wanted))
    similarity = library_ms_ssim(a, b, data_range=1, win_size=5, size_average=False)
    expected = 0.7 * (a - b).abs().mean(dim=(1, 2, 3)) + 0.3 * (1 - similarity)
    assert (50 * PaperRgb(of)(rendered, wanted)).tolist() == pytest.approx(expected.tolist(), rel=1e-3)


def test_rgb_that_is_not_known_is_refused():
    with pytest.raises(MediaError, match="colour matrix 8 "):
        PaperRgb(video(matrix=8))
