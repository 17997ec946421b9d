"""MS-SSIM (Wang, Simoncelli and Bovik 2003), computed by the library pytorch_msssim as in most papers on learned video.

Five scales with the paper's exponents, a Gaussian window of 11x11 samples (sigma 1.5) that stays inside the picture,
2x2 means between scales (odd sides are padded by zeros on both ends), K1 = 0.01, K2 = 0.03. Negative contrast terms
count as 0. The value is from 0 to 1, 1 for identical pictures.
"""

from collections.abc import Iterator

import numpy as np
import torch
from pytorch_msssim import ms_ssim as library_ms_ssim

WINDOW, SIGMA = 11, 1.5

MIN_SIDE = (WINDOW - 1) * 2**4 + 1
"""161 samples: the smaller side from which MS-SSIM is defined: the window has to fit into the smallest scale."""


def is_defined(height: int, width: int) -> bool:
    """Whether pictures of this size are large enough."""
    return min(height, width) >= MIN_SIDE


def ms_ssim(reference: np.ndarray, test: np.ndarray, peak: int, device: torch.device | str = "cpu") -> float:
    """MS-SSIM of two pictures: integers [H, W], or [H, W, C] for the mean over channels. `peak` is the largest sample.

    In float64: variances are small differences of large squares, of which float32 loses up to 1e-4 where pictures
    are bright and flat. Only where `is_defined`.
    """
    # Channel by channel, which takes a third of the memory and as much time.
    scores = [
        library_ms_ssim(a.to(device), b.to(device), data_range=peak, win=_gaussian())
        for a, b in zip(_channels(reference), _channels(test), strict=True)
    ]
    return float(torch.stack(scores).mean())


def _gaussian() -> torch.Tensor:
    """The window, [1, 1, 1, WINDOW]: the library's own has the precision of float32, whatever the pictures have."""
    window = torch.exp(-((torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    return (window / window.sum()).reshape(1, 1, 1, WINDOW)


def _channels(picture: np.ndarray) -> Iterator[torch.Tensor]:
    """[H, W] or [H, W, C] -> C times float64 [1, 1, H, W]."""
    for channel in np.moveaxis(np.atleast_3d(picture), -1, 0):
        yield torch.from_numpy(channel.astype(np.float64))[np.newaxis, np.newaxis]
