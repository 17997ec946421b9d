"""A results document of the full contract, made up: three clips, nvrc on two devices, two other encoders."""

import math
from typing import Any

import pytest

CLIPS = {  # dB that x265 has at 0.1 bpp
    "harbour_352x288_60f.mkv": (352, 288, 60, 34.0),
    "faces_176x144_90f.mkv": (176, 144, 90, 38.5),
    "waves <b>&amp; 'sand'</b>.mkv": (640, 360, 48, 36.2),
}
CPU, GPU = "cpu (1 thread)", "cuda:0 (NVIDIA H100 80GB HBM3)"
PROCESSOR = "Intel(R) Xeon(R) Processor"
RGB = "BT.709 limited, bilinear chroma"
# What a series takes at equal quality, as a multiple of x265's bits: exact, whatever the clip.
FACTORS = {"nvrc_fast": 3.0, "nvrc_medium": 1.6, "x265_veryslow": 1.0, "svtav1_p4": 0.8}
DB_PER_OCTAVE = 3.1


def make_point(clip: str, series: str, bpp: float) -> dict[str, Any]:
    """A point on the straight line (quality over the logarithm of rate) of its series."""
    width, height, frames, base_db = CLIPS[clip]
    psnr_y = base_db + DB_PER_OCTAVE * math.log2(bpp / FACTORS[series] / 0.1)
    psnr_u, psnr_v = psnr_y + 5.2, psnr_y + 6.4
    psnr_yuv = (6 * psnr_y + psnr_u + psnr_v) / 8
    ripple = [math.sin(0.4 * t) - (1.2 if t % 12 else -1.6) for t in range(frames)]
    ripple = [value - sum(ripple) / frames for value in ripple]
    size = bpp * width * height * frames / 8
    codec, preset = series.split("_")
    point = {
        "clip": clip,
        "clip_hash": f"{width:04x}{height:04x}{frames:04x}",
        "width": width,
        "height": height,
        "frames": frames,
        "frame_rate": "25",
        "codec": codec,
        "series": series,
        "preset": preset,
        "tune": None,
        "threads": 1,
        "bytes": round(size),
        "bpp": bpp,
        "kbps": bpp * width * height * 25 / 1000,
        "psnr_y": psnr_y,
        "psnr_u": psnr_u,
        "psnr_v": psnr_v,
        "psnr_yuv": psnr_yuv,
        "psnr_yuv_pooled": psnr_yuv - 0.2,
        "psnr_rgb": psnr_y - 1.1,
        "rgb": RGB,
        "ms_ssim_y": 1 - 10 ** (-psnr_y / 22) if height > 160 else None,
        "ms_ssim_rgb": 1 - 10 ** (-psnr_y / 24) if height > 160 else None,
        "per_frame": {
            "psnr_y": [psnr_y + value for value in ripple],
            "psnr_yuv": [psnr_yuv + 0.8 * value for value in ripple],
        },
        "processor": PROCESSOR,
    }
    if codec != "nvrc":
        command = f"{codec} --preset {preset} --crf 28 '{clip}'"
        times = {"encode_s": 0.4 * frames * bpp**0.5, "decode_s": 0.004 * frames, "device": CPU}
        return (
            point | {"q": round(28 - 6 * math.log2(bpp / 0.1)), "version": f"{codec} 4.1", "command": command} | times
        )
    on_gpu = series == "nvrc_medium"
    shares = {"band16": 0.2, "band8": 0.22, "band4": 0.2, "band2": 0.1, "motion": 0.12}
    shares |= {"layers": 0.14, "side": 0.012, "container": 0.008}
    return point | {
        "version": "0.1.0",
        "target_bpp": bpp,
        "lambda": 800 * bpp,
        "parts": {part: share * size for part, share in shares.items()},
        "steps": 1000,
        "fit_s": 4.0 if on_gpu else 18.2,
        "encode_s": 5.5 if on_gpu else 20.0,
        "decode_s": frames / (400 if on_gpu else 61),
        "device": GPU if on_gpu else CPU,
        "parameters": 40546,
        "mac_per_pixel": 2150.0 if on_gpu else 1240.0,
        "pixels_exact": True,
    }


def make_document(clips: dict[str, Any] = CLIPS, series: tuple[str, ...] = tuple(FACTORS)) -> dict[str, Any]:
    """Four rates a clip and series."""
    points = [
        make_point(clip, name, round(start * 2**step, 4))
        for clip in clips
        for name in series
        for start in [0.04 if name.startswith("nvrc") else 0.013]
        for step in range(4 if name.startswith("nvrc") else 6)
    ]
    head = {"format": "nvrc-rd", "version": 1, "date": "2026-11-23", "nvrc": "0.1.0", "processor": PROCESSOR}
    return head | {"points": points}


@pytest.fixture
def document() -> dict[str, Any]:
    return make_document()


@pytest.fixture
def one_series_document() -> dict[str, Any]:
    return make_document(series=("nvrc_fast", "x265_veryslow"))


@pytest.fixture(scope="session")
def full_page() -> str:
    """The page of `document`, made once."""
    from nvrc_core.evaluation.report.html import html_report

    return html_report(make_document())
