"""What holds for every encoder that nvrc brings: x264, x265, SVT-AV1, VVenC."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from nvrc_formats.video import PixelFormat, VideoFormat

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.anchors.encoder import Encoded
from nvrc_core.evaluation.anchors.libav import X264, X265, SvtAv1
from nvrc_core.evaluation.anchors.measure import measure
from nvrc_core.evaluation.anchors.vvenc import VVenC

FRAMES = 6
YUV420P10 = PixelFormat("yuv420p10le", 10, 2, 2)
YUV444P10 = PixelFormat("yuv444p10le", 10, 1, 1)
YUV420P12 = PixelFormat("yuv420p12le", 12, 2, 2)

FAST = {
    "x264": X264("medium", threads=1),
    "x265": X265("medium", threads=1),
    "svtav1": SvtAv1("10", threads=1),
    "vvenc": VVenC("faster", threads=1),
}
SETTINGS = {"x264": (12, 24, 36), "x265": (12, 24, 36), "svtav1": (8, 30, 55), "vvenc": (12, 24, 36)}
MESSAGES = {"x264": "x264 core ", "x265": "x265 (build ", "svtav1": "SVT-AV1 v", "vvenc": "VVenC 1."}


@pytest.fixture(scope="module", params=FAST)
def anchor(request):
    return FAST[request.param]


@pytest.fixture(scope="module")
def curve(anchor, planes, video):
    return [measure(anchor, planes, video, q) for q in SETTINGS[anchor.codec]]


def test_rate_and_quality_fall_with_q(curve):
    for figure in ("bytes", "psnr_y", "psnr_yuv", "psnr_rgb"):
        values = [point[figure] for point in curve]
        assert values == sorted(values, reverse=True)
    assert curve[0]["bytes"] > 2 * curve[-1]["bytes"]


def test_frames_come_back_in_the_order_of_display(curve):
    assert len(curve[0]["per_frame"]["psnr_y"]) == FRAMES
    assert min(curve[0]["per_frame"]["psnr_yuv"]) > 35  # the next frame in its place: under 25


def test_a_point_has_what_a_results_file_needs(anchor, curve):
    point = curve[1]
    assert point["bpp"] == 8 * point["bytes"] / (80 * 64 * FRAMES)
    assert point["kbps"] == pytest.approx(8 * point["bytes"] / (FRAMES * 1001 / 30000) / 1000)
    assert (point["width"], point["height"], point["frames"], point["frame_rate"]) == (80, 64, FRAMES, "30000/1001")
    assert (point["threads"], point["device"]) == (1, "cpu (1 thread)")
    assert point["version"].startswith(MESSAGES[anchor.codec])
    assert point["encode_s"] > 0
    assert point["decode_s"] > 0
    assert point["ms_ssim_y"] is None  # too small a picture
    assert np.mean(point["per_frame"]["psnr_yuv"]) == pytest.approx(point["psnr_yuv"])
    assert f" {SETTINGS[anchor.codec][1]} " in point["command"].replace("=", " ").replace(":", " ")
    assert json.loads(json.dumps(point, allow_nan=False)) == point


def test_the_same_settings_give_the_same_bytes(anchor, planes, video, curve):
    assert len(anchor.encode(planes, video, SETTINGS[anchor.codec][1]).stream) == curve[1]["bytes"]


@pytest.mark.parametrize("codec", ["x265", "svtav1", "vvenc"])
def test_threads_do_not_change_the_bytes(codec, planes, video):
    one, three = (replace(FAST[codec], threads=threads).encode(planes, video, 30) for threads in (1, 3))
    assert one.stream == three.stream


def test_what_the_process_did_before_does_not_change_the_bytes_of_x264(drifting_clip):
    """Freed memory keeps its content, and x264's AVX-512 code reads it."""
    video, other = VideoFormat(176, 144), VideoFormat(96, 80)
    first = X264("slow").encode(drifting_clip(video), video, 30)
    X264("slow").encode(drifting_clip(other), other, 5)
    assert X264("slow").encode(drifting_clip(video), video, 30).stream == first.stream


@pytest.mark.parametrize(("width", "height"), [(33, 17), (65, 49), (2, 3)])
def test_odd_and_tiny_sides_are_measured_on_their_true_area(anchor, drifting_clip, width, height):
    video = VideoFormat(width, height)
    point = measure(anchor, drifting_clip(video), video, 8)
    assert point["psnr_yuv"] > 40  # would be far lower if the planes were misplaced
    assert point["bpp"] == 8 * point["bytes"] / (width * height * FRAMES)


