"""All quality figures of a clip, measured frame by frame in the memory of one frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from nvrc_formats.video import VideoFormat

from nvrc_core.evaluation.quality.ms_ssim import is_defined, ms_ssim
from nvrc_core.evaluation.quality.psnr import Psnr, PsnrMeter, mean_squared_error, psnr_db
from nvrc_core.evaluation.quality.rgb import RgbConversion


@dataclass(frozen=True)
class Quality:
    """The quality of a clip.

    `rgb` names the conversion that the RGB figures were measured with. `per_frame`: float64 [T] by name (psnr_y,
    psnr_u, psnr_v, psnr_yuv, psnr_rgb, ms_ssim_y, ms_ssim_rgb); MS-SSIM is absent where it was not measured.
    """

    psnr: Psnr
    rgb: str
    per_frame: dict[str, np.ndarray] = field(repr=False, compare=False)

    @property
    def frames(self) -> int:
        """T, how many frames were measured."""
        return len(self.psnr.per_frame)

    def figures(self) -> dict[str, float | str | None]:
        """The clip's figures by the names that results files have.

        `psnr_*` in dB: means over frames, and with `_pooled` those of the clip's mean squared error (see `psnr`).
        `ms_ssim_*`: means over frames, 0 to 1, or None where it was not measured.
        """
        psnr, pooled = self.psnr, self.psnr.pooled
        return {
            "psnr_y": psnr.y,
            "psnr_u": psnr.u,
            "psnr_v": psnr.v,
            "psnr_yuv": psnr.yuv,
            "psnr_y_pooled": pooled.y,
            "psnr_u_pooled": pooled.u,
            "psnr_v_pooled": pooled.v,
            "psnr_yuv_pooled": pooled.yuv,
            "rgb": self.rgb,
            **{name: self._mean(name) for name in ("psnr_rgb", "ms_ssim_y", "ms_ssim_rgb")},
        }

    def _mean(self, name: str) -> float | None:
        return float(self.per_frame[name].mean()) if name in self.per_frame else None


class QualityMeter:
    """Measures a clip whose frames are of one format.

    `rgb`: how pictures become RGB; None chooses by the tags of `video`. `ms_ssim`: whether to measure MS-SSIM, which
    takes most of the time and is computed on `device`; too small pictures have none. Raises MediaError for tags that no
    conversion is known for.
    """

    def __init__(
        self,
        video: VideoFormat,
        rgb: RgbConversion | None = None,
        ms_ssim: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self._format = video.pixel_format
        self._rgb = rgb or RgbConversion.of_tags(video.color)
        self._device = device
        self._with_ms_ssim = ms_ssim and is_defined(video.height, video.width)
        self._psnr = PsnrMeter(self._format.peak)
        self._scores: dict[str, list[float]] = {"psnr_rgb": []}
        if self._with_ms_ssim:
            self._scores |= {"ms_ssim_y": [], "ms_ssim_rgb": []}

    def update(self, reference_planes: Sequence[np.ndarray], test_planes: Sequence[np.ndarray]) -> None:
        """Add a frame: integer planes Y, U, V [H, W] of each side. Raises UsageError where the shapes differ."""
        self._psnr.update(reference_planes, test_planes)
        peak = self._format.peak
        reference, test = (self._rgb.to_rgb(planes, self._format) for planes in (reference_planes, test_planes))
        self._scores["psnr_rgb"].append(float(psnr_db(mean_squared_error(reference, test), peak)))
        if self._with_ms_ssim:
            self._scores["ms_ssim_y"].append(ms_ssim(reference_planes[0], test_planes[0], peak, self._device))
            self._scores["ms_ssim_rgb"].append(ms_ssim(reference, test, peak, self._device))

    def result(self) -> Quality:
        """The figures of everything so far. Raises UsageError where there was no frame."""
        psnr = self._psnr.result()
        per_frame = {f"psnr_{plane}": psnr.per_frame[:, index] for index, plane in enumerate("yuv")}
        per_frame["psnr_yuv"] = psnr.yuv_per_frame
        per_frame |= {name: np.array(scores) for name, scores in self._scores.items()}
        return Quality(psnr, self._rgb.name, per_frame)
