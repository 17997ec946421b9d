"""RGB pictures of YUV planes, by conversions that a name describes: papers measure on RGB, and the figure depends on
how the RGB came about, so it is always given with the name.

With samples of n bits, s = 2^(n-8) and peak = 2^n - 1 (ITU-T H.273, section 8.3):

    limited range:  Y = (y - 16 s) / (219 s),   Cb = (u - 128 s) / (224 s),   Cr = (v - 128 s) / (224 s)
    full range:     Y = y / peak,               Cb = (u - 128 s) / peak,      Cr = (v - 128 s) / peak

    R = Y + 2 (1 - Kr) Cr
    B = Y + 2 (1 - Kb) Cb
    G = (Y - Kr R - Kb B) / (1 - Kr - Kb)

    sample = floor(peak * min(max(R, 0), 1) + 1/2)

in float64. RGB has the bits of its planes: 8-bit planes give 0 to 255, 10-bit planes 0 to 1023.

Chroma that has fewer samples than luma is brought to its size before that:

- nearest: each chroma sample covers the luma samples that it was made for; nothing is interpolated;
- bilinear: two taps an axis;
- bicubic: four taps an axis, Keys' kernel with a = -1/2 (Catmull-Rom).

The last two take chroma samples to lie as in MPEG-2, H.264 and HEVC by default, "left" in FFmpeg's words: in the
column of every other luma sample, and half-way between two rows in 4:2:0. At the borders the outermost samples repeat.
"""

from dataclasses import dataclass

import numpy as np
from nvrc_formats.rawvideo import Planes
from nvrc_formats.video import ColorTags, PixelFormat

from nvrc_core.errors import MediaError, UsageError

MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
"""Kr and Kb by name."""

FULL_RANGE = {"limited": False, "full": True}
CHROMA_FILTERS = ("nearest", "bilinear", "bicubic")

# The PNG pictures that papers on implicit neural representations measure on come from FFmpeg, which takes untagged
# video for this. Its fast path truncates where we round: samples are up to 3 of 255 apart, on both sides alike.
ALIASES = {"ffmpeg601": "bt601-limited-nearest"}

# By H.273's code point of the matrix. Untagged video (2) is taken as FFmpeg's swscale takes it.
_TAGGED_MATRICES = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601", 9: "bt2020"}

# Of luma sample 0, in chroma samples. Columns coincide; rows of 4:2:0 lie half-way.
_COLUMN_OFFSET = 0.0
_ROW_OFFSET = -0.25


@dataclass(frozen=True)
class RgbConversion:
    """`matrix` is a key of MATRICES, `chroma` one of CHROMA_FILTERS. The module's text has the formulas."""

    matrix: str = "bt601"
    full_range: bool = False
    chroma: str = "nearest"

    @classmethod
    def parse(cls, name: str) -> "RgbConversion":
        """Read MATRIX-RANGE-CHROMA, such as "bt709-limited-nearest", or an alias. Raises UsageError."""
        parts = ALIASES.get(name, name).split("-")
        known = (MATRICES, FULL_RANGE, CHROMA_FILTERS)
        if len(parts) != 3 or any(part not in names for part, names in zip(parts, known, strict=True)):
            form = "-".join("|".join(names) for names in known)
            raise UsageError(f"unknown RGB conversion {name!r}: use {form} or {', '.join(ALIASES)}")
        matrix, levels, chroma = parts
        return cls(matrix, FULL_RANGE[levels], chroma)

    @classmethod
    def of_tags(cls, color: ColorTags) -> "RgbConversion":
        """What a video's tags ask for, with nearest chroma; untagged is bt601, limited.

        Raises MediaError for a matrix that is not in MATRICES.
        """
        if color.matrix not in _TAGGED_MATRICES:
            raise MediaError(
                f"no RGB conversion for colour matrix {color.matrix} of ITU-T H.273; metrics take one by name (--rgb), "
                "such as bt709-limited-nearest"
            )
        return cls(_TAGGED_MATRICES[color.matrix], bool(color.full_range))

    @property
    def name(self) -> str:
        """For example "bt709-limited-nearest"."""
        return f"{self.matrix}-{'full' if self.full_range else 'limited'}-{self.chroma}"

    def to_rgb(self, planes: Planes, pixel_format: PixelFormat) -> np.ndarray:
        """Planes Y, U, V (integers [H, W]) -> [H, W, 3], uint8 for 8 bits and uint16 for more."""
        y, u, v = planes
        scale, peak = 1 << (pixel_format.bit_depth - 8), pixel_format.peak
        black, luma, chroma = (0, peak, peak) if self.full_range else (16 * scale, 219 * scale, 224 * scale)
        luma_plane = (y - np.float64(black)) / luma
        cb, cr = ((_at_luma_size(c, y.shape, pixel_format, self.chroma) - 128 * scale) / chroma for c in (u, v))
        kr, kb = MATRICES[self.matrix]
        red = luma_plane + 2 * (1 - kr) * cr
        blue = luma_plane + 2 * (1 - kb) * cb
        green = (luma_plane - kr * red - kb * blue) / (1 - kr - kb)
        samples = peak * np.clip(np.stack([red, green, blue], axis=-1), 0, 1)
        return np.floor(samples + 0.5).astype(y.dtype)


def _at_luma_size(chroma: np.ndarray, shape: tuple[int, int], pixel_format: PixelFormat, name: str) -> np.ndarray:
    """A chroma plane as float64 of the luma plane's shape [H, W]."""
    factors = (pixel_format.chroma_y, pixel_format.chroma_x)
    values = chroma.astype(np.float64)
    for axis, (size, factor, offset) in enumerate(zip(shape, factors, (_ROW_OFFSET, _COLUMN_OFFSET), strict=True)):
        if factor == 1:
            continue
        if name == "nearest":
            values = values.take(np.arange(size) // factor, axis)
        else:
            values = _interpolate(values, axis, np.arange(size) / factor + offset, name)
    return values


def _interpolate(values: np.ndarray, axis: int, positions: np.ndarray, name: str) -> np.ndarray:
    """Samples between samples: `positions` are in samples along `axis`, whose size becomes theirs."""
    first = np.floor(positions).astype(np.int64)
    t = positions - first
    if name == "bilinear":
        taps = {0: 1 - t, 1: t}
    else:
        # Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), a = -1/2.
        taps = {
            -1: (-t + 2 * t**2 - t**3) / 2,
            0: (2 - 5 * t**2 + 3 * t**3) / 2,
            1: (t + 4 * t**2 - 3 * t**3) / 2,
            2: (-(t**2) + t**3) / 2,
        }
    last = values.shape[axis] - 1
    along = (-1, 1) if axis == 0 else (1, -1)
    return sum(
        weights.reshape(along) * values.take(np.clip(first + tap, 0, last), axis) for tap, weights in taps.items()
    )
