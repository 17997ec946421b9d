import numpy as np
import pytest
from nvrc_formats.video import ColorTags, VideoFormat

from nvrc_core.errors import MediaError, UsageError
from nvrc_core.evaluation.quality.meter import QualityMeter
from nvrc_core.evaluation.quality.rgb import RgbConversion

KEYS = {
    *(f"psnr_{plane}{kind}" for plane in ("y", "u", "v", "yuv") for kind in ("", "_pooled")),
    "psnr_rgb",
    "rgb",
    "ms_ssim_y",
    "ms_ssim_rgb",
}


def measure(video, reference, test, **options):
    meter = QualityMeter(video, **options)
    for planes in zip(reference, test, strict=True):
        meter.update(*planes)
    return meter.result()


def test_figures_have_the_keys_of_results_files(make_pair):
    video = VideoFormat(170, 162)
    quality = measure(video, *make_pair(video, 3))
    figures = quality.figures()
    assert set(figures) == KEYS
    assert quality.frames == 3
    assert {len(series) for series in quality.per_frame.values()} == {3}
    for name, series in quality.per_frame.items():
        assert figures[name] == pytest.approx(series.mean(), abs=1e-12)


def test_mean_and_pooled_are_different_conventions(make_pair):
    video = VideoFormat(16, 16)
    quality = measure(video, *make_pair(video, 4))
    figures, per_frame = quality.figures(), quality.per_frame
    errors = {plane: 255**2 / 10 ** (per_frame[f"psnr_{plane}"] / 10) for plane in "yuv"}
    for plane in "yuv":
        assert figures[f"psnr_{plane}_pooled"] == pytest.approx(10 * np.log10(255**2 / errors[plane].mean()))
        assert figures[f"psnr_{plane}_pooled"] < figures[f"psnr_{plane}"] - 0.3
    weighted = (6 * errors["y"] + errors["u"] + errors["v"]).mean() / 8
    assert figures["psnr_yuv_pooled"] == pytest.approx(10 * np.log10(255**2 / weighted))
    assert figures["psnr_yuv"] == pytest.approx((6 * figures["psnr_y"] + figures["psnr_u"] + figures["psnr_v"]) / 8)


def test_ms_ssim_is_left_out_where_it_has_no_value(make_pair):
    for video, options in ((VideoFormat(400, 160), {}), (VideoFormat(161, 161), {"ms_ssim": False})):
        quality = measure(video, *make_pair(video, 1), **options)
        assert quality.figures()["ms_ssim_y"] is quality.figures()["ms_ssim_rgb"] is None
        assert "ms_ssim_y" not in quality.per_frame
    assert measure(VideoFormat(161, 161), *make_pair(VideoFormat(161, 161), 1)).figures()["ms_ssim_rgb"] > 0


def test_rgb_follows_the_tags_unless_it_is_named(make_pair):
    tagged = VideoFormat(16, 8, color=ColorTags(matrix=1, full_range=True))
    clips = make_pair(tagged, 1)
    by_tags = measure(tagged, *clips).figures()
    named = measure(tagged, *clips, rgb=RgbConversion.parse("ffmpeg601")).figures()
    assert (by_tags["rgb"], named["rgb"]) == ("bt709-full-nearest", "bt601-limited-nearest")
    assert by_tags["psnr_rgb"] != named["psnr_rgb"]
    with pytest.raises(MediaError, match=r"colour matrix 8 .* such as"):
        QualityMeter(VideoFormat(16, 8, color=ColorTags(matrix=8)))


def test_identical_clips_score_the_cap(make_pair):
    video = VideoFormat(161, 163)
    clip, _ = make_pair(video, 2)
    figures = measure(video, clip, clip).figures()
    assert {value for name, value in figures.items() if name.startswith("psnr")} == {100.0}
    assert (figures["ms_ssim_y"], figures["ms_ssim_rgb"]) == pytest.approx((1, 1), abs=1e-12)


def test_wrong_shapes_and_no_frames_are_refused(make_pair):
    video = VideoFormat(16, 8)
    (planes,), _ = make_pair(video, 1)
    meter = QualityMeter(video)
    with pytest.raises(UsageError, match="shapes"):
        meter.update(planes, [plane[:, 1:] for plane in planes])
    with pytest.raises(UsageError, match="no frame"):
        QualityMeter(video).result()
