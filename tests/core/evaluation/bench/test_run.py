import json
import multiprocessing
import time
from dataclasses import dataclass, field

import pytest
from nvrc_formats.video import VideoFormat
from nvrc_formats.y4m import Y4mWriter

from nvrc_core.errors import MediaError, ResourceError
from nvrc_core.evaluation.anchors.catalogue import parse_anchor
from nvrc_core.evaluation.anchors.libav import X264
from nvrc_core.evaluation.bench import run as run_module
from nvrc_core.evaluation.bench.anchor import AnchorTask
from nvrc_core.evaluation.bench.clip import BenchClip
from nvrc_core.evaluation.bench.results import Results
from nvrc_core.evaluation.bench.run import run
from nvrc_core.events import FrameProgress, Notice, PointFinished, PointStarted


@dataclass
class Task:
    """A point that takes no work, but any time, and fails if it is told to."""

    q: int
    fails: BaseException | None = None
    takes_s: float = 0.0
    made: list[int] = field(default_factory=list)

    @property
    def identity(self):
        return {"clip": "a.mkv", "series": "x", "q": self.q}

    @property
    def label(self):
        return f"q {self.q}"

    def run(self, on_event):
        end = time.monotonic() + self.takes_s
        on_event(FrameProgress("work", 0, None))
        while time.monotonic() < end:
            on_event(FrameProgress("work", 0, None))
        if self.fails:
            raise self.fails
        self.made.append(self.q)
        return {"bytes": 1000 // self.q}


def bench(path, tasks, on_event=lambda event: None, minutes=None):
    results = Results(path, [task.identity for task in tasks], "a processor", drop_others=False)
    return run(tasks, results, on_event, minutes), results


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.json"


def test_all_points_in_order_with_events(path):
    events = []
    complete, results = bench(path, [Task(10), Task(20)], events.append)
    assert complete
    assert [point["bytes"] for point in results] == [100, 50]
    told = [event for event in events if not isinstance(event, FrameProgress)]
    assert told == [
        PointStarted(1, 2, "q 10"),
        PointFinished(1, 2, {"clip": "a.mkv", "series": "x", "q": 10, "bytes": 100}),
        PointStarted(2, 2, "q 20"),
        PointFinished(2, 2, {"clip": "a.mkv", "series": "x", "q": 20, "bytes": 50}),
    ]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), MediaError("damaged")])
def test_an_interrupted_bench_goes_on_where_it_stopped_and_ends_the_same(path, tmp_path, failure):
    with pytest.raises(type(failure)):
        bench(path, [Task(10), Task(20, failure), Task(30)])
    made, events = [], []
    _, results = bench(path, [Task(q, made=made) for q in (10, 20, 30)], events.append)
    assert made == [20, 30]
    assert events[0] == Notice("1 of 3 points are there already")
    _, whole = bench(tmp_path / "whole.json", [Task(10), Task(20), Task(30)])
    assert results.document() == whole.document()


def test_a_finished_bench_makes_nothing(path):
    bench(path, [Task(10)])
    before = path.stat()
    made = []
    complete, _ = bench(path, [Task(10, made=made)])
    assert complete
    assert made == []
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_when_time_is_up_the_point_at_work_is_given_up_and_the_rest_is_kept(path):
    events = []
    complete, results = bench(path, [Task(10), Task(20, takes_s=60), Task(30)], events.append, minutes=0.02)
    assert not complete
    assert [point["q"] for point in results] == [10]
    assert events[-1] == Notice("time is up: 1 of 3 points are made; the same command goes on (-y for its reports)")


WAIT_S = 60


@pytest.fixture
def on_gpu(monkeypatch):
    """As if nvrc fitted on a GPU: other encoders work in processes beside it. None is left at the end."""
    monkeypatch.setattr(run_module, "_fits_on_gpu", lambda tasks: True)
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def beside(tmp_path, moving_disc):
    """A point of x264."""
    clip = tmp_path / "clip.y4m"
    with clip.open("wb") as file:
        writer = Y4mWriter(file, VideoFormat(64, 48))
        for frame in zip(*moving_disc(4, 48, 64), strict=True):
            writer.write(frame)
    return AnchorTask(BenchClip(clip), X264("ultrafast"), 40)


@dataclass
class Fit(Task):
    """A fit that fails when the results file has a point."""

    path: object = None

    def run(self, on_event):
        end = time.monotonic() + WAIT_S
        while not self.path.exists() and time.monotonic() < end:
            time.sleep(0.01)
            on_event(FrameProgress("work", 0, None))
        raise MediaError("damaged")


def test_beside_a_gpu_points_of_other_encoders_are_those_made_alone(on_gpu, monkeypatch, path, tmp_path, beside):
    events = []
    complete, results = bench(path, [Task(10), beside], events.append)
    assert complete
    told = [type(event) for event in events if isinstance(event, PointStarted | PointFinished)]
    assert told == [PointStarted, PointFinished] * 2
    monkeypatch.undo()
    _, alone = bench(tmp_path / "alone.json", [beside])
    for key in ("bytes", "psnr_yuv", "per_frame"):
        assert list(results)[-1][key] == list(alone)[-1][key]


def test_what_ends_a_fit_on_a_gpu_leaves_the_points_made_beside_it(on_gpu, path, beside):
    with pytest.raises(MediaError, match="damaged"):
        bench(path, [Fit(10, path=path), beside])
    assert [point["series"] for point in json.loads(path.read_text())["points"]] == ["x264_ultrafast"]


def test_a_process_that_is_killed_beside_a_gpu_ends_the_bench(on_gpu, monkeypatch, path, tmp_path, beside):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what is killed cannot tidy up
    toml = tmp_path / "killer.toml"
    toml.write_text(
        """name = "killer"
        version = "1"
        q = [1]
        encode = "sh -c 'kill -9 $PPID' {yuv} {q} {stream} {recon}"
        """
    )
    with pytest.raises(ResourceError, match=r"killed, at the latest at .*killer, q 1"):
        bench(path, [Task(10), AnchorTask(beside.clip, parse_anchor(str(toml))[0], 1)])
    assert [point["series"] for point in json.loads(path.read_text())["points"]] == ["x"]
