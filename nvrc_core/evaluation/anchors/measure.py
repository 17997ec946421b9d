"""One encode of a clip by an anchor, decoded again and measured: a point of a results file."""

import time

from nvrc_formats.video import VideoFormat

from nvrc_core.errors import ResourceError
from nvrc_core.evaluation.anchors.encoder import Anchor, Planes, check_planes, frames_of
from nvrc_core.evaluation.quality.meter import QualityMeter

PER_FRAME_FIGURES = ("psnr_y", "psnr_yuv")


def measure(anchor: Anchor, planes: Planes, video: VideoFormat, q: float, ms_ssim: bool = True) -> dict[str, object]:
    """The point of Y, U, V (uint8 [T, H, W] each, uint16 above 8 bits) at the quality setting `q`, for a JSON file.

    `bytes` is the elementary stream's length. `encode_s` and `decode_s` are wall-clock seconds, the start of
    external programs included; `decode_s` is None where the encoder wrote the decoded frames. The decoded clip
    is held in memory, so that measuring does not overlap with decoding. `q` is the one setting that varies over
    a curve, a CRF or a QP. Raises `UsageError` where the encoder refuses the settings or the format,
    `ResourceError` where it is not there, fails, or gives back another number of frames.
    """
    check_planes(planes, video)
    frames = len(planes[0])
    start = time.perf_counter()
    encoded = anchor.encode(planes, video, q)
    encode_s = time.perf_counter() - start
    decoded, decode_s = encoded.frames, None
    if decoded is None:
        start = time.perf_counter()
        decoded = list(anchor.decode(encoded.stream, video))
        decode_s = time.perf_counter() - start
    if len(decoded) != frames:
        raise ResourceError(f"{anchor.codec} gave back {len(decoded)} frames of {frames}")
    meter = QualityMeter(video, ms_ssim=ms_ssim)
    for original, test in zip(frames_of(planes), decoded, strict=True):
        meter.update(original, test)
    quality = meter.result()
    bits = 8 * len(encoded.stream)
    return {
        "width": video.width,
        "height": video.height,
        "frames": frames,
        "frame_rate": str(video.frame_rate),
        "codec": anchor.codec,
        "series": anchor.series,
        "preset": anchor.preset,
        "tune": anchor.tune,
        "q": q,
        "version": anchor.version,
        "threads": anchor.threads,
        "command": anchor.command(video, q),
        "bytes": len(encoded.stream),
        "bpp": bits / (video.pixels * frames),
        "kbps": float(bits * video.frame_rate / frames / 1000),
        **quality.figures(),
        "encode_s": encode_s,
        "decode_s": decode_s,
        "device": anchor.device,
        "per_frame": {name: [float(value) for value in quality.per_frame[name]] for name in PER_FRAME_FIGURES},
    }
