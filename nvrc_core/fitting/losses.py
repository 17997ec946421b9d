"""Distortions between rendered and wanted planes: differentiable, zero for equal planes; one for each tune.

All are scaled to the order of the weighted MSE at usual rates, so that lambda, and the first steps that follow from it,
mean about the same under every tune.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from nvrc_formats.video import VideoFormat
from torch import Tensor

from nvrc_core.constants import constant
from nvrc_core.evaluation.quality.psnr import YUV_WEIGHTS
from nvrc_core.evaluation.quality.rgb import MATRICES, RgbConversion
from nvrc_core.fitting.ms_ssim import ms_ssim
from nvrc_core.representation.resampling import resize

Planes = Sequence[Tensor]
"""Y, U, V, each [N, H, W] in float32, samples in [0, 1]; what is rendered may lie outside."""


class Distortion(ABC):
    """How far rendered pictures are from those that are wanted. `video`: what the planes are."""

    luma_shift: ClassVar[tuple[int, ...]] = (0, 0, 0, 0)
    """How much coarser than chroma's the first steps of luma are in each wavelet band, from the coarsest band on, in
    eighths of an octave."""

    def __init__(self, video: VideoFormat) -> None:
        self.video = video

    @abstractmethod
    def __call__(self, rendered: Planes, wanted: Planes) -> Tensor:
        """[N]: a number >= 0 for each frame."""


class SquaredError(Distortion):
    """The 6:1:1 mean of the planes' squared errors."""

    def __call__(self, rendered: Planes, wanted: Planes) -> Tensor:
        return _weighted(plane_errors(rendered, wanted))


class StructuralError(Distortion):
    """`SquaredError` with most of luma's part replaced by what it lacks in MS-SSIM.

    A share remains: MS-SSIM hardly sees the brightness of bright pictures, which would drift in the first steps.
    """

    UNIT = 1 / 20
    """Squared error that a loss of one in MS-SSIM stands for. Times the share that is replaced this is 0.0375: in
    finished fits for MS-SSIM at 0.1 bpp the two are in a ratio of 0.034 to 0.038."""
    SQUARED_SHARE = 0.25

    luma_shift = (-3, -3, 0, 5)  # the finest of five scales has a twentieth of MS-SSIM's exponents

    def __call__(self, rendered: Planes, wanted: Planes) -> Tensor:
        errors = plane_errors(rendered, wanted)
        lost = self.UNIT * (1 - ms_ssim(rendered[0].unsqueeze(1), wanted[0].unsqueeze(1)))
        luma = torch.lerp(lost, errors[:, 0], self.SQUARED_SHARE)
        return _weighted(torch.cat([luma.unsqueeze(1), errors[:, 1:]], dim=1))


class PaperRgb(Distortion):
    """0.7 L1 + 0.3 (1 - MS-SSIM) of RGB, as NVRC (NeurIPS 2024) and HiNeRV train, times `UNIT`.

    Raises MediaError where the video's tags name no known RGB.

    RGB is that of `evaluation/quality/rgb.py` by the tags, with bilinear chroma in the middle of its luma samples, and
    neither rounded nor clipped: where a sample leaves the range of RGB, its gradient has to stay.
    """

    UNIT = 1 / 50
    """Lambda is the paper's times 50."""
    L1_SHARE = 0.7

    def __init__(self, video: VideoFormat) -> None:
        super().__init__(video)
        self._conversion = RgbConversion.of_tags(video.color)

    def __call__(self, rendered: Planes, wanted: Planes) -> Tensor:
        a, b = self.rgb(rendered), self.rgb(wanted)
        difference = (a - b).abs().mean(dim=(1, 2, 3))
        return self.UNIT * torch.lerp(1 - ms_ssim(a, b), difference, self.L1_SHARE)

    def rgb(self, planes: Planes) -> Tensor:
        """[N, 3, H, W]: planes as red, green and blue, black 0 and white 1."""
        y, *chroma = planes
        depth, peak = self.video.pixel_format.bit_depth, self.video.pixel_format.peak
        code = 2 ** (depth - 8) / peak  # of 8 bits
        full = self._conversion.full_range
        black, luma_range, chroma_range = (0.0, 1.0, 1.0) if full else (16 * code, 219 * code, 224 * code)
        y = (y - black) / luma_range
        cb, cr = ((self._at_luma_size(plane) - 128 * code) / chroma_range for plane in chroma)
        kr, kb = MATRICES[self._conversion.matrix]
        red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
        green = (y - kr * red - kb * blue) / (1 - kr - kb)
        return torch.stack([red, green, blue], dim=1)

    def _at_luma_size(self, plane: Tensor) -> Tensor:
        layout = self.video.pixel_format
        size = plane.shape[1] * layout.chroma_y, plane.shape[2] * layout.chroma_x
        return resize(plane.unsqueeze(-1), size)[:, : self.video.height, : self.video.width, 0]


DISTORTIONS: dict[str, type[Distortion]] = {"psnr": SquaredError, "msssim": StructuralError, "paper-rgb": PaperRgb}
"""By tune."""


def plane_errors(rendered: Planes, wanted: Planes) -> Tensor:
    """Mean squared error of each plane of each frame, [N, 3]."""
    return torch.stack([(a - b).square().mean(dim=(1, 2)) for a, b in zip(rendered, wanted, strict=True)], 1)


@torch.no_grad()
def psnr_yuv_db(rendered: Planes, wanted: Planes) -> Tensor:
    """PSNR-YUV, a scalar: 6:1:1 over planes, mean of per-frame decibels, on unrounded samples."""
    return _weighted(-10 * torch.log10(plane_errors(rendered, wanted).clamp_min(1e-10))).mean()


def _weighted(errors: Tensor) -> Tensor:
    """[N, 3] to [N]: 6:1:1 over planes."""
    return (errors * constant(YUV_WEIGHTS, errors)).sum(dim=1)
