"""Normative integer probability tables (SPEC section 6.2).

A coded integer is split by its predicted mean: the residual r = symbol - floor(mean) falls under one of
2 families x 64 scales x 8 sub-integer offsets of the mean. Every table is derived with integer arithmetic
alone from two shipped shapes (cumulative distributions of standard deviation 1), so that any reader on any
machine builds the same integers.
"""

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

import numpy as np

from nvrc_formats.errors import FormatError

GAUSSIAN, LAPLACE = 0, 1
FAMILIES = 2
SCALES = 64
OFFSETS = 8
TABLES = FAMILIES * SCALES * OFFSETS

# Standard deviations in symbol units, log-spaced. The smallest one costs a zero next to nothing: most values of
# a grid are zeros.
SCALE_MIN, SCALE_MAX = 0.04, 256.0
SCALE_LOG_STEP = float(np.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1))

TOTAL = 1 << 16  # sum of a table's counts
ESCAPE_BYTES = 3  # an escape is followed by its residual plus 2**23, as raw bytes, lowest first
SHAPE_RESOLUTION = 512  # shape entries per standard deviation
SHAPE_ENTRIES = 8 * SHAPE_RESOLUTION + 1  # standard deviations 0 to 8
SHAPE_ONE = 1 << 30  # the shapes' fixed-point 1.0
SHAPES_SHA256 = "41a707a6822698957df312f56a38e1bbab99e1ed354a00b57182107ffa5670f5"

# fmt: off
# round(2**16 * SHAPE_RESOLUTION / (16 * scale)): turns sixteenths of a symbol into Q16 shape entries. Listed,
# not computed: these 64 integers are part of the format.
INVERSE_SCALES = (
    52428800, 45619904, 39695274, 34540073, 30054375, 26151231, 22754987, 19799810, 17228421, 14990976,
    13044107, 11350077, 9876049, 8593453, 7477426, 6506338, 5661363, 4926126, 4286373, 3729704, 3245330,
    2823861, 2457128, 2138022, 1860358, 1618755, 1408528, 1225603, 1066435, 927938, 807427, 702567, 611325,
    531933, 462851, 402741, 350437, 304926, 265325, 230868, 200885, 174796, 152096, 132343, 115156, 100201,
    87188, 75865, 66012, 57439, 49980, 43489, 37841, 32926, 28650, 24930, 21692, 18875, 16424, 14291, 12435,
    10820, 9415, 8192,
)
# Residuals -RADIUS..RADIUS+1 have a count of their own; all others are escapes.
RADII = (
    2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 7, 8, 9, 11, 12, 13, 15, 17, 20, 22, 25,
    29, 33, 38, 43, 49, 57, 65, 74, 85, 97, 112, 128, 147, 169, 194, 223, 256, 294, 337, 387, 445, 511, 511,
    511, 511, 511, 511, 511, 511, 511, 511, 511,
)
# fmt: on


def table_index(family, scale, offset):
    """The table for a family (0, 1), a scale index (0..63) and an offset of the mean (0..7 eighths)."""
    return (family * SCALES + scale) * OFFSETS + offset


def radius_of(table: int) -> int:
    """The radius of a table: see RADII."""
    return RADII[table // OFFSETS % SCALES]


@lru_cache(maxsize=1)
def _shapes() -> np.ndarray:
    data = files("nvrc_formats").joinpath("shapes.bin").read_bytes()
    if sha256(data).hexdigest() != SHAPES_SHA256:
        raise FormatError("the installed file shapes.bin is damaged: install nvrc again")
    return np.frombuffer(data, dtype="<u4").reshape(FAMILIES, SHAPE_ENTRIES).astype(np.int64)


def _cumulative_shape(family: int, position: np.ndarray) -> np.ndarray:
    """The shape's cumulative value in 1/SHAPE_ONE at signed Q16 shape entries."""
    shape = _shapes()[family]
    magnitude = np.minimum(np.abs(position), (SHAPE_ENTRIES - 1) << 16)
    entry = np.minimum(magnitude >> 16, SHAPE_ENTRIES - 2)
    low, high = shape[entry], shape[entry + 1]
    value = low + ((high - low) * (magnitude - (entry << 16)) >> 16)
    return np.where(position < 0, SHAPE_ONE - value, value)


@lru_cache(maxsize=TABLES)
def cumulative_counts(table: int) -> np.ndarray:
    """Cumulative counts [K + 1], from 0 to TOTAL, of a table's K entries; each count is at least 1.

    Entry i stands for the residual i - RADIUS; the last entry is the escape.
    """
    family, scale, offset = table // (SCALES * OFFSETS), table // OFFSETS % SCALES, table % OFFSETS
    radius = radius_of(table)
    residual = np.arange(-radius - 1, radius + 2)
    upper_edge_sixteenths = 16 * residual + 8 - 2 * offset
    mass = _cumulative_shape(family, upper_edge_sixteenths * INVERSE_SCALES[scale])
    mass = mass - mass[0]
    entries = len(mass)  # one a residual, and the escape: the first edge only bounds the first entry
    counts = (mass * (TOTAL - entries) >> 30) + np.arange(entries)
    return np.append(counts, TOTAL)


@lru_cache(maxsize=1)
def _lengths() -> tuple[np.ndarray, np.ndarray]:
    """Bits of the entries of all tables, one table after the other, and where each table's escape is."""
    counts = [np.diff(cumulative_counts(table)) for table in range(TABLES)]
    ends = np.cumsum([len(of_table) for of_table in counts])
    return -np.log2(np.concatenate(counts) / TOTAL), ends - 1


def entry_bits(residuals: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Bits [N] that the tables [N] charge for the residuals [N]; an escape's raw bytes included."""
    lengths, escapes = _lengths()
    radius = np.array(RADII)[tables // OFFSETS % SCALES]
    before_escape = radius + 2 - residuals  # entries from the residual's to the escape
    escaped = (before_escape <= 0) | (before_escape > 2 * radius + 2)
    return lengths[escapes[tables] - np.where(escaped, 0, before_escape)] + 8 * ESCAPE_BYTES * escaped
