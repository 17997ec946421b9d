"""The integer tables: they are part of the format, and close to the distributions that they stand for."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from nvrc_formats import tables
from nvrc_formats.tables import (
    ESCAPE_BYTES,
    FAMILIES,
    INVERSE_SCALES,
    LAPLACE,
    OFFSETS,
    RADII,
    SCALE_LOG_STEP,
    SCALE_MIN,
    SCALES,
    TABLES,
    TOTAL,
    cumulative_counts,
    entry_bits,
    radius_of,
    table_index,
)
from scipy import stats

FORMATS = Path(__file__).parents[2] / "formats"

# Of all tables in ascending order, each cumulative count as a little-endian u32. A change here is a change of the
# bitstream.
ALL_TABLES_SHA256 = "34c6259ebc0d3bcabb0de7bbee8310051cb61d9509ce646b43a93f72add760c6"

# How much more than the entropy of its ideal distribution a table may cost, mean bits a symbol. The counts of at
# least 1 are what it goes to.
MAX_EXCESS_BITS = 0.0125


def counts_of(table: int) -> np.ndarray:
    return np.diff(cumulative_counts(table))


def ideal(family: int, scale: int, offset: int) -> np.ndarray:
    """Mass of each residual of a table and of its escape."""
    deviation = SCALE_MIN * np.exp(SCALE_LOG_STEP * scale)
    distribution = stats.laplace(scale=deviation / np.sqrt(2)) if family == LAPLACE else stats.norm(scale=deviation)
    radius = RADII[scale]
    edges = np.arange(-radius - 1, radius + 2) + 0.5 - offset / OFFSETS
    escape = distribution.cdf(edges[0]) + distribution.sf(edges[-1])
    return np.append(np.diff(distribution.cdf(edges)), escape)


def all_tables() -> list[tuple[int, int, int]]:
    return [(f, s, o) for f in range(FAMILIES) for s in range(SCALES) for o in range(OFFSETS)]


def test_indices_are_the_tables_in_order():
    assert [table_index(*fields) for fields in all_tables()] == list(range(TABLES))
    assert [radius_of(table_index(*fields)) for fields in all_tables()] == [RADII[s] for _, s, _ in all_tables()]


def test_every_entry_has_a_count_and_every_table_the_same_sum():
    for table in range(TABLES):
        cumulative = cumulative_counts(table)
        assert len(cumulative) == 2 * radius_of(table) + 4  # residuals -radius..radius + 1, the escape, and the end
        assert (cumulative[0], cumulative[-1]) == (0, TOTAL)
        assert np.diff(cumulative).min() >= 1


def test_golden():
    digest = hashlib.sha256()
    for table in range(TABLES):
        digest.update(cumulative_counts(table).astype("<u4").tobytes())
    assert digest.hexdigest() == ALL_TABLES_SHA256


def test_golden_table():
    # Gaussian, the smallest scale, a mean at a whole symbol: nearly all mass on 0 (SPEC section 6.2).
    assert cumulative_counts(0).tolist() == [0, 1, 2, 65532, 65533, 65534, 65535, 65536]


def test_shapes_are_what_their_script_makes():
    spec = importlib.util.spec_from_file_location("generate_tables", FORMATS / "generate_tables.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.shapes().tobytes() == files("nvrc_formats").joinpath("shapes.bin").read_bytes()


def test_scales_are_those_of_the_formula():
    scales = SCALE_MIN * np.exp(SCALE_LOG_STEP * np.arange(SCALES))
    assert scales[-1] == pytest.approx(256)
    exact = 2**16 * tables.SHAPE_RESOLUTION / (16 * scales)
    assert np.abs(np.array(INVERSE_SCALES) - exact).max() <= 0.5


def test_counts_are_near_the_ideal_distribution():
    for fields in all_tables():
        mass, counts = ideal(*fields), counts_of(table_index(*fields))
        # An entry gives up its share of the counts that are granted to all entries, and is rounded at both edges.
        assert (np.abs(counts - mass * TOTAL) <= len(mass) * mass + 2).all(), fields


def test_excess_over_the_entropy_is_small():
    for fields in all_tables():
        mass, counts = ideal(*fields), counts_of(table_index(*fields))
        excess = (mass * np.log2(np.maximum(mass, 1e-300) / (counts / TOTAL))).sum()
        assert -1e-9 <= excess < MAX_EXCESS_BITS, fields


def test_tables_of_mirrored_means_are_mirrored():
    for family, scale, offset in all_tables():
        here = counts_of(table_index(family, scale, offset))[:-1]
        there = counts_of(table_index(family, scale, -offset % OFFSETS))[:-1]
        if offset == 0:  # a mean at 0: r mirrors -r, and radius + 1 has no counterpart
            here, there = here[:-1], there[:-1]
        assert np.abs(here - there[::-1]).max() <= 1  # rounding


def test_entry_bits():
    table = table_index(LAPLACE, 30, 3)
    radius, counts = radius_of(table), counts_of(table)
    residuals = np.array([-radius - 1, -radius, 0, radius + 1, radius + 2, 10**6])
    escape = -np.log2(counts[-1] / TOTAL) + 8 * ESCAPE_BYTES
    lengths = -np.log2(counts[[0, radius, 2 * radius + 1]] / TOTAL)
    expected = [escape, *lengths, escape, escape]
    assert entry_bits(residuals, np.full(6, table)) == pytest.approx(expected)


def test_entry_bits_keep_the_order_of_their_arguments():
    residuals, indices = np.array([0, 3, 0, 3]), np.array([900, 20, 20, 900])
    one_by_one = [entry_bits(residuals[i : i + 1], indices[i : i + 1])[0] for i in range(4)]
    assert entry_bits(residuals, indices).tolist() == one_by_one


def test_damaged_shapes_are_refused(tmp_path: Path):
    shutil.copytree(FORMATS / "nvrc_formats", tmp_path / "nvrc_formats")
    shapes = tmp_path / "nvrc_formats" / "shapes.bin"
    data = bytearray(shapes.read_bytes())
    data[5000] ^= 1
    shapes.write_bytes(data)
    code = "from nvrc_formats.tables import cumulative_counts; cumulative_counts(0)"
    outcome = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert outcome.returncode != 0
    assert outcome.stderr.splitlines()[-1].startswith("nvrc_formats.errors.FormatError: the installed file shapes.bin")
