"""PSNR on integer planes, the way video papers report it.

Two conventions, whose figures are not comparable with each other:

- mean: a plane's figure is the mean of its frames' decibels, and `yuv` = (6 Y + U + V) / 8 of these. NVRC and DCVC
  use the same weights.
- pooled: a plane's figure is the decibels of its mean squared error over the whole clip, as FFmpeg's psnr filter sums
  up, and `yuv` those of (6 MSE_Y + MSE_U + MSE_V) / 8. Bad frames and bad planes count more, so that it is never above
  the mean (but for the cap). Codecs that pool, such as Cool-chic, may weight planes in other ways, for example by
  their samples, as FFmpeg's "average" does.
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
class PooledPsnr:
    """PSNR of a clip in dB, of mean squared errors over all its frames."""

    y: float
    u: float
    v: float
    yuv: float


@dataclass(frozen=True)
class Psnr:
    """PSNR of a clip in dB: means over frames, a plane and weighted; `pooled` is the other convention.

    `per_frame`: float64 [T, 3], the frames' Y, U, V.
    """

    y: float
    u: float
    v: float
    yuv: float
    pooled: PooledPsnr
    per_frame: np.ndarray = field(repr=False, compare=False)

    @property
    def yuv_per_frame(self) -> np.ndarray:
        """float64 [T]: (6 Y + U + V) / 8 of each frame's decibels."""
        return self.per_frame @ YUV_WEIGHTS


def plane_psnr_db(reference: np.ndarray, test: np.ndarray, peak: int) -> np.ndarray:
    """PSNR of every frame of one plane: integers [T, H, W] twice -> float64 [T], in dB.

    `peak` is the largest sample value, 255 at 8 bits. Scores end at `PSNR_CAP_DB`. Raises `UsageError`
    where the shapes differ and `TypeError` where a plane is not made of integers.
    """
    return psnr_db(_frame_errors(reference, test), peak)


def psnr_db(mean_squared_error: float | np.ndarray, peak: int) -> np.ndarray:
    """10 log10(peak^2 / error), at most `PSNR_CAP_DB`; any shape -> float64 of that shape."""
    with np.errstate(divide="ignore"):  # no error at all is infinitely many decibels, and those end at the cap
        return np.minimum(10 * np.log10(peak**2 / np.asarray(mean_squared_error)), PSNR_CAP_DB)


def mean_squared_error(reference: np.ndarray, test: np.ndarray) -> float:
    """Of two arrays of integers of one shape; exact but for the last division."""
    # 64-bit integers: 16-bit differences do not overflow, and the sum does not depend on its order.
    difference = np.subtract(reference, test, dtype=np.int64).ravel()
    return int(difference @ difference) / difference.size


def _frame_errors(reference: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Mean squared errors of every frame: integers [T, H, W] twice -> float64 [T]."""
    for plane in (reference, test):
        if not np.issubdtype(plane.dtype, np.integer):
            raise TypeError(f"PSNR is measured on integer samples, not on {plane.dtype}")
    if reference.ndim != 3 or reference.shape != test.shape:
        raise UsageError(f"cannot compare planes of the shapes {reference.shape} and {test.shape} [T, H, W]")
    if reference.size == 0:
        raise UsageError(f"planes of the shape {reference.shape} [T, H, W] have no samples to compare")
    return np.array([mean_squared_error(a, b) for a, b in zip(reference, test, strict=True)])


class PsnrMeter:
    """Measures a clip frame by frame, in the memory of one frame."""

    def __init__(self, peak: int = 255) -> None:
        self._peak = peak
        self._errors: list[np.ndarray] = []

    def update(self, reference_planes: Sequence[np.ndarray], test_planes: Sequence[np.ndarray]) -> None:
        """Add a frame (planes Y, U, V as integers [H, W]) or some frames (planes [T, H, W]).

        Raises `UsageError` where the two sides differ in shape.
        """
        pairs = zip(reference_planes, test_planes, strict=True)
        self._errors.append(np.stack([_frame_errors(_as_frames(a), _as_frames(b)) for a, b in pairs], axis=1))

    def result(self) -> Psnr:
        """The figures of everything so far. Raises `UsageError` where there was no frame."""
        if not self._errors:
            raise UsageError("there is no frame to measure")
        errors = np.concatenate(self._errors)
        per_frame = psnr_db(errors, self._peak)
        means = per_frame.mean(axis=0)
        # Frames are of one size, so the clip's mean squared error is the mean of theirs.
        clip_errors = errors.mean(axis=0)
        pooled = psnr_db([*clip_errors, YUV_WEIGHTS @ clip_errors], self._peak)
        return Psnr(
            *means.tolist(),
            yuv=float(YUV_WEIGHTS @ means),
            pooled=PooledPsnr(*pooled.tolist()),
            per_frame=per_frame,
        )


def _as_frames(plane: np.ndarray) -> np.ndarray:
    return plane[np.newaxis] if plane.ndim == 2 else plane
