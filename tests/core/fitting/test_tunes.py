"""What a tune is for: at one rate, a fit for MS-SSIM has a higher one than a fit for PSNR."""

from pathlib import Path

import pytest
import torch
from nvrc_formats.header import HinervShape, MotionWaveletShape, SegmentHeader, Shape
from nvrc_formats.video import VideoFormat

from nvrc_core.fitting.motion_recipe import MotionRecipe
from nvrc_core.fitting.ms_ssim import ms_ssim
from nvrc_core.fitting.recipe import Recipe
from nvrc_core.media.selection import FrameRange, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.presets import PRESETS, Preset
from nvrc_core.segment import SegmentDecoder, fit_segment

CLIP = Path(__file__).parents[2] / "data" / "bunny_176x144_32f.mkv"
FRAMES, WIDTH, HEIGHT = 5, 96, 80
VIDEO = VideoFormat(WIDTH, HEIGHT)
CPU = torch.device("cpu")

WAVELETS = MotionWaveletShape((0, 4), channels=1, blocks=0)  # what so few bits allow
WAVELET_RECIPE = MotionRecipe(visits=0, min_steps=100, grid_rate=0.05)
HINERV = HinervShape((3, 5, 6), 4, 2, (24, 16), (4, 2), (1, 1), 2, (2, 1), 2, output_stride=2)
HINERV_RECIPE = Recipe(visits=0, min_steps=100, batch_frames=3)


@pytest.fixture(scope="module")
def planes() -> list:
    with open_source(str(CLIP)) as source:
        clip = read_clip(source, FrameRange(0, FRAMES))
    return [
        plane[:, 20 // scale : (20 + HEIGHT) // scale, 40 // scale : (40 + WIDTH) // scale].copy()
        for plane, scale in zip(clip.planes, (1, 2, 2), strict=True)
    ]


def fit(planes: list, shape: Shape, recipe: Recipe | MotionRecipe, tune: str, bpp: float) -> tuple[float, float]:
    """The payload's bpp, and 1 - MS-SSIM of luma as it decodes."""
    fitted = fit_segment(
        shape,
        VIDEO,
        planes,
        Preset("tiny", "for tests", PRESETS["nvrc-s1"].profile, recipe),
        tune=tune,
        target_bits=bpp * planes[0].size,
        quality_weight=None,
        device=CPU,
        seed=0,
        on_progress=lambda progress: None,
    )
    payload = fitted.encoding.payload
    header = SegmentHeader(0, FRAMES, (), fitted.shape, fitted.encoding.symbol_hash, bytes(8))
    decoded = SegmentDecoder(header, payload, VIDEO).frames(range(FRAMES), CPU)
    rendered = torch.stack([torch.as_tensor(luma) for luma, *_ in decoded])
    score = ms_ssim(*(luma.unsqueeze(1) / 255 for luma in (rendered, torch.from_numpy(planes[0]))))
    return 8 * len(payload) / planes[0].size, 1 - float(score.mean())


@pytest.mark.parametrize(
    ("shape", "recipe", "bpp"),
    [(WAVELETS, WAVELET_RECIPE, 0.4), (HINERV, HINERV_RECIPE, 0.8)],
    ids=["wavelets", "hinerv"],
)
def test_structure_is_kept_better_at_the_same_rate(
    planes: list, shape: Shape, recipe: Recipe | MotionRecipe, bpp: float
):
    (of_psnr, lost_of_psnr), (of_msssim, lost) = (fit(planes, shape, recipe, tune, bpp) for tune in ("psnr", "msssim"))
    assert of_msssim < 1.03 * of_psnr
    assert lost < 0.9 * lost_of_psnr
