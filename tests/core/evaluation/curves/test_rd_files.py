"""Rate-distortion points in nvrc's own files, CSV, and the files of CompressAI and DCVC."""

import json

import pytest

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.files import load_curves
from nvrc_core.evaluation.curves.rd_points import RDPoint, select_series, to_rd_points

PAIRS = [(0.01, 28.0), (0.02, 31.5), (0.05, 34.0)]


def records(pairs=PAIRS, **names):
    return [{"bpp": bpp, "psnr_y": quality - 1, "psnr_yuv": quality} | names for bpp, quality in pairs]


@pytest.fixture
def write(tmp_path):
    def to_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def pairs_of(path, metric="psnr_yuv", clip=""):
    return [(point.bpp, point.quality) for point in to_rd_points(load_curves(path)[clip], metric, "here")]


def test_own_files_hold_the_same_curve(write):
    points = records()
    encodes = [{"event": "fit", "bpp": 9}, *({"event": "done", **point} for point in points)]
    bench = [{"event": "point", "done": 1, "total": 3, "point": point} for point in points] + [{"event": "done"}]
    files = [
        write("list.json", points),
        write("own.json", {"format": "nvrc-rd", "version": 1, "points": points}),
        write("encodes.ndjson", "\n".join(json.dumps(line) for line in encodes) + "\n"),
        write("bench.ndjson", "\n".join(json.dumps(line) for line in bench) + "\n"),
    ]
    for path in files:
        assert pairs_of(path) == PAIRS
    assert len(load_curves(write("one.ndjson", json.dumps({"event": "done", **points[0]})))[""]) == 1


