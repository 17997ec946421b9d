"""`nvrc bdrate` as scripts use it: figures on stdout, words on stderr, exit codes."""

import json

import pytest

from nvrc_cli.main import main

CURVE = [(0.01, 28.0), (0.02, 31.5), (0.05, 34.0), (0.1, 36.8), (0.3, 39.0)]


def records(factor=1.0, rise=0.0, **names):
    return [
        {"bpp": factor * bpp, "psnr_y": q + rise - 1, "psnr_yuv": q + rise, "vmaf": q * 2} | names for bpp, q in CURVE
    ]


@pytest.fixture
def files(tmp_path):
    anchor = [*records(clip="a"), *records(clip="b"), *records(clip="c")]
    test = [
        *records(0.5, clip="a", codec="x"),
        *records(0.8, clip="b", codec="x"),
        *records(9, clip="b", codec="y"),
        *records(rise=20, clip="c", codec="x"),
        *records(clip="d", codec="x"),
    ]
    paths = tmp_path / "anchor.json", tmp_path / "test.json"
    for path, points in zip(paths, (anchor, test), strict=True):
        path.write_text(json.dumps(points))
    return paths


@pytest.fixture
def bdrate(capsys):
    """Runs the command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        code = main(["bdrate", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_one_json_object(bdrate, files):
    code, out, err = bdrate(*files, "--test-series", "x", "--json", "--metric", "psnr_y", "--method", "akima")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["event"], answer["metric"], answer["unit"]) == ("done", "psnr_y", "dB")
    assert (answer["method"], answer["max_loss_percent"], answer["warnings"]) == ("akima", None, [])
    assert answer["bd_rate_percent"] == pytest.approx(-35)
    first, _, last = answer["clips"]
    assert (first["clip"], first["overlap"], first["overlap_db"]) == ("a", [27.0, 38.0], [27.0, 38.0])
    assert first["bd_quality"] > 0
    assert (last["bd_rate_percent"], last["overlap_db"]) == (None, None)
    assert answer["average_curve"]["clip"] == "average curve"
    assert answer["average_curve"]["bd_rate_percent"] < 0
    assert answer["only_in_test"] == ["d"]
    vmaf = json.loads(bdrate(*files, "--clip", "a", "--metric", "vmaf", "--json")[1])
    assert (vmaf["unit"], vmaf["average_curve"]) == ("VMAF", None)
    assert (vmaf["clips"][0]["overlap"], vmaf["clips"][0]["overlap_db"]) == ([56.0, 78.0], None)


def test_the_table_and_its_warnings_are_kept_apart(bdrate, files):
    code, out, err = bdrate(*files, "--test-series", "x")
    assert code == 0
    assert "PSNR-YUV (6:1:1), pchip" in out
    assert "-50.00 %" in out
    assert "28.00 to 39.00 (11.00)" in out
    assert "mean of 2" in out
    assert "average curve of 3" in out
    assert "warning" not in out
    assert "ANCHOR is " in err
    assert "warning: c: no BD-rate" in err
    assert "warning: only in TEST: d" in err


def test_nothing_to_compare_is_a_failure_without_figures(bdrate, files):
    code, out, err = bdrate(*files, "--clip", "c")
    assert (code, out) == (2, "")
    assert "c: no BD-rate: the curves share no range of quality" in err
    assert bdrate(*files)[0] == 2
    assert "name both" in bdrate(files[0])[2]
    assert "no method 'spline'" in bdrate(*files, "--clip", "a", "--method", "spline")[2]


def test_an_open_gate_is_done(bdrate, files):
    code, out, _ = bdrate(*files, "--test-series", "x", "--clip", "a", "--max-loss", "2%", "--json")
    assert code == 0
    (line,) = out.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["max_loss_percent"]) == ("done", 2)
    assert bdrate(*files, "--test-series", "x", "--max-loss", "2", "--allow-missing")[0] == 0


def test_a_closed_gate_prints_its_figures_and_one_line(bdrate, files):
    anchor, test = files
    code, out, err = bdrate(test, anchor, "--anchor-series", "x", "--clip", "a", "--max-loss", "2.5 %")
    assert code == 8
    assert "+100.00 %" in out
    assert err.splitlines()[-1] == "nvrc: error: regression gate: mean BD-rate +100.00 %, allowed +2.50 %"
    code, out, _ = bdrate(anchor, test, "--test-series", "x", "--max-loss", "2%", "--json")
    figures, error = map(json.loads, out.splitlines())
    assert code == error["code"] == 8
    assert (figures["event"], error["event"]) == ("comparison", "error")
    assert figures["bd_rate_percent"] == pytest.approx(-35)
    assert error["message"] == "regression gate: without a BD-rate: c; only in TEST: d"


def test_a_gate_without_a_figure_is_closed(bdrate, files):
    code, out, _ = bdrate(*files, "--clip", "c", "--max-loss", "2%", "--json")
    figures, error = map(json.loads, out.splitlines())
    assert (code, error["code"], figures["bd_rate_percent"]) == (8, 8, None)
    code, out, err = bdrate(*files, "--clip", "c", "--max-loss", "2%")
    assert code == 8
    assert "none" in out
    assert "the gate has no BD-rate to judge" in err.splitlines()[-1]


@pytest.mark.parametrize("options", [["--max-loss", "much"], ["--allow-missing"]])
def test_a_gate_that_makes_no_sense_is_refused_before_anything_is_read(bdrate, options):
    code, _, err = bdrate("absent.json", "absent.json", *options)
    assert code == 2
    assert "absent" not in err


def test_published_curves_are_listed(bdrate):
    code, out, err = bdrate("--list-published", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["event"] == "done"
    names = {curve["name"]: curve for curve in answer["curves"]}
    hinerv = names["published:hinerv-paper@mcl-jcv"]
    assert (hinerv["metrics"], len(hinerv["sequences"])) == (["psnr_rgb", "ms_ssim_rgb"], 30)
    assert answer["bd_rates"]["rows"][0]["percent"][0] == -73.74
    for name in names:
        assert bdrate(name, name, "--metric", names[name]["metrics"][0])[0] == 0
    out = bdrate("--list-published")[1]
    for words in ("hm-18.0-ra", "average only", "digitizer", "JVET-B", "+36.91", "arXiv 2409.07414"):
        assert words in out


def test_a_published_codec_is_an_anchor(bdrate):
    code, out, err = bdrate("published:hm", "published:hinerv-released", "--metric", "psnr_rgb")
    assert code == 0
    assert "+0.31 %" in out
    assert "TEST is published:hinerv-released (HiNeRV (released code), UVG-1080p, github.com/hmkx/HiNeRV" in err


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_curves_are_drawn(bdrate, files, tmp_path, suffix):
    path = tmp_path / f"curves.{suffix}"
    assert bdrate(*files, "--test-series", "x", "--plot", path)[0] == 0
    drawn = path.read_bytes()
    assert drawn.startswith(b"\x89PNG" if suffix == "png" else b"<")
    if suffix == "svg":
        assert b"anchor" in drawn
        assert b"PSNR-YUV" in drawn
    code, _, err = bdrate(*files, "--test-series", "x", "--plot", path)
    assert (code, "exists" in err) == (2, True)
    assert bdrate(*files, "--test-series", "x", "--plot", path, "-y")[0] == 0
    assert bdrate(*files, "--test-series", "x", "--plot", tmp_path / "curves.pdf")[0] == 2
