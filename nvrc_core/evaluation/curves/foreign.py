"""Results as two other projects keep them in JSON, with their names of quality put into ours.

CompressAI (results/*/*/*.json): `{"name", "description", "results": {"bpp" or "bitrate" (kbit/s): [...], ...}}`, one
curve that is the average of a dataset; older files hold the lists alone.

| CompressAI               | here                                                                                  |
|--------------------------|---------------------------------------------------------------------------------------|
| psnr-rgb, psnr, rgb_psnr | psnr_rgb (of encoders of video: of the mean squared error)                            |
| psnr-y, y_psnr, u, v     | psnr_y, ...; psnr_y_pooled, ... for encoders of video, whose errors are pooled        |
| ms-ssim-rgb, ms-ssim     | ms_ssim_rgb                                                                           |
| psnr-yuv                 | none: weighted 4:1:1                                                                  |

DCVC (anchors/*.json and what its test_video.py writes): `{dataset: {sequence: {rate: {"ave_all_frame_bpp", ...}}}}`;
its figures are means over frames.

| DCVC, ave_all_frame_...  | here                                                                                  |
|--------------------------|---------------------------------------------------------------------------------------|
| psnr, msssim             | psnr_yuv (6:1:1) and none where there is a psnr_y, else psnr_rgb and ms_ssim_rgb      |
| psnr_y, psnr_u, psnr_v   | psnr_y, psnr_u, psnr_v                                                                |
| msssim_y                 | ms_ssim_y                                                                             |
"""

from pathlib import Path
from typing import Any

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.csv_points import bits_per_pixel
from nvrc_core.evaluation.curves.rd_points import Record

AVERAGE = "average"
"""The clip that a dataset's average stands for."""

COMPRESSAI_NAMES = {
    "psnr-rgb": "psnr_rgb",
    "psnr": "psnr_rgb",
    "rgb_psnr": "psnr_rgb",
    "ms-ssim-rgb": "ms_ssim_rgb",
    "ms-ssim": "ms_ssim_rgb",
}
COMPRESSAI_PLANES = {name: f"psnr_{c}" for c in "yuv" for name in (f"psnr-{c}", f"{c}_psnr")}
COMPRESSAI_RGB = "bt709-full-bicubic"

# Files with kbit/s do not say of which video; those of this folder are of UVG.
COMPRESSAI_VIDEOS = {"UVG-1080p": {"width": 1920, "height": 1080, "frame_rate": 120}}

DCVC_PREFIX = "ave_all_frame_"
DCVC_YUV_NAMES = {
    "psnr": "psnr_yuv",
    "psnr_y": "psnr_y",
    "psnr_u": "psnr_u",
    "psnr_v": "psnr_v",
    "msssim_y": "ms_ssim_y",
}
DCVC_RGB_NAMES = {"psnr": "psnr_rgb", "msssim": "ms_ssim_rgb"}


def read_foreign(document: Any, path: Path) -> list[Record] | None:
    """The points of a document of CompressAI or DCVC, None where it is neither's. Raises `UsageError`."""
    if not isinstance(document, dict):
        return None
    results = document.get("results", document)
    if isinstance(results, dict) and any(isinstance(results.get(key), list) for key in ("bpp", "bitrate")):
        return _compressai_points(document, results, path)
    points = [
        _dcvc_point(point, sequence)
        for sequences in document.values()
        if isinstance(sequences, dict)
        for sequence, rates in sequences.items()
        if isinstance(rates, dict)
        for point in rates.values()
        if isinstance(point, dict) and f"{DCVC_PREFIX}bpp" in point
    ]
    return points or None


def _compressai_points(document: Record, results: Record, path: Path) -> list[Record]:
    lists = {key: values for key, values in results.items() if isinstance(values, list)}
    if len({len(values) for values in lists.values()}) > 1:
        sizes = ", ".join(f"{key} {len(values)}" for key, values in lists.items())
        raise UsageError(f"{path}: the lists of results differ in length: {sizes}")
    pooled = "bitrate" in lists and not str(document.get("description", "")).startswith("Inference")
    names = COMPRESSAI_NAMES | {key: name + "_pooled" * pooled for key, name in COMPRESSAI_PLANES.items()}
    shared = {"clip": AVERAGE, "series": str(document.get("name") or path.stem), "rgb": COMPRESSAI_RGB}
    points = []
    for row in zip(*lists.values(), strict=True):
        found = dict(zip(lists, row, strict=True))
        point = shared | {names[key]: value for key, value in found.items() if key in names}
        points.append(point | {"bpp": found["bpp"] if "bpp" in found else _bpp_of_bitrate(document, found, path)})
    return points


def _bpp_of_bitrate(document: Record, found: Record, path: Path) -> float:
    video = COMPRESSAI_VIDEOS.get(path.resolve().parent.name, {})
    given = {key: document[key] for key in ("width", "height") if key in document}
    if "fps" in document:
        given["frame_rate"] = document["fps"]
    place = f'{path} (name the video as "width", "height" and "fps" beside "results")'
    return bits_per_pixel(video | given | {"kbps": found["bitrate"]}, place)


def _dcvc_point(point: Record, sequence: str) -> Record:
    names = DCVC_YUV_NAMES if f"{DCVC_PREFIX}psnr_y" in point else DCVC_RGB_NAMES
    frames = [point.get(key) for key in ("i_frame_num", "p_frame_num")]
    read = {name: point.get(DCVC_PREFIX + key) for key, name in names.items()}
    whole = {"frames": sum(frames)} if all(isinstance(number, int) for number in frames) else {}
    return {"clip": sequence, "bpp": point[f"{DCVC_PREFIX}bpp"]} | whole | read
