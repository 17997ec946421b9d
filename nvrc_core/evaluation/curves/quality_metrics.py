"""The measures of quality at which rates can be compared, by the names they have in files of results.

MS-SSIM ends at 1, so equal steps of it near the end are not equal steps of quality. Its curves are compared in
decibels, -10 log10(1 - x), as papers draw them.
"""

import math
from dataclasses import dataclass

from nvrc_core.errors import UsageError


@dataclass(frozen=True)
class QualityMetric:
    """A quality figure of a point: `key` in files, and `label`, with the scale on which its curves are compared.

    `unit` of that scale; `narrow`: an overlap of two curves, in that unit, below which a BD-rate says little.
    """

    key: str
    label: str
    unit: str = "dB"
    narrow: float = 1.0
    of_one: bool = False

    def scaled(self, value: float) -> float:
        """A stored value on the scale of comparison. Raises UsageError for an MS-SSIM that has no decibels."""
        if not self.of_one:
            return value
        if not value < 1:
            raise UsageError(f"a point has {self.key} {value:g}; only values below 1 have decibels")
        return -10 * math.log10(1 - value)


METRICS = {
    metric.key: metric
    for metric in (
        QualityMetric("psnr_yuv", "PSNR-YUV (6:1:1)"),
        QualityMetric("psnr_y", "PSNR-Y"),
        QualityMetric("psnr_u", "PSNR-U"),
        QualityMetric("psnr_v", "PSNR-V"),
        QualityMetric("psnr_rgb", "PSNR-RGB"),
        QualityMetric("psnr_yuv_pooled", "PSNR-YUV (6:1:1), pooled"),
        QualityMetric("psnr_y_pooled", "PSNR-Y, pooled"),
        QualityMetric("psnr_u_pooled", "PSNR-U, pooled"),
        QualityMetric("psnr_v_pooled", "PSNR-V, pooled"),
        QualityMetric("ms_ssim_y", "MS-SSIM-Y in dB, -10 log10(1 - x)", of_one=True),
        QualityMetric("ms_ssim_rgb", "MS-SSIM-RGB in dB, -10 log10(1 - x)", of_one=True),
        # 6 points are said to be just noticeable; a decibel of PSNR is about half of that.
        QualityMetric("vmaf", "VMAF", unit="VMAF", narrow=3.0),
    )
}
"""By key. psnr_*: mean of the frames' decibels; psnr_*_pooled: decibels of the clip's mean squared error."""

DEFAULT_METRIC = "psnr_yuv"


def find_metric(key: str) -> QualityMetric:
    """Raises UsageError for a name that is none."""
    if key not in METRICS:
        raise UsageError(f"there is no quality {key!r}; choose one of {', '.join(METRICS)}")
    return METRICS[key]
