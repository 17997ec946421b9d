import json

import pytest

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.bench.results import Results

PLAN = [{"clip": "a.mkv", "series": "x265", "q": q} for q in (20, 30, 40)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.json"


def results(path, plan=PLAN, drop_others=False):
    return Results(path, plan, "a processor", drop_others=drop_others)


def test_every_point_is_in_the_file_at_once(path):
    bench = results(path)
    assert not path.exists()
    bench.add(1, {"bytes": 500})
    assert json.loads(path.read_text()) == bench.document()
    assert bench.document()["points"] == [{"clip": "a.mkv", "series": "x265", "q": 30, "bytes": 500}]


def test_points_stand_in_the_order_of_the_plan(path):
    bench = results(path)
    for index in (2, 0, 1):
        bench.add(index, {})
    assert [point["q"] for point in json.loads(path.read_text())["points"]] == [20, 30, 40]


def test_a_later_run_takes_up_what_is_there(path):
    results(path).add(1, {"bytes": 500})
    again = results(path)
    assert [index in again for index in range(3)] == [False, True, False]
    again.add(0, {"bytes": 900})
    assert [point["bytes"] for point in again] == [900, 500]


def test_a_bench_that_asks_for_more_keeps_what_is_there(path):
    results(path, PLAN[:1]).add(0, {"bytes": 500})
    assert 0 in results(path, PLAN)


@pytest.mark.parametrize("change", [{"q": 21}, {"clip": "b.mkv"}, {"version": "2"}])
def test_points_of_another_bench_are_kept_from_harm(path, change):
    results(path, [PLAN[0] | {"version": "1"}]).add(0, {"bytes": 500})
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"not of this bench, such as a\.mkv x265 q 20 of 1"):
        results(path, [PLAN[0] | {"version": "1"} | change])
    assert path.read_bytes() == before
    assert len(results(path, [PLAN[0] | {"version": "1"} | change], drop_others=True)) == 0


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{", '{"points": []}', '{"format": "nvrc-rd", "version": 1, "points": [1]}', "\x00"]
)
def test_a_file_that_holds_something_else_is_never_replaced(path, content):
    path.write_text(content)
    with pytest.raises(UsageError, match="not a file of results"):
        results(path, drop_others=True)
    assert path.read_text() == content


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        results(tmp_path / "nowhere" / "results.json")
