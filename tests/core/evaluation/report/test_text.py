import io
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.evaluation.report.markdown import markdown_report
from nvrc_core.evaluation.report.text import (
    ASCII_BLOCKS,
    BLOCKS,
    RD_HEADER,
    commit_line,
    rd_rows,
    shows_blocks,
    sparkline,
)

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=60)


@given(VALUES, st.booleans())
def test_a_sparkline_has_a_block_a_value_and_keeps_their_order(values: list[float], ascii: bool):
    line = sparkline(values, ascii=ascii)
    assert len(line) == len(values)
    shown = [((ASCII_BLOCKS if ascii else BLOCKS).index(c), v) for c, v in zip(line, values, strict=True) if c != " "]
    assert len(shown) == sum(map(math.isfinite, values))
    ordered = sorted(shown, key=lambda pair: pair[1])
    assert [level for level, _ in ordered] == sorted(level for level, _ in shown)
    if ascii:
        assert line.isascii()


@given(VALUES, st.integers(1, 70))
def test_a_sparkline_keeps_to_its_width(values: list[float], width: int):
    assert len(sparkline(values, width=width)) == min(len(values), width)


def test_sparkline_ends_and_equal_values():
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == BLOCKS
    assert sparkline([30.0, 30.0]) == "▄▄"
    assert sparkline([0, 0, 10, 10], width=2) == "▁█"
    assert sparkline([]) == ""


def test_what_streams_can_show():
    assert shows_blocks(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert not shows_blocks(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert not shows_blocks(io.StringIO())  # states no encoding


def test_every_point_is_a_row(document: dict[str, Any]):
    rows = rd_rows(document)
    assert len(rows) == len(document["points"])
    assert all(len(row.cells()) == len(RD_HEADER) for row in rows)
    assert rows[0].cells() == ("nvrc_fast", "0.0400", "24.99", "26.44", "0.9269", "3.00", "20.0", "0.98")
    assert {row.times_anchor_bits for row in rows if row.series == "x265_veryslow"} == {None}


def test_rows_of_empty_points_have_dashes():
    (row,) = rd_rows([{"codec": "nvrc"}])
    assert row.cells() == ("nvrc", "-", "-", "-", "-", "-", "-", "-")


def test_commit_line(one_series_document: dict[str, Any]):
    baseline = one_series_document | {
        "points": [point | {"bpp": point["bpp"] / 0.968} for point in one_series_document["points"]]
    }
    assert commit_line(one_series_document, baseline) == (
        "fast: +200.0 % vs x265_veryslow (3 clips, psnr_yuv; psnr_y +200.0 %), -3.2 % vs baseline, "
        "18.2 ms/step, 1240 MAC/px, 61 fps decode, cpu (1 thread), 2026-11-23"
    )


def test_commit_line_of_two_series_and_devices(document: dict[str, Any]):
    fast, medium = commit_line(document).split("; medium: ")
    assert fast.endswith("61 fps decode, cpu (1 thread)")
    assert medium.endswith("4.0 ms/step, 2150 MAC/px, 400 fps decode, cuda:0 (NVIDIA H100 80GB HBM3), 2026-11-23")


def test_commit_line_without_figures():
    assert commit_line({"points": []}) == "no points of nvrc"
    assert commit_line([{"codec": "nvrc", "preset": "fast"}]) == "fast: no figures"


def test_markdown_tables_are_rectangular_and_complete(document: dict[str, Any]):
    text = markdown_report(document, document)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") - line.count("\\|") for line in table}) == 1
    assert len(tables[0]) == len(document["points"]) + 2
    assert "+200.0 %" in text
    assert "<b>" not in text.replace("\\<b\\>", "")


def test_markdown_of_a_point_without_anything():
    assert "| (nameless) | nvrc | - |" in markdown_report([{"codec": "nvrc"}])
