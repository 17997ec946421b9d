import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.report.html import html_report
from nvrc_core.evaluation.report.points import points_of
from nvrc_core.evaluation.report.summary import bd_rates
from nvrc_core.evaluation.report.text import rd_rows

VOID = {"meta", "br"}
HOSTILE = "waves <b>&amp; 'sand'</b>.mkv"


class Page(HTMLParser):
    """Elements, attributes and the text of the tables of a page; checks that elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_the_page_fetches_nothing(full_page: str):
    page = Page(full_page)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "image", "object"}
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
        assert not re.search(r"url\((?!#)", attributes.get("style") or "")
    style = re.search(r"<style>(.*?)</style>", full_page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_names_are_text_and_names_in_charts_are_unique(full_page: str):
    page = Page(full_page)
    assert "b" not in {tag for tag, _ in page.elements}
    assert html.escape(HOSTILE) in full_page
    identifiers = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(identifiers) == len(set(identifiers))
    targets = {attributes["href"][1:] for _, attributes in page.elements if attributes.get("href")}
    targets |= set(re.findall(r"url\(#([\w.-]+)\)", full_page))
    assert targets <= set(identifiers)


def test_charts_and_tables_have_names(full_page: str):
    page = Page(full_page)
    charts = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(charts) == (3 + 2 + 3) + 3 + 6  # curves (a clip is too small for MS-SSIM), shares, frames
    assert all(chart["aria-label"] and chart["role"] == "img" for chart in charts)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table")
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements


def test_every_point_and_every_figure_is_in_the_tables(document: dict[str, Any], full_page: str):
    page = Page(full_page)
    rows = [(row[0], row[1]) for row in page.rows]
    for row in rd_rows(document):
        assert rows.count((row.series, f"{row.bpp:.4f}")) == 3  # once a clip
    text = " ".join(cell.replace("\u00a0", " ") for row in page.rows for cell in row)
    for entry in bd_rates(points_of(document)):
        assert f"{entry.mean_percent:+.1f} %" in text


@pytest.mark.parametrize(
    ("factor", "big", "words"), [(1, "+200.0", "200.0 % more bits"), (0.2, "−40.0", "40.0 % fewer bits")]
)
def test_losing_is_as_plain_as_winning(one_series_document: dict[str, Any], factor: float, big: str, words: str):
    for point in one_series_document["points"]:
        if point["codec"] == "nvrc":
            point["bpp"] *= factor
    text = html_report(one_series_document).replace("\u00a0", " ")
    assert f'<p class="big">{big} %</p>' in text
    assert f"{words} than x265 veryslow at equal PSNR-YUV" in text
    assert "mean of 3 clips" in text


def test_times_of_devices_stand_in_tables_of_their_own(full_page: str):
    times = full_page[full_page.index("<h2>Times</h2>") : full_page.index("<h2>What was compared</h2>")]
    assert times.count("<table>") == 2
    assert "cuda:0 (NVIDIA H100 80GB HBM3), Intel(R) Xeon(R) Processor" in times


def test_what_is_missing_is_said(document: dict[str, Any]):
    keep = ("clip", "codec", "series", "bpp", "psnr_yuv")
    bare = [{key: point[key] for key in keep} for point in document["points"]]
    text = html_report(bare)
    assert "(parts)" in text
    assert "(per_frame)" in text
    assert "No point holds times" in text
    assert "+200.0\u00a0%" in text


@pytest.mark.parametrize(
    "points",
    [
        [{}],
        [{"codec": "nvrc", "bpp": 0.1, "psnr_yuv": 30.0}],
        [{"series": "x265_veryslow", "bpp": 0.1, "psnr_yuv": 30.0}] * 3,
        [
            {
                "clip": "\ud800\x07",
                "series": "nvrc_a",
                "bpp": None,
                "parts": {"grid0": None},
                "per_frame": {"psnr_yuv": []},
            }
        ],
        [
            {
                "series": "nvrc",
                "bpp": 0.1,
                "psnr_yuv": 30.0,
                "per_frame": {"psnr_yuv": [30.0]},
                "version": 3,
                "width": "x",
            }
        ],
    ],
)
def test_odd_documents_make_pages(points: list[dict[str, Any]]):
    Page(html_report(points))


def test_a_document_without_points_is_refused():
    with pytest.raises(UsageError, match="at least one point"):
        html_report({"points": []})


def test_the_same_document_gives_the_same_page(one_series_document: dict[str, Any]):
    page = html_report(one_series_document)
    assert page == html_report(one_series_document)
    assert len(page) < 1_000_000