def test_curves_are_grouped_by_clip_and_selected_by_series_or_codec(write):
    points = [
        *records(clip="a", series="fast_1", codec="fast"),
        *records(PAIRS[:2], clip="a", codec="slow", preset="9"),
        *records(PAIRS[1:], clip="b", codec="slow", preset="9"),
    ]
    path = write("points.json", points)
    curves = load_curves(path)
    assert {clip: len(found) for clip, found in curves.items()} == {"a": 5, "b": 2}
    for name in ("fast_1", "fast"):
        assert select_series(curves, "x", name, "a") == {"a": points[:3]}
    for name in ("slow_9", "slow"):
        assert select_series(curves, "x", name, None) == {"a": points[3:5], "b": points[5:]}
    with pytest.raises(UsageError, match="x has several series, choose one of fast_1, slow_9"):
        to_rd_points(curves["a"], "psnr_yuv", "x")
    with pytest.raises(UsageError, match="no points of 'av9': series fast_1, slow_9; clips a, b"):
        select_series(curves, "x", "av9", None)
    with pytest.raises(UsageError, match="no points of 'slow' on 'c'"):
        select_series(curves, "x", "slow", "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{'bpp': 1}", "is not JSON"),
        ('{"bpp": 1}\n{"bpp": ', "line 2 is not JSON"),
        ("[]", "no rate-distortion points"),
        ("{}", "no number for 'bpp'"),
        ('{"event": "progress"}', "no rate-distortion points"),
        ("[3]", "must be a JSON object"),
        ('{"format": "nvrc-rd", "version": 2, "points": []}', "version 1 but 'nvrc-rd' 2"),
        ('{"format": "other", "version": 1, "points": []}', "but 'other' 1"),
        ('[{"bpp": 1, "psnr_y": 30}]', "no number for 'psnr_yuv', only bpp, psnr_y"),
        ('[{"bpp": "1", "psnr_yuv": 30}]', "no number for 'bpp'"),
        ('[{"bpp": 1, "psnr_yuv": null}]', "no number for 'psnr_yuv'"),
        ("[" * 100_000, "too many brackets"),
        ("{}\n" + "[" * 100_000, "line 2 is not a point: too many brackets"),
        (f'[{{"bpp": {"1" * 5000}, "psnr_yuv": 30}}]', "a number is too long"),
        (f'[{{"bpp": {"1" * 400}, "psnr_yuv": 30}}]', "'bpp' is beyond all numbers"),
    ],
)
def test_bad_files_are_refused(write, content, message):
    with pytest.raises(UsageError, match=message):
        pairs_of(write("bad.json", content))


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        load_curves(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a text file"):
        load_curves(tmp_path / "binary.json")


@pytest.mark.parametrize(
    "text",
    [
        "bpp,psnr_yuv\n0.01,28\n0.02,31.5\n0.05,34\n",
        "\ufeffBPP , PSNR-YUV\r\n0.01,28\r\n\r\n0.02,31.5\r\n0.05,34",
        "psnr yuv;bpp\n28;0,01\n31,5;0,02\n34;5e-2\n",
        "bpp\tpsnr_yuv\tremark\n0.01\t28\ta, b\n0.02\t31.5\t\n0.05\t34\t\n",
        'bpp,remark,psnr_yuv\n0.01,"x, y",28\n0.02,"two\nlines",31.5\n0.05,,34\n',
    ],
)
def test_csv_by_comma_semicolon_and_tab(write, text):
    assert pairs_of(write("points.csv", text)) == PAIRS


def test_csv_holds_clips_series_and_rates_in_kbit_per_second(write):
    text = (
        "Sequence,series,bitrate,fps,width,height,frames,psnr_y,ms-ssim-rgb\n"
        "a,x_1,1000,25,200,100,8,30,0.9\n"
        "b,x_1,500,30000/1001,200,100,8,31,\n"
    )
    a, b = (points[0] for points in load_curves(write("points.csv", text)).values())
    assert (a["clip"], a["series"], a["frames"], a["ms_ssim_rgb"]) == ("a", "x_1", 8, 0.9)
    assert a["bpp"] == pytest.approx(1e6 / (25 * 200 * 100))
    assert b["bpp"] == pytest.approx(5e5 / (30000 / 1001 * 200 * 100))
    assert b["ms_ssim_rgb"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "line 1 is neither JSON nor the first line of a CSV file: no column is called bpp or kbps"),
        ("bpp,mos\n1,2\n", "line 1 names no quality, such as psnr_yuv, psnr_y: bpp, mos"),
        ("bpp,psnr_y,PSNR-Y\n1,2,3\n", "line 1 names a column twice: psnr_y"),
        ("bpp,psnr_y\n1,30\n2\n", "line 3 has 1 fields, the first line has 2"),
        ("bpp,psnr_y\n1,30\n2,high\n", "line 3: psnr_y is 'high', which is no number"),
        ("bpp,psnr_y\n1,30\n2,inf\n", "line 3: psnr_y is 'inf', which is no number"),
        ("bpp,psnr_y,width\n1,30,16.5\n", "line 2: width is '16.5'"),
        ("kbps,psnr_y,width\n1,30,64\n", "line 2 gives no bpp, and no height, fps to compute it from kbit/s"),
        (
            "kbps,psnr_y,width,height,fps\n1,30,64,64,0\n",
            "64 x 64 at 0 frames per second are no rate",
        ),
        ("kbps,psnr_y,width,height,fps\n1,30,64,64,1e999999999\n", "at 1e999999999 frames"),
        (f"kbps,psnr_y,width,height,fps\n1,30,{'9' * 400},64,25\n", "no rate of a video"),
        ("kbps,psnr_y,width,height,fps\n1,30,64,64,x\n", "line 2: 1.0 kbit/s of 64 x 64 at x frames"),
        ('bpp,psnr_y\n1,"30\n', "line 2 is not CSV: unexpected end of data"),
        ("bpp,psnr_y\n", "no rate-distortion points"),
    ],
)
def test_bad_csv_is_refused_with_the_line(write, text, message):
    with pytest.raises(UsageError, match=message):
        load_curves(write("bad.csv", text))


