"""MS-SSIM that can be trained: of pictures of any size, in float32, with gradients that stay finite.

The measure of `evaluation/quality/ms_ssim.py` and of the library behind it, with the 5x5 window of NVRC and HiNeRV. The
library itself refuses small pictures, and its gradient is not a number where a scale's contrast is lost.
"""

from math import exp

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.constants import constant

WINDOW, SIGMA = 5, 1.5
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from the finest scale on (Wang, Simoncelli, Bovik 2003)
C1, C2 = 0.01**2, 0.03**2
LEAST = 1e-3  # of a scale: a power's slope has no bound at zero


def scales_for(height: int, width: int) -> int:
    """How many scales, at most five, have room for the window; one for pictures that have none."""
    side, scales = min(height, width), 1
    while scales < len(EXPONENTS) and (side := -(-side // 2)) >= WINDOW:
        scales += 1
    return scales


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM of pictures [N, C, H, W] of samples in [0, 1]: [N], the mean over channels, 1 for equal pictures.

    Of fewer scales than five, the exponents are scaled to the same sum; a side shorter than the window shortens it.
    """
    scales = scales_for(*a.shape[-2:])
    exponents = constant(EXPONENTS[:scales], a)
    exponents = exponents * (sum(EXPONENTS) / exponents.sum())
    score = a.new_ones(a.shape[:2])
    for scale, exponent in enumerate(exponents):
        if scale:
            odd = [side % 2 for side in a.shape[-2:]]
            a, b = (F.avg_pool2d(picture, 2, padding=odd) for picture in (a, b))
        luminance, contrast = _compare(a, b)
        similarity = contrast if scale < scales - 1 else luminance * contrast
        score = score * similarity.mean(dim=(2, 3)).clamp_min(LEAST) ** exponent
    return score.mean(dim=1)


def _compare(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's luminance term, and its contrast and structure terms in one, of every place of the window."""
    mean_a, mean_b, squares, product = _blurred(torch.stack([a, b, a * a + b * b, a * b])).unbind()
    mean_squares, mean_product = mean_a.square() + mean_b.square(), mean_a * mean_b
    luminance = (2 * mean_product + C1) / (mean_squares + C1)
    contrast = (2 * (product - mean_product) + C2) / (squares - mean_squares + C2)
    return luminance, contrast


def _blurred(maps: Tensor) -> Tensor:
    """Gaussian means over windows that lie inside [..., H, W]. As sums of slices: on a CPU a convolution of single
    channels takes several times as long, and on CUDA slices add up in a fixed order."""
    for dim in (-2, -1):
        taps = min(WINDOW, maps.shape[dim])
        inside = maps.shape[dim] - taps + 1
        weights = [exp(-((tap - (taps - 1) / 2) ** 2) / (2 * SIGMA**2)) for tap in range(taps)]
        total = sum(weights)
        maps = sum(weight / total * maps.narrow(dim, tap, inside) for tap, weight in enumerate(weights))
    return maps
