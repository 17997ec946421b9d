import math
import re
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.report.canvas import svg_text
from nvrc_core.evaluation.report.charts import (
    FrameTrace,
    bit_allocation_chart,
    per_frame_chart,
    rd_chart,
    rd_charts,
    save_figure,
)
from nvrc_core.evaluation.report.points import part_shares
from nvrc_core.evaluation.report.style import DARK, series_styles

CURVES = {
    "x265_veryslow": [(0.05, 34.0), (0.1, 37.0), (0.2, 40.0)],
    "nvrc_fast": [(0.2, 36.0), (0.05, 30.0), (0.1, 33.0)],
}
SVG = "{http://www.w3.org/2000/svg}"


def texts(figure) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg_text(figure)).iter(f"{SVG}text")]


def test_svg_is_xml_the_same_each_time_and_names_everything():
    first, second = (svg_text(rd_chart(CURVES, "a clip", "PSNR-YUV, dB")) for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first
    shown = texts(rd_chart(CURVES, "a clip", "PSNR-YUV, dB"))
    assert {"a clip", "PSNR-YUV, dB", "nvrc_fast", "x265_veryslow", "0.05", "0.1", "0.2"} <= set(shown)


def test_names_are_not_markup_or_mathematics():
    names = ["<b>&\"'$x^2$", "$\\frac", "名前"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = texts(rd_chart({name: [(0.1, 30.0)] for name in names}, "$t_1$", "dB"))
    assert {*names, "$t_1$"} <= set(shown)


@pytest.mark.parametrize(
    "curve", [[(0.1, 30.0)], [(0.1, 30.0)] * 3, [(0.1, 30.0), (0.1, 32.0)], [(1e-6, 0.0), (50.0, 99.0)]]
)
def test_degenerate_curves_are_drawn(curve: list[tuple[float, float]]):
    assert "x265" in texts(rd_chart({"x265": curve}, "", "dB"))


def test_points_without_a_place_are_left_out():
    figure = rd_chart({"a": [(0.1, 30.0), (0.0, 31.0), (0.2, math.inf), (math.nan, 3.0)], "b": []}, "", "dB")
    (line,) = [line for line in figure.axes[0].lines if line.get_label()]
    assert list(zip(*line.get_data(), strict=True)) == [(0.1, 30.0)]
    assert "b" not in texts(figure)
    for empty in ({}, {"a": []}, {"a": [(0.0, 30.0)]}):
        with pytest.raises(UsageError, match="nothing to draw"):
            rd_chart(empty, "", "dB")
        with pytest.raises(UsageError, match="nothing to draw"):
            rd_charts({"clip": empty}, "dB")


def test_curves_run_along_the_rate_and_nvrc_is_drawn_most_strongly():
    lines = rd_chart(CURVES, "", "dB").axes[0].lines
    anchor, nvrc = lines
    assert list(nvrc.get_xdata()) == [0.05, 0.1, 0.2]
    assert nvrc.get_linewidth() > anchor.get_linewidth()
    assert nvrc.get_zorder() > anchor.get_zorder()


def test_a_series_keeps_its_colour_over_charts():
    styles = series_styles(["x264_veryslow", "x265_veryslow", "nvrc_fast"])
    both = [rd_chart(curves, "", "dB", styles) for curves in (CURVES, {"x265_veryslow": CURVES["x265_veryslow"]})]
    colours = [figure.axes[0].lines[0].get_color() for figure in both]
    assert colours == [styles["x265_veryslow"].colour] * 2


def test_styles_differ_and_have_a_dark_counterpart():
    styles = series_styles([f"nvrc_{n}" for n in range(4)] + [f"x{n}" for n in range(6)])
    assert len({style.colour for style in styles.values()}) == len(styles)
    assert all(style.colour in DARK for style in styles.values())


def test_rd_charts_have_a_panel_a_clip_with_points():
    figure = rd_charts({"one": CURVES, "two": CURVES, "empty": {"a": []}, "three": CURVES}, "PSNR-Y, dB")
    assert len(figure.axes) == 3
    assert {"one", "two", "three"} <= set(texts(figure))


def test_parts_of_wavelets_come_fine_to_coarse_in_colours_of_their_own():
    order = ["band2", "band4", "band8", "band16", "motion", "layers", "side", "container"]
    point = {"clip": "c", "series": "nvrc_fast", "bpp": 0.05, "parts": dict.fromkeys(sorted(order), 12.5)}
    assert list(part_shares(point)) == order
    figure = bit_allocation_chart([point], "c")
    assert len({bar.get_facecolor() for bar in figure.axes[0].patches}) == len(order)


def test_bits_fill_the_bar_grids_first():
    point = {"clip": "c", "series": "nvrc_fast", "bpp": 0.05}
    parts = {"container": 10, "layers": 40, "grid 10": 5, "grid 2": 15, "side": 10, "grid 0": 20}
    figure = bit_allocation_chart([point | {"parts": parts}, point, point | {"parts": {}}], "c")
    bars = figure.axes[0].patches
    assert [bar.get_x() for bar in bars] == pytest.approx([0, 20, 35, 40, 80, 90])
    assert [bar.get_width() for bar in bars] == pytest.approx([20, 15, 5, 40, 10, 10])
    with pytest.raises(UsageError, match="parts"):
        bit_allocation_chart([point])


def test_frames_are_drawn_in_panels_of_one_scale():
    traces = [[FrameTrace("nvrc", "0.05 bpp", [30.0, math.nan, 34.0])], [FrameTrace("nvrc", "0.2 bpp", [40.0])]]
    figure = per_frame_chart([*traces, [FrameTrace("nvrc", "none", [])]], "clip", "PSNR by frame, dB")
    heights = [high - low for low, high in (axes.get_ylim() for axes in figure.axes)]
    assert len(heights) == 2
    assert heights[0] == pytest.approx(heights[1])
    with pytest.raises(UsageError, match="nothing to draw"):
        per_frame_chart([[FrameTrace("nvrc", "", [math.nan])]], "", "dB")


def test_files_are_whole_or_absent(tmp_path: Path):
    figure = rd_chart(CURVES, "", "dB")
    for name, start in (("a.svg", b"<?xml"), ("b.PNG", b"\x89PNG")):
        save_figure(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(UsageError, match="exists"):
        save_figure(figure, tmp_path / "a.svg")
    for name in ("c.pdf", "d", "e.svg.gz"):
        with pytest.raises(UsageError, match=re.escape(".svg or .png")):
            save_figure(figure, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.PNG"]


def test_saving_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        save_figure(rd_chart(CURVES, "title", "dB"), tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_missing_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ResourceError, match=re.escape("pip install 'nvrc[eval]'")):
        rd_chart(CURVES, "", "dB")
