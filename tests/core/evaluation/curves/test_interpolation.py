"""Our curves against scipy's and against the package bjontegaard, on its own examples and on published points."""

import itertools
import math
import sys

import bjontegaard
import numpy as np
import pytest

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.curves.bdrate import bd_rate
from nvrc_core.evaluation.curves.interpolation import METHODS, Curve, mean_difference
from nvrc_core.evaluation.curves.published import published_codecs
from nvrc_core.evaluation.curves.quality_metrics import METRICS
from nvrc_core.evaluation.curves.rd_points import RDPoint

# example_usage.py of github.com/FAU-LMS/bjontegaard: rates in kbit/s and PSNR, anchor and test.
EXAMPLES = [
    (
        [(9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851)],
        [(9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987)],
    ),
    (
        [(82472.76, 43.825), (26875.24, 41.404), (9487.76, 40.037), (4593.6, 38.615)],
        [(99896.96, 44.731), (33952.04, 41.875), (9787.8, 40.121), (4469.0, 38.651)],
    ),
    (
        [(82472.76, 43.825), (26875.24, 41.404), (9487.76, 40.037), (4593.6, 38.615), (3600, 36.5), (2900, 35.1)],
        [(99896.96, 44.731), (33952.04, 41.875), (9787.8, 40.121), (4469.0, 38.651), (4040, 37), (3300, 36.5)],
    ),
]


def package(figure, anchor, test, method):
    columns = [column for pairs in (anchor, test) for column in np.array(sorted(pairs)).T]
    return figure(*columns, method=method, require_matching_points=False, min_overlap=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("anchor", "test"), EXAMPLES)
def test_equals_the_package_on_its_examples(anchor, test, method):
    ours = bd_rate([RDPoint(*pair) for pair in anchor], [RDPoint(*pair) for pair in test], method=method)
    assert ours.percent == pytest.approx(package(bjontegaard.bd_rate, anchor, test, method), abs=1e-6)
    assert ours.quality == pytest.approx(package(bjontegaard.bd_psnr, anchor, test, method), abs=1e-6)


def published_pairs():
    curves = {}
    for codec in published_codecs():
        for sequence, lists in codec.points.items():
            for metric in codec.metrics:
                if metric in lists:
                    scaled = map(METRICS[metric].scaled, lists[metric])
                    key = codec.dataset.name, sequence, metric
                    curves.setdefault(key, []).append(list(zip(lists["bpp"], scaled, strict=True)))
    return [pair for of_key in curves.values() for pair in itertools.permutations(of_key, 2)]


@pytest.mark.parametrize("method", METHODS)
def test_equals_the_package_on_every_overlapping_pair_of_published_curves(method):
    compared = 0
    for anchor, test in published_pairs():
        fewest = min(len(anchor), len(test))
        try:
            ours = bd_rate([RDPoint(*pair) for pair in anchor], [RDPoint(*pair) for pair in test], method=method)
        except UsageError as refusal:
            assert "share no range" in str(refusal) or (method == "cubic" and fewest < 4)  # noqa: PT017
            continue
        compared += 1
        assert ours.percent == pytest.approx(package(bjontegaard.bd_rate, anchor, test, method), rel=1e-6, abs=1e-6)
    assert compared > 500


def test_two_points_are_a_line_for_pchip_and_akima():
    anchor, test = Curve(np.array([30.0, 40]), np.array([0.0, 1])), Curve(np.array([30.0, 40]), np.array([0.0, 2]))
    for method in ("pchip", "akima"):
        assert mean_difference(anchor, test, method) == pytest.approx(0.5)


def test_methods_without_an_answer_are_refused():
    three = [RDPoint(math.exp(i), 30 + i) for i in range(3)]
    with pytest.raises(UsageError, match="cubic needs 4 points, the anchor curve has 3"):
        bd_rate(three, three, method="cubic")
    with pytest.raises(UsageError, match="no method 'linear'; choose one of pchip, akima, cubic"):
        bd_rate(three, three, method="linear")
    close = [RDPoint(0.1 + i / 10, 30 + i * 1e-13) for i in range(5)]
    with pytest.raises(UsageError, match="cubic has no answer for these points"):
        bd_rate(close, close, method="cubic")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    points = [RDPoint(math.exp(i), 30 + i) for i in range(4)]
    assert bd_rate(points, points).percent == 0
    with pytest.raises(ResourceError, match=r"akima needs bjontegaard: pip install 'nvrc\[eval\]'"):
        bd_rate(points, points, method="akima")
