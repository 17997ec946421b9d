import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from nvrc_formats.video import ColorTags, PixelFormat, VideoFormat

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.anchors.x265 import encode_x265, x265_at_bpp, x265_curve, x265_version
from nvrc_core.evaluation.curves.files import load_curves
from nvrc_core.evaluation.curves.rd_points import to_rd_points

FRAMES = 6


def drifting_clip(video):
    """A textured picture that moves by a sample and a half a frame: [T, H, W] for Y, U, V."""
    planes = []
    for index, (height, width) in enumerate(video.plane_shapes):
        scale = width / video.width
        t, y, x = np.ogrid[:FRAMES, :height, :width]
        waves = np.sin((x / scale + 1.5 * t) * 0.35) + np.cos((y / scale - t) * 0.23 * (1 + index))
        fine = np.sin((x / scale + 1.5 * t) * (y / scale) * 0.05)
        picture = 0.5 + 0.15 * waves + 0.1 * fine
        peak = video.pixel_format.peak
        planes.append(np.round(picture * peak).astype(np.uint8 if peak == 255 else np.uint16))
    return planes


@pytest.fixture(scope="module")
def video():
    tags = ColorTags(1, 1, 1, full_range=False)
    return VideoFormat(80, 64, frame_rate=Fraction(30000, 1001), sample_aspect=Fraction(12, 11), color=tags)


@pytest.fixture(scope="module")
def planes(video):
    return drifting_clip(video)


@pytest.fixture(scope="module")
def curve(planes, video):
    return x265_curve(planes, video, [12, 24, 36, 48], preset="medium", threads=1)


def test_rate_and_quality_fall_with_the_crf(curve):
    sizes = [point.bytes for point in curve]
    qualities = [point.psnr.yuv for point in curve]
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)
    assert sizes[0] > 3 * sizes[-1]
    assert 40 < qualities[0] < 100  # the right frames, in the order of display
    for point in curve:
        assert point.bpp == 8 * point.bytes / (80 * 64 * FRAMES)
        assert point.psnr.per_frame.shape == (FRAMES, 3)


def test_the_same_settings_give_the_same_bytes_on_any_number_of_threads(planes, video, curve):
    again = encode_x265(planes, video, 24, preset="medium", threads=3)
    assert (again.bytes, again.psnr) == (curve[1].bytes, curve[1].psnr)


def test_a_point_names_what_made_it(curve):
    assert (curve[0].codec, curve[0].preset, curve[0].crf, curve[0].tune) == ("x265", "medium", 12, None)
    assert curve[0].version == x265_version()
    assert curve[0].version.startswith("x265 (build ")
    assert curve[0].encode_s > 0


def test_tuning_for_psnr_reaches_the_encoder(planes, video, curve):
    tuned = encode_x265(planes, video, 24, preset="medium", tune="psnr", threads=1)
    assert tuned.bytes != curve[1].bytes
    assert tuned.rd_record("a")["series"] == "x265_medium_psnr"


def test_points_are_read_back_from_a_file(curve, tmp_path):
    path = tmp_path / "points.json"
    path.write_text(json.dumps([point.rd_record("drift") for point in curve]))
    stored = to_rd_points(load_curves(path)["drift"], "psnr_yuv", "the file")
    assert [(point.bpp, point.quality) for point in stored] == [(p.bpp, p.psnr.yuv) for p in curve]


@pytest.mark.parametrize(("width", "height"), [(33, 17), (64, 49), (9, 7), (2, 3)])
def test_odd_and_tiny_sides_are_measured_on_their_true_area(width, height):
    video = VideoFormat(width, height)
    point = encode_x265(drifting_clip(video), video, 4, preset="ultrafast", threads=1)
    assert point.psnr.yuv > 40  # would be far lower if the planes were misplaced
    assert point.bpp == 8 * point.bytes / (width * height * FRAMES)


def test_ten_bit_444_keeps_odd_sides():
    video = VideoFormat(35, 21, PixelFormat("yuv444p10le", 10, 1, 1))
    point = encode_x265(drifting_clip(video), video, 4, preset="ultrafast", threads=1)
    assert point.psnr.yuv > 45


@pytest.mark.parametrize("share", [0.5, 1.7])
def test_a_target_rate_is_met(planes, video, curve, share):
    target_bpp = curve[1].bpp * share
    point = x265_at_bpp(planes, video, target_bpp, preset="medium", threads=1, tolerance=0.03)
    assert point.bpp == pytest.approx(target_bpp, rel=0.06)


def test_a_rate_out_of_reach_ends_at_the_end_of_the_scale(planes, video):
    point = x265_at_bpp(planes, video, 1e-6, preset="ultrafast", threads=1)
    assert point.crf == 51


def test_settings_that_make_no_sense_are_refused(planes, video):
    with pytest.raises(UsageError, match="CRF from 0 to 51"):
        encode_x265(planes, video, 52)
    with pytest.raises(UsageError, match="above 0"):
        x265_at_bpp(planes, video, 0)
    with pytest.raises(UsageError, match="x265 refuses 80x64 with preset=fastest"):
        encode_x265(planes, video, 30, preset="fastest")
    with pytest.raises(ValueError, match="are not a clip"):
        encode_x265([plane[:, 1:] for plane in planes], video, 30)
    with pytest.raises(ValueError, match="needs planes of uint8"):
        encode_x265([plane.astype(np.uint16) for plane in planes], video, 30)


def test_the_encoder_is_silent():
    """x265 and FFmpeg write to the file descriptors, so only another process can tell."""
    program = (
        "import numpy as np\n"
        "from nvrc_formats.video import VideoFormat\n"
        "from nvrc_core.evaluation.anchors.x265 import encode_x265\n"
        "planes = [np.zeros((2, *s), np.uint8) for s in VideoFormat(32, 32).plane_shapes]\n"
        "encode_x265(planes, VideoFormat(32, 32), 30)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