# The shape of results/video/UVG-1080p/VTM-v15.0-lowdelay.json of CompressAI, and two of its seven points.
COMPRESSAI = {
    "name": "VTM-v15.0-lowdelay",
    "description": "VTM reference software, version 15.0",
    "results": {
        "qp": [20, 22],
        "ms-ssim-rgb": [0.9790219409125192, 0.9758027706827436],
        "bitrate": [26777.824685714288, 17790.914057142854],
        "psnr-rgb": [39.57384091423854, 38.93261252790453],
        "psnr-y": [43.36926940317428, 42.62068529299597],
        "psnr-yuv": [43.83073380770191, 43.15320197336494],
    },
}


def test_compressai_video_results(write):
    path = write("UVG-1080p/vtm.json", COMPRESSAI)
    (curve,) = load_curves(path).values()
    assert {point["clip"] for point in curve} == {"average"}
    assert {point["series"] for point in curve} == {"VTM-v15.0-lowdelay"}
    # bits per second over the samples of a second
    assert curve[0]["bpp"] == pytest.approx(26777.824685714288e3 / (120 * 1920 * 1080))
    assert curve[0]["psnr_rgb"] == 39.57384091423854
    assert curve[0]["psnr_y_pooled"] == 43.36926940317428  # encoders: of the mean squared error
    assert "psnr_yuv" not in curve[0]  # weighted 4:1:1 there
    network = write("UVG-1080p/ssf.json", COMPRESSAI | {"description": "Inference (ans), trained on Vimeo90k"})
    assert load_curves(network)["average"][0]["psnr_y"] == 43.36926940317428  # networks: mean of the frames


def test_compressai_kbits_need_the_video(write):
    with pytest.raises(UsageError, match=r'"width", "height" and "fps".* no width, height, fps'):
        load_curves(write("elsewhere/vtm.json", COMPRESSAI))
    named = write("elsewhere/named.json", COMPRESSAI | {"width": 960, "height": 540, "fps": 60})
    assert load_curves(named)["average"][1]["bpp"] == pytest.approx(17790.914057142854e3 / (60 * 960 * 540))


def test_compressai_image_results_and_bare_lists(write):
    image = {"name": "bmshj2018", "results": {"bpp": [0.1, 0.2], "psnr": [27, 29], "ms-ssim": [0.9, 0.95]}}
    assert pairs_of(write("kodak.json", image), "psnr_rgb", "average") == [(0.1, 27), (0.2, 29)]
    bare = {"qp": [37, 32], "bpp": [0.0103, 0.0227], "rgb_psnr": [31.4, 33.5], "y_psnr": [35.3, 37.9]}
    (curve,) = load_curves(write("x265.json", bare)).values()
    assert [(p["series"], p["psnr_rgb"], p["psnr_y"]) for p in curve] == [("x265", 31.4, 35.3), ("x265", 33.5, 37.9)]
    with pytest.raises(UsageError, match="differ in length: bpp 2, psnr 1"):
        load_curves(write("torn.json", {"results": {"bpp": [1, 2], "psnr": [3]}}))


def dcvc_point(bpp, psnr, **planes):
    figures = {"bpp": bpp, "psnr": psnr, "msssim": 0.97} | planes
    return {"i_frame_num": 1, "p_frame_num": 95} | {f"ave_all_frame_{key}": value for key, value in figures.items()}


def test_dcvc_results(write):
    planes = {"psnr_y": 39.9, "psnr_u": 39.4, "psnr_v": 41.7, "msssim_y": 0.9826}
    results = {
        "UVG": {"Beauty_1920x1080.yuv": {"022": dcvc_point(0.057281, 40.086706, **planes)}},
        "HEVC_B": {"Cactus_1920x1080_50": {"000": dcvc_point(0.02, 33.0), "001": dcvc_point(0.04, 35.0)}},
    }
    curves = load_curves(write("dcvc.json", results))
    (yuv,) = curves["Beauty_1920x1080.yuv"]
    assert (yuv["bpp"], yuv["psnr_yuv"], yuv["ms_ssim_y"], yuv["frames"]) == (0.057281, 40.086706, 0.9826, 96)
    assert "psnr_rgb" not in yuv
    rgb = to_rd_points(curves["Cactus_1920x1080_50"], "psnr_rgb", "here")
    assert rgb == [RDPoint(0.02, 33.0), RDPoint(0.04, 35.0)]
