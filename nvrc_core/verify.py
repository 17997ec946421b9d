"""Is a file what its encoder meant? Checksums, symbols, and how far this machine's samples are from the norm."""

from dataclasses import dataclass

import numpy as np
import torch
from nvrc_formats.checksum import PictureHash

from nvrc_core.devices import runtime
from nvrc_core.errors import PixelDriftError
from nvrc_core.events import EventHandler, FrameProgress, ignore
from nvrc_core.segment import SegmentDecoder
from nvrc_core.stream import open_stream

TOLERANCE = 1  # code values between renders in different arithmetic (SPEC section 7)


@dataclass(frozen=True)
class VerifyResult:
    """`pixels_exact`: all samples are the encoder's. `max_difference`: code values between this device's float32
    render and a float64 one; 0 where the samples are exact.
    """

    segments: int
    frames: int
    pixels_exact: bool
    max_difference: int
    device: str


def verify(
    source: str, *, device: str = "auto", threads: int | None = None, on_event: EventHandler = ignore
) -> VerifyResult:
    """Checks a file ("-": standard input) completely.

    Raises FormatError for damage, SymbolMismatchError for wrong symbols, and PixelDriftError where samples are not
    the encoder's and this device's render is beyond the tolerance of one in higher precision.
    """
    segments = frames = largest = 0
    exact = True
    with open_stream(source) as stream, runtime(device, threads, stream.header.video.pixels) as where:
        for segment in stream.segments:
            header = segment.header
            decoder = SegmentDecoder(header, segment.payload, stream.header.video)
            picture_hash = PictureHash()
            for planes in decoder.frames(range(header.frames), where.device):
                picture_hash.update(planes)
                frames += 1
                on_event(FrameProgress("verify", frames, None))
            if picture_hash.digest() != header.picture_hash:
                exact = False
                largest = max(largest, _drift(decoder, header.frames, where.device))
            segments += 1
    if largest > TOLERANCE:
        raise PixelDriftError(
            f"samples rendered on {where.name} differ by up to {largest} code values from a render in float64"
        )
    return VerifyResult(segments, frames, exact, largest, where.name)


def _drift(decoder: SegmentDecoder, frames: int, device: torch.device) -> int:
    """The largest difference, in code values, between the float32 and the float64 render."""
    reference = decoder.frames(range(frames), device, torch.float64)
    return max(
        int(np.abs(a.astype(np.int32) - b).max())
        for here, norm in zip(decoder.frames(range(frames), device), reference, strict=True)
        for a, b in zip(here, norm, strict=True)
    )
