import json

import pytest

from nvrc_core.errors import RegressionError, UsageError
from nvrc_core.evaluation.curves.comparison import compare
from nvrc_core.evaluation.curves.gate import check_gate, parse_percent

CURVE = [(0.01, 28.0), (0.02, 31.5), (0.05, 34.0), (0.1, 36.8)]


@pytest.fixture
def against(tmp_path):
    """Compares clips a and b with what `clips` says of them: clip -> (factor of rate, rise of quality)."""

    def run(**clips):
        paths = []
        for name, sides in (("anchor", {"a": (1, 0), "b": (1, 0)}), ("test", clips)):
            points = [
                {"clip": clip, "bpp": factor * bpp, "psnr_yuv": quality + rise}
                for clip, (factor, rise) in sides.items()
                for bpp, quality in CURVE
            ]
            paths.append(tmp_path / f"{name}.json")
            paths[-1].write_text(json.dumps(points))
        return compare(*paths)

    return run


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), ("2%", 2), ("2.5 %", 2.5), (" .5", 0.5), ("-1%", -1), ("+3", 3), ("0", 0)]
)
def test_percentages_are_read(text, value):
    assert parse_percent(text) == value


@pytest.mark.parametrize("text", ["", "%", "two", "2%%", "nan", "inf", "1e3", "2 dB", "1,5"])
def test_other_words_are_no_percentages(text):
    with pytest.raises(UsageError, match="is no percentage, such as 2%"):
        parse_percent(text)


def test_the_mean_decides(against):
    check_gate(against(a=(1.05, 0), b=(0.98, 0)), 2)
    check_gate(against(a=(0.9, 0), b=(0.9, 0)), -5)
    check_gate(against(a=(1.0199, 0), b=(1.0199, 0)), 2)
    with pytest.raises(RegressionError, match=r"mean BD-rate \+2\.01 %"):
        check_gate(against(a=(1.0201, 0), b=(1.0201, 0)), 2)
    with pytest.raises(RegressionError, match=r"mean BD-rate \+4\.00 %, allowed \+2\.00 %"):
        check_gate(against(a=(1.1, 0), b=(0.98, 0)), 2)
    with pytest.raises(RegressionError, match=r"allowed -5\.00 %"):
        check_gate(against(a=(0.98, 0), b=(0.98, 0)), -5)


@pytest.mark.parametrize(
    ("clips", "fault"),
    [
        ({"a": (0.5, 0)}, "only in ANCHOR: b"),
        ({"a": (0.5, 0), "b": (0.5, 0), "c": (1, 0)}, "only in TEST: c"),
        ({"a": (0.5, 0), "b": (0.5, -20)}, "without a BD-rate: b"),
    ],
)
def test_a_clip_that_is_missing_or_too_bad_closes_the_gate_unless_it_may(against, clips, fault):
    comparison = against(**clips)
    with pytest.raises(RegressionError, match=f"^regression gate: {fault}$"):
        check_gate(comparison, 2)
    check_gate(comparison, 2, allow_missing=True)
    with pytest.raises(RegressionError, match="mean BD-rate"):
        check_gate(comparison, -60, allow_missing=True)


def test_without_any_figure_it_is_closed(against):
    for allow_missing in (False, True):
        with pytest.raises(RegressionError, match="has no BD-rate to judge: a: no BD-rate"):
            check_gate(against(a=(1, -20), b=(1, -20)), 2, allow_missing)
