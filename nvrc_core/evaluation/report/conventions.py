"""What the figures of a report mean, in words for its readers."""

from collections.abc import Sequence

from nvrc_core.evaluation.curves.rd_points import Record
from nvrc_core.evaluation.report.points import number, printable

_RATE = (
    "Rate",
    "bpp is bits per luma pixel: 8 × bytes / (width × height × frames). Bytes are the whole file for nvrc, with its "
    "container, and the elementary stream alone for other encoders.",
)
_PSNR = (
    "PSNR",
    "Of integer planes at the source's bit depth against the source. A plane's figure is the mean of its frames' "
    "decibels, not the decibels of a mean error; PSNR-YUV is (6 Y + U + V) / 8 of these. Identical "
    "frames count as 100 dB.",
)
_POOLED = (
    "Pooled PSNR",
    "Figures named pooled, in the results file only, are decibels of the clip's mean squared error.",
)
_BD = (
    "BD-rate",
    "Mean difference in rate at equal quality: ln(rate) over quality, interpolated by monotone cubics (PCHIP), "
    "averaged over the qualities that both curves reach. Above zero: more bits than the anchor. Never "
    "extrapolated: without a shared range there is no figure. Means are plain means over the clips that have one.",
)
_MS_SSIM = (
    "MS-SSIM",
    "Mean over frames, 0 to 1; not defined for small pictures. Charts show −10 log₁₀(1 − MS-SSIM) in decibels, because "
    "equal steps near 1 are not equal steps of quality.",
)
_TIMES = (
    "Times",
    "Wall-clock seconds, and only of the device they stand under: figures of different devices are never averaged, and "
    "times of shared machines are indicative.",
)


def conventions(points: Sequence[Record]) -> list[tuple[str, str]]:
    """Terms and their meaning, those that the points need."""

    def present(*keys: str) -> bool:
        return any(number(point, key) is not None for point in points for key in keys)

    found = [_RATE, _PSNR]
    if present("psnr_yuv_pooled", "psnr_y_pooled"):
        found.append(_POOLED)
    if present("psnr_rgb"):
        names = sorted({printable(point.get("rgb") or point.get("matrix") or "") for point in points} - {""})
        stated = f"with the conversion {', '.join(names)}" if names else "with a conversion that the points do not name"
        found.append(("RGB", f"Measured on pictures converted from YUV {stated}."))
    if present("ms_ssim_y", "ms_ssim_rgb"):
        found.append(_MS_SSIM)
    if present("vmaf"):
        found.append(("VMAF", "0 to 100, mean over frames; the model is the one of the measuring tool."))
    return [*found, _BD, _TIMES]