def test_ten_bits_stay_ten_bits(anchor, drifting_clip):
    video = VideoFormat(48, 34, YUV420P10)
    planes = drifting_clip(video)
    stream = anchor.encode(planes, video, 8).stream
    decoded = next(iter(anchor.decode(stream, video)))
    assert [plane.dtype for plane in decoded] == [np.uint16] * 3
    assert np.any(decoded[0] % 4)  # not just 8 bits with two zeros
    assert measure(anchor, planes, video, 8)["psnr_yuv"] > 42


@pytest.mark.parametrize("codec", ["x264", "x265"])
def test_444_keeps_odd_sides(codec, drifting_clip):
    video = VideoFormat(65, 67, YUV444P10)
    assert measure(FAST[codec], drifting_clip(video), video, 4)["psnr_yuv"] > 43


@pytest.mark.parametrize(
    ("codec", "layout"), [("svtav1", YUV444P10), ("svtav1", YUV420P12), ("vvenc", YUV444P10), ("x264", YUV420P12)]
)
def test_layouts_that_an_encoder_lacks_are_refused(codec, layout, drifting_clip):
    video = VideoFormat(64, 64, layout)
    with pytest.raises(UsageError, match=rf"\A[^\n]*{codec}[^\n]*{layout.name}[^\n]*\Z"):
        FAST[codec].encode(drifting_clip(video), video, 30)


def test_settings_that_an_encoder_lacks_are_refused(anchor, planes, video):
    with pytest.raises(UsageError, match=rf"{anchor.codec} takes a .* from \d+ to \d+, not 99"):
        anchor.encode(planes, video, 99)
    with pytest.raises(UsageError, match=rf"\A{anchor.codec} [^\n]*nonsense[^\n]*\Z"):
        replace(anchor, preset="nonsense").encode(planes, video, 30)
    with pytest.raises(UsageError, match=rf"\A{anchor.codec} [^\n]*nonsense[^\n]*\Z"):
        replace(anchor, tune="nonsense").encode(planes, video, 30)


def test_a_quality_between_whole_numbers_is_refused_where_it_would_be_rounded():
    X265().check_q(27.5)
    for anchor in (SvtAv1(), VVenC()):
        with pytest.raises(UsageError, match=r"takes a whole (CRF|QP) from \d+ to 63, not 27.5"):
            anchor.check_q(27.5)


def test_planes_of_another_clip_are_a_callers_mistake(planes, video):
    with pytest.raises(ValueError, match="are not a clip"):
        measure(FAST["x264"], [plane[:, 1:] for plane in planes], video, 30)
    with pytest.raises(ValueError, match="needs planes of uint8"):
        measure(FAST["x264"], [plane.astype(np.uint16) for plane in planes], video, 30)


def test_a_stream_of_another_length_is_not_measured(planes, video):
    class Forgetful(X264):
        def encode(self, planes, video, q):
            return Encoded(super().encode([plane[1:] for plane in planes], video, q).stream)

    with pytest.raises(ResourceError, match=f"gave back {FRAMES - 1} frames of {FRAMES}"):
        measure(Forgetful("ultrafast"), planes, video, 30)


@pytest.mark.parametrize(
    ("anchor", "series"),
    [
        (X264(), "x264_veryslow"),
        (X265("slow", "psnr"), "x265_slow_psnr"),
        (SvtAv1(), "svtav1_p4"),
        (SvtAv1("6", "0"), "svtav1_p6_tune0"),
        (VVenC(), "vvenc_medium"),
    ],
)
def test_a_series_names_codec_preset_and_tune(anchor, series):
    assert anchor.series == series


@pytest.mark.parametrize(
    "program",
    [
        "X264('ultrafast')",
        "X265('ultrafast')",
        "SvtAv1('12')",
    ],
)
def test_encoders_are_silent(program):
    """They and FFmpeg write to the file descriptors, so only another process can tell."""
    lines = (
        "import numpy as np\n"
        "from nvrc_formats.video import VideoFormat\n"
        "from nvrc_core.evaluation.anchors.libav import *\n"
        "video = VideoFormat(32, 32)\n"
        "planes = [np.zeros((2, *shape), np.uint8) for shape in video.plane_shapes]\n"
        f"anchor = {program}\n"
        "anchor.version, list(anchor.decode(anchor.encode(planes, video, 30).stream, video))\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
