"""PSNR on integer planes, the way video papers report it.

A plane's figure is the mean of its frames' decibels (not the decibels of a mean error), and
`yuv` = (6 Y + U + V) / 8. NVRC and DCVC use the same weights; Cool-chic pools errors instead, so its
figures are not comparable with these.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nvrc_core.errors import UsageError

PSNR_CAP_DB = 100.0
"""What identical planes score, and the most that any plane scores: a finite figure that means can contain.
The cap holds for nearly identical planes too, so that no distortion ever scores above no distortion."""

YUV_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)


@dataclass(frozen=True)
class Psnr:
    """PSNR of a clip in dB: means over frames, a plane and weighted.

    `per_frame`: float64 [T, 3], the frames' Y, U, V.
    """

    y: float
    u: float
    v: float
    yuv: float
    per_frame: np.ndarray = field(repr=False, compare=False)


def plane_psnr_db(reference: np.ndarray, test: np.ndarray, peak: int) -> np.ndarray:
    """PSNR of every frame of one plane: integers [T, H, W] twice -> float64 [T], in dB.

    `peak` is the largest sample value, 255 at 8 bits. Scores end at `PSNR_CAP_DB`. Raises `UsageError`
    where the shapes differ and `TypeError` where a plane is not made of integers.
    """
    for plane in (reference, test):
        if not np.issubdtype(plane.dtype, np.integer):
            raise TypeError(f"PSNR is measured on integer samples, not on {plane.dtype}")
    if reference.ndim != 3 or reference.shape != test.shape:
        raise UsageError(f"cannot compare planes of the shapes {reference.shape} and {test.shape} [T, H, W]")
    if reference.size == 0:
        raise UsageError(f"planes of the shape {reference.shape} [T, H, W] have no samples to compare")
    return np.array([_frame_psnr_db(*frames, peak) for frames in zip(reference, test, strict=True)], dtype=np.float64)


def _frame_psnr_db(reference: np.ndarray, test: np.ndarray, peak: int) -> float:
    # 64-bit integers: 16-bit differences do not overflow, and the sum does not depend on its order.
    difference = np.subtract(reference, test, dtype=np.int64).ravel()
    squared_error = int(difference @ difference)
    if squared_error == 0:
        return PSNR_CAP_DB
    return min(10 * np.log10(peak**2 * difference.size / squared_error), PSNR_CAP_DB)


class PsnrMeter:
    """Measures a clip frame by frame, in the memory of one frame."""

    def __init__(self, peak: int = 255) -> None:
        self._peak = peak
        self._per_frame: list[np.ndarray] = []

    def update(self, reference_planes: Sequence[np.ndarray], test_planes: Sequence[np.ndarray]) -> None:
        """Add a frame (planes Y, U, V as integers [H, W]) or some frames (planes [T, H, W]).

        Raises `UsageError` where the two sides differ in shape.
        """
        pairs = zip(reference_planes, test_planes, strict=True)
        y, u, v = (plane_psnr_db(_as_frames(a), _as_frames(b), self._peak) for a, b in pairs)
        self._per_frame.append(np.stack([y, u, v], axis=1))

    def result(self) -> Psnr:
        """The means over everything so far. Raises `UsageError` where there was no frame."""
        if not self._per_frame:
            raise UsageError("there is no frame to measure")
        per_frame = np.concatenate(self._per_frame)
        y, u, v = (float(mean) for mean in per_frame.mean(axis=0))
        return Psnr(y, u, v, float(np.dot(YUV_WEIGHTS, (y, u, v))), per_frame)


def _as_frames(plane: np.ndarray) -> np.ndarray:
    return plane[np.newaxis] if plane.ndim == 2 else plane
