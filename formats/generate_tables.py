"""Writes `nvrc_formats/shapes.bin`, the normative distribution shapes (SPEC section 6.2).

Run once; the file is the norm.
Usage: python formats/generate_tables.py [OUTPUT]
"""

import math
import sys
from pathlib import Path

import numpy as np
from nvrc_formats.tables import SHAPE_ENTRIES, SHAPE_ONE, SHAPE_RESOLUTION


def gaussian_cdf(z: float) -> float:
    """P(X <= z) of a zero-mean Gaussian of standard deviation 1, z >= 0."""
    return 1.0 - 0.5 * math.erfc(z / math.sqrt(2.0))


def laplace_cdf(z: float) -> float:
    """P(X <= z) of a zero-mean Laplace distribution of standard deviation 1, z >= 0."""
    return 1.0 - 0.5 * math.exp(-math.sqrt(2.0) * z)


def shapes() -> np.ndarray:
    """The two shapes as little-endian uint32 [family, entry]."""
    grid = [entry / SHAPE_RESOLUTION for entry in range(SHAPE_ENTRIES)]
    return np.array([[round(SHAPE_ONE * cdf(z)) for z in grid] for cdf in (gaussian_cdf, laplace_cdf)], dtype="<u4")


if __name__ == "__main__":
    default = Path(__file__).parent / "nvrc_formats" / "shapes.bin"
    Path(sys.argv[1] if len(sys.argv) > 1 else default).write_bytes(shapes().tobytes())
