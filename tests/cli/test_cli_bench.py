"""`nvrc bench` as its users run it: interrupted, continued, refused, and what it leaves."""

import json
import os
import signal
import subprocess
import time

import pytest
from cli_harness import PROGRAM

TIMES = {"encode_s", "decode_s", "fit_s"}
QUICK = ["--presets", "draft", "--steps", "40", "--bpp", "1,2,3", "--anchors", "x264:ultrafast@20/30/40/50"]


def command(clip, output, *more):
    return ["bench", clip, "-o", output, "--threads", "1", *QUICK, *more]


def without_times(path):
    document = json.loads(path.read_text())
    return document | {"points": [{k: v for k, v in point.items() if k not in TIMES} for point in document["points"]]}


@pytest.fixture(scope="module")
def finished(nvrc, clip, tmp_path_factory):
    """The results of an undisturbed bench, and what it printed."""
    output = tmp_path_factory.mktemp("bench") / "results.json"
    outcome = nvrc(*command(clip, output))
    assert outcome.returncode == 0, outcome.stderr
    return output, outcome


def test_every_point_is_there_with_all_that_tells_of_it(finished):
    points = json.loads(finished[0].read_text())["points"]
    assert [(point["codec"], point.get("target_bpp"), point.get("q")) for point in points] == [
        *(("nvrc", bpp, None) for bpp in (1, 2, 3)),
        *(("x264", None, q) for q in (20, 30, 40, 50)),
    ]
    for point in points:
        assert point["clip"] == "square.mkv"
        assert point["bpp"] == 8 * point["bytes"] / (48 * 32 * 12)
        assert point["version"]
        assert point["device"].startswith("cpu (")
        assert point["processor"]
        assert len(point["per_frame"]["psnr_yuv"]) == 12
        assert point["decode_s"] > 0
    for point in points[:3]:
        assert point["steps"] == 40
        assert sum(point["parts"].values()) == pytest.approx(point["bytes"], rel=0.02)
        assert point["pixels_exact"] is True


def test_the_terminal_gets_a_table_and_a_line_for_a_commit(finished):
    stdout, stderr = finished[1].stdout, finished[1].stderr
    assert stdout.splitlines()[0].strip() == "square.mkv"
    assert stdout.count("nvrc_draft_40") >= 3
    assert sum(line.startswith("x264_ultrafast") for line in stdout.splitlines()) == 4
    assert stdout.splitlines()[-1].startswith("draft_40: ")
    assert "point 7/7: square.mkv, x264_ultrafast, q 50" in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_bench_that_was_stopped_goes_on_and_ends_the_same(nvrc, clip, finished, tmp_path, number):
    output = tmp_path / "results.json"
    with subprocess.Popen(
        [*PROGRAM, *map(str, command(clip, output))], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline_s = time.monotonic() + 60
        while not output.exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in stderr
    kept = json.loads(output.read_text())["points"]
    assert 1 <= len(kept) < 7
    outcome = nvrc(*command(clip, output))
    assert outcome.returncode == 0, outcome.stderr
    assert f"{len(kept)} of 7 points are there already" in outcome.stderr
    assert json.loads(output.read_text())["points"][: len(kept)] == kept  # times too: nothing was made again
    assert without_times(output) == without_times(finished[0])
    left = sorted(path.name for path in tmp_path.iterdir() if number == signal.SIGINT or ".part-" not in path.name)
    assert left == ["results.json"]


def test_a_finished_bench_writes_its_reports_without_encoding_again(nvrc, clip, finished, tmp_path):
    before = finished[0].read_bytes()
    html, markdown = tmp_path / "report.html", tmp_path / "report.md"
    outcome = nvrc(*command(clip, finished[0], "--html", html, "--markdown", markdown, "--baseline", finished[0]))
    assert outcome.returncode == 0, outcome.stderr
    assert finished[0].read_bytes() == before
    assert html.read_text().startswith("<!DOCTYPE html>")
    assert "square.mkv" in html.read_text()
    assert "| nvrc_draft_40 |" in markdown.read_text()
    assert "vs baseline" in outcome.stdout.splitlines()[-1]
    again = nvrc(*command(clip, finished[0], "--html", html))
    assert again.returncode == 2
    assert "report.html exists" in again.stderr


def test_json_tells_of_every_point_and_ends_with_the_comparison(nvrc, clip, finished, tmp_path):
    output = tmp_path / "results.json"
    outcome = nvrc(*command(clip, output, "--json", "--bpp", "1,2", "--anchors", "x264:ultrafast@30/40"))
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.stderr == ""
    assert [line["number"] for line in lines if line["event"] == "point_started"] == [1, 2, 3, 4]
    told = [line["point"] for line in lines if line["event"] == "point"]
    assert told == json.loads(output.read_text())["points"]
    done = lines[-1]
    assert done["event"] == "done"
    assert (done["points"], done["total"], done["complete"]) == (4, 4, True)
    assert {"clip", "overlap_db", "bd_quality", "reason"} <= done["bd_rates"][0]["clips"][0].keys()
    assert {(entry["series"], entry["anchor"], entry["metric"]) for entry in done["bd_rates"]} == {
        ("nvrc_draft_40", "x264_ultrafast", metric) for metric in ("psnr_yuv", "psnr_y")
    }


def test_another_tune_is_another_series(nvrc, clip, tmp_path):
    output = tmp_path / "results.json"
    outcome = nvrc(*command(clip, output, "--tune", "msssim", "--bpp", "1", "--anchors", "none"))
    assert outcome.returncode == 0, outcome.stderr
    (point,) = json.loads(output.read_text())["points"]
    assert (point["series"], point["preset"], point["tune"]) == ("nvrc_draft_msssim_40", "draft", "msssim")
    assert "not of this bench" in nvrc(*command(clip, output, "--bpp", "1", "--anchors", "none")).stderr


def test_other_encoders_by_themselves(nvrc, clip, tmp_path):
    output, page = tmp_path / "results.json", tmp_path / "report.html"
    outcome = nvrc(*command(clip, output, "--presets", "none", "--html", page))
    assert outcome.returncode == 0, outcome.stderr
    assert [point["codec"] for point in json.loads(output.read_text())["points"]] == ["x264"] * 4
    assert page.exists()
    nothing = nvrc(*command(clip, tmp_path / "other.json", "--presets", "none", "--anchors", "none"))
    assert nothing.returncode == 2
    assert "nothing to compare" in nothing.stderr


def test_time_that_is_up_is_no_failure(nvrc, clip, tmp_path):
    output = tmp_path / "results.json"
    outcome = nvrc(*command(clip, output, "--minutes", "0", "--json"))
    assert outcome.returncode == 0, outcome.stderr
    done = json.loads(outcome.stdout.splitlines()[-1])
    assert (done["event"], done["points"], done["complete"]) == ("done", 0, False)


def test_points_of_another_bench_are_kept_from_harm(nvrc, clip, finished, tmp_path):
    output = tmp_path / "results.json"
    output.write_bytes(finished[0].read_bytes())
    other = ["bench", clip, "-o", output, "--anchors", "x264:ultrafast@20/30", "--bpp", "9", "--presets", "draft"]
    refused = nvrc(*other)
    assert refused.returncode == 2
    assert "not of this bench" in refused.stderr
    assert output.read_bytes() == finished[0].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--anchors", "h264"], "x264"),
        (["--presets", "quick"], "draft"),
        (["--tune", "paper-rgb"], "preset medium has no tune 'paper-rgb'"),
        (["--bpp", "0.1,fast"], "list of numbers"),
        (["--bpp", "0"], "not a positive number"),
        (["--bpp", "1", "--lambda", "2"], "exclude each other"),
        (["--bpp", "1,1"], "asked for twice"),
        (["--suite", "huge"], "pocket, studio"),
        (["--suite", "pocket"], "no clip suits the pocket suite"),
        (["--baseline", "/nowhere.json"], "cannot read /nowhere.json"),
        (["--frames", "5:5"], "empty"),
        (["--html", "/nowhere/report.html"], "does not exist"),
        (["--html", "-"], "a report needs a file"),
        (["--steps", "0"], "--steps 0"),
        (["-o", "-"], "results need a file"),
        (["-o", "/dev/null"], "results need a file"),
    ],
)
def test_a_request_that_makes_no_sense(refused, clip, tmp_path, arguments, words):
    output = tmp_path / "results.json"
    assert words in refused(2, "bench", clip, "-o", output, *arguments)
    assert not output.exists()


