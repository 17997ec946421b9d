"""The published facts, and what they give: figures that were derived or printed elsewhere."""

import pytest

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.comparison import compare
from nvrc_core.evaluation.curves.published import find_published, published_bd_rates, published_codecs
from nvrc_core.evaluation.curves.quality_metrics import METRICS


def test_all_curves_are_complete_and_named_once():
    codecs = published_codecs()
    names = [(codec.slug, codec.dataset.name) for codec in codecs]
    assert len(set(names)) == len(names)
    assert len({codec.slug for codec in codecs}) == 26
    curves = [lists for codec in codecs for lists in codec.points.values()]
    assert sum(len(lists) - 1 for lists in curves) == 296
    for lists in curves:
        assert lists.keys() - {"bpp"} <= METRICS.keys()
        assert len({len(values) for values in lists.values()}) == 1
        assert all(0 < bpp < 10 for bpp in lists["bpp"])
        assert all(0.5 < value < (1 if "ssim" in key else 60) for key in lists for value in lists[key] if key != "bpp")
    for codec in codecs:
        assert codec.source.startswith("github.com/")
        assert set(codec.sequences) <= codec.dataset.frames.keys()


@pytest.mark.parametrize(
    ("selector", "name", "dataset"),
    [
        ("published:hinerv", "HiNeRV", "UVG-1080p"),
        ("published:hm", "HEVC (HM 18.0, Random Access)", "UVG-1080p"),
        ("published:vtm-ra", "VTM (17.0, Random Access)", "UVG-1080p"),
        ("published:c3", "C3 (Adaptive)", "UVG-1080p"),
        ("published:X265-zerolatency@uvg", "x265-medium-tune-zerolatency", "UVG-1080p"),
        ("published:hinerv-paper@mcl-jcv", "HiNeRV (paper)", "MCL-JCV"),
        ("published:vtm@hevc", "VTM-17.0 (low delay B, one intra frame, all frames)", "HEVC-B"),
    ],
)
def test_parts_of_a_name_select(selector, name, dataset):
    found = find_published(selector)
    assert (found.name, found.dataset.name) == (name, dataset)


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (
            "published:vtm",
            "several published curves have that name; choose one of vtm-17.0-ra, vtm-15.0-ld, vtm-17.0-l",
        ),
        ("published:av9", "no published curve of UVG-1080p has that name; choose one of c3, hm-18.0-ra"),
        ("published:", "no published curve of UVG-1080p has that name"),
        ("published:c3@kodak", "no dataset is called 'kodak'; choose one of UVG-1080p, HEVC-B, MCL-JCV"),
    ],
)
def test_other_names_are_answered_with_the_choice(selector, message):
    with pytest.raises(UsageError, match=message):
        find_published(selector)


# Derived independently from the same points, with the package bjontegaard and with numpy: BD-rates of average curves.
# NVRC's table 1 implies -0.4 % for the first (0.4962 / 0.4984) and +50.4 % for the second (0.4984 / 0.3314).
@pytest.mark.parametrize(
    ("anchor", "test", "method", "percent"),
    [
        ("hm", "hinerv-released", "pchip", 0.3),
        ("hinerv", "c3", "pchip", 46.2),
        ("hm", "vtm-ra", "pchip", -14.7),
        ("vtm-ra", "hinerv-released", "pchip", 17.55),
        ("vtm-ra", "hinerv-released", "akima", 17.64),
        ("vtm-ra", "hinerv-released", "cubic", 17.80),
        ("vtm-ra", "hinerv-paper", "pchip", 26.7),
        ("vtm-ra", "mimt", "pchip", -11.2),
        ("vtm-ra", "mimt", "cubic", -10.3),
    ],
)
def test_average_curves_give_the_known_figures(anchor, test, method, percent):
    comparison = compare(f"published:{anchor}", f"published:{test}", "psnr_rgb", method, clip="average")
    assert comparison.mean_percent == pytest.approx(percent, abs=0.05 if percent < 17 or percent > 18 else 0.005)


def test_the_two_aggregations_differ_as_known():
    comparison = compare("published:vtm-ra", "published:hinerv-released", "psnr_rgb")
    assert [result.clip for result in comparison.clips if result.bd is None] == ["HoneyBee"]
    assert comparison.mean_percent == pytest.approx(13.5, abs=0.05)
    assert comparison.average.bd.percent == pytest.approx(17.55, abs=0.005)  # of the published averages too
    c3 = compare("published:vtm-ra", "published:c3", "psnr_rgb")
    assert (c3.average.bd.percent, c3.mean_percent) == (pytest.approx(92, abs=0.5), pytest.approx(141, abs=0.5))


def test_odd_curves_show_what_the_method_does():
    figures = {
        method: compare("published:c3", "published:hevc-medium", "psnr_rgb", method, clip="Beauty").mean_percent
        for method in ("pchip", "cubic")
    }
    assert abs(figures["pchip"] - figures["cubic"]) > 10


def test_the_average_stands_in_where_one_side_has_nothing_else():
    comparison = compare("published:hm", "published:c3", "psnr_rgb")
    assert [result.clip for result in comparison.clips] == ["average"]
    assert comparison.only_in_test == ()


def test_doubtful_curves_and_mixed_families_are_warned_of():
    assert compare("published:hm", "published:hinerv", "psnr_rgb").warnings == ()
    (caution,) = compare("published:vtm-ra", "published:hinerv", "psnr_rgb").warnings
    assert caution.startswith("published:vtm-ra: made with the default settings")
    assert "digitizer" in compare("published:hm", "published:mimt", "psnr_rgb").warnings[0]
    mixed = compare("published:hevc-medium", "published:x265", "psnr_rgb")
    assert mixed.mean_percent == pytest.approx(-33, abs=0.5)  # by the conversion to RGB, not by the encoder
    assert mixed.warnings[0].startswith("the sides were measured by different conventions")
    assert "BT.709" in mixed.warnings[2]


def test_a_metric_that_was_not_published_is_answered_with_those_that_were():
    with pytest.raises(UsageError, match="published:hinerv-paper has no psnr_yuv; choose --metric psnr_rgb or ms_ssim"):
        compare("published:hinerv-paper", "published:hm", "psnr_yuv")


def test_nvrcs_own_figures():
    facts = published_bd_rates()
    assert "arXiv 2409.07414" in facts["source"]
    rows = {(row["dataset"], row["colour"], row["metric"]): row["percent"] for row in facts["rows"]}
    assert len(rows) == len(facts["rows"]) == 12
    assert all(len(percent) == len(facts["anchors"]) for percent in rows.values())
    uvg = dict(zip(facts["anchors"], rows["UVG-1080p", "RGB444", "PSNR"], strict=True))
    assert (uvg["x265 veryslow"], uvg["VTM-20 RA"], uvg["HNeRV-Boost"]) == (-73.74, -23.42, -66.45)
    mcl_jcv = dict(zip(facts["anchors"], rows["MCL-JCV", "YUV420", "PSNR"], strict=True))
    assert (mcl_jcv["VTM-20 RA"], mcl_jcv["C3"]) == (40.8, None)
