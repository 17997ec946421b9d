"""One file beside x265 veryslow on the same frames: at the same size, and at the same quality.

Usage: python -m nvrc_core.evaluation.side_by_side REFERENCE FILE.nvrc
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from nvrc_formats.video import VideoFormat

from nvrc_core.evaluation.anchors.x265 import AnchorPoint, x265_at_bpp, x265_curve
from nvrc_core.evaluation.curves.bdrate import rate_at_quality
from nvrc_core.evaluation.curves.rd_points import RDPoint
from nvrc_core.evaluation.quality.psnr import Psnr, PsnrMeter
from nvrc_core.media.selection import Clip, FrameRange, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.segment import SegmentDecoder
from nvrc_core.stream import open_stream

CURVE_CRFS = (16, 22, 28, 34, 40, 46, 51)
SAME_RATE_TOLERANCE = 0.02


@dataclass(frozen=True)
class SideBySide:
    """`same_rate`: x265 at (nearly) the same bits. `rate_ratio`: bits over x265's bits at equal PSNR-YUV, None
    where x265's curve does not reach that quality.
    """

    same_rate: AnchorPoint
    rate_ratio: float | None


class X265:
    """x265 veryslow on planes Y, U, V (integers [T, H, W])."""

    def __init__(self, planes: Sequence[np.ndarray], video: VideoFormat) -> None:
        self._planes, self._video = planes, video
        self._curve = [RDPoint(point.bpp, point.psnr.yuv) for point in x265_curve(planes, video, CURVE_CRFS)]

    def beside(self, bpp: float, psnr_yuv: float) -> SideBySide:
        """Places a point (bits per luma pixel, PSNR-YUV in dB) beside x265."""
        same_rate = x265_at_bpp(self._planes, self._video, bpp, tolerance=SAME_RATE_TOLERANCE)
        anchor_bpp = rate_at_quality(self._curve, psnr_yuv)
        return SideBySide(same_rate, None if anchor_bpp is None else bpp / anchor_bpp)


def measure_file(reference: str, file: str) -> tuple[Clip, float, Psnr]:
    """The frames of a video that a file codes, the file's bits per luma pixel, and its quality on this machine."""
    with open_stream(file) as stream:
        segments = list(stream.segments)
        frames = sum(segment.header.frames for segment in segments)
        with open_source(reference) as source:
            clip = read_clip(source, FrameRange(0, frames))
        meter = PsnrMeter(clip.video.pixel_format.peak)
        for segment in segments:
            decoder = SegmentDecoder(segment.header, segment.payload, stream.header.video)
            rendered = decoder.frames(range(segment.header.frames), torch.device("cpu"))
            for index, planes in enumerate(rendered, start=segment.header.first_frame):
                meter.update([plane[index] for plane in clip.planes], planes)
        pixels = clip.video.pixels * frames
        return clip, 8 * stream.size() / pixels, meter.result()


def main(arguments: Sequence[str]) -> None:
    """Prints two lines for one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", help="the video that was encoded")
    parser.add_argument("file", help="the .nvrc file")
    paths = parser.parse_args(arguments)
    clip, bpp, psnr = measure_file(paths.reference, paths.file)
    found = X265(clip.planes, clip.video).beside(bpp, psnr.yuv)
    anchor = found.same_rate
    name = Path(paths.file).name
    print(f"{name}: {bpp:.4f} bpp, PSNR-Y {psnr.y:.2f} dB, PSNR-YUV {psnr.yuv:.2f} dB")
    ratio = "" if found.rate_ratio is None else f"; at equal PSNR-YUV nvrc takes {found.rate_ratio:.2f} times its bits"
    print(
        f"x265 veryslow at the same size: {anchor.bpp:.4f} bpp, PSNR-Y {anchor.psnr.y:.2f} dB, "
        f"PSNR-YUV {anchor.psnr.yuv:.2f} dB{ratio}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