def test_a_report_never_replaces_what_the_bench_reads_or_writes(refused, clip, finished, tmp_path):
    own, folder = tmp_path / "own.mkv", tmp_path / "folder"
    folder.mkdir()
    own.write_bytes(clip.read_bytes())
    inside, before, output = folder / "inside.mkv", tmp_path / "before.json", tmp_path / "results.json"
    inside.write_bytes(clip.read_bytes())
    before.write_bytes(finished[0].read_bytes())
    for report in (own, inside, before, output):
        message = refused(2, *command(own, output, folder, "--baseline", before, "--html", report, "-y"))
        assert "has another part in this bench" in message
    both = tmp_path / "report"
    assert "another part" in refused(2, *command(own, output, "--html", both, "--markdown", both))
    assert own.read_bytes() == inside.read_bytes() == clip.read_bytes()
    assert before.read_bytes() == finished[0].read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"bpp": None},
        {"bpp": 10**400, "psnr_yuv": -(10**400), "encode_s": 10**400},
        {"per_frame": {"psnr_yuv": [None, float("nan"), "x"]}},
    ],
    ids=["null", "huge", "nan"],
)
def test_results_edited_by_hand_still_make_reports(nvrc, clip, finished, tmp_path, change):
    output = tmp_path / "results.json"
    document = json.loads(finished[0].read_text())
    output.write_text(json.dumps(document | {"points": [point | change for point in document["points"]]}))
    outcome = nvrc(*command(clip, output, "--html", tmp_path / "report.html", "--baseline", output))
    assert outcome.returncode == 0, outcome.stderr


def test_quiet_prints_nothing(nvrc, clip, finished):
    outcome = nvrc(*command(clip, finished[0], "-q"))
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_two_clips_of_one_name_are_refused(refused, clip, tmp_path):
    other = tmp_path / clip.name
    os.link(clip, other)
    assert "two clips are called square.mkv" in refused(2, "bench", clip, other, "-o", tmp_path / "results.json")


def test_a_name_that_no_file_can_have(refused, tmp_path):
    assert "name too long" in refused(3, "bench", "a" * 5000, "-o", tmp_path / "results.json")


def test_a_clip_that_is_none(refused, tmp_path):
    wrong = tmp_path / "wrong.mkv"
    wrong.write_text("no video")
    assert "wrong.mkv" in refused(3, "bench", wrong, "-o", tmp_path / "results.json")
