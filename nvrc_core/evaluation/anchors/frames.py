"""Frames as encoders take them (sides padded, samples deeper), as they were, and as raw bytes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from nvrc_formats.video import VideoFormat

from nvrc_core.evaluation.anchors.encoder import Planes


def sample_type(video: VideoFormat) -> np.dtype:
    """What a sample is stored in: uint8, or little-endian uint16 above 8 bits."""
    return np.dtype(np.uint8 if video.pixel_format.bit_depth == 8 else "<u2")


def coded_format(video: VideoFormat, smallest_side_px: int, bit_depth: int | None = None) -> VideoFormat:
    """`video` with whole chroma samples, sides of at least `smallest_side_px`, and `bit_depth` where given."""
    layout = video.pixel_format
    if bit_depth is not None and bit_depth != layout.bit_depth:
        name = layout.name.removesuffix(f"{layout.bit_depth}le") + ("" if bit_depth == 8 else f"{bit_depth}le")
        layout = replace(layout, name=name, bit_depth=bit_depth)

    def grown(side_px: int, multiple: int) -> int:
        return max(-(-side_px // multiple) * multiple, smallest_side_px)

    sides = {"width": grown(video.width, layout.chroma_x), "height": grown(video.height, layout.chroma_y)}
    return replace(video, pixel_format=layout, **sides)


def to_coded(planes: Planes, video: VideoFormat, coded: VideoFormat) -> list[np.ndarray]:
    """A frame of `video` as one of `coded`: the last row and column repeated, samples scaled by a power of two."""
    shift = coded.pixel_format.bit_depth - video.pixel_format.bit_depth
    frame = []
    for plane, (height, width) in zip(planes, coded.plane_shapes, strict=True):
        margins = (0, height - plane.shape[0]), (0, width - plane.shape[1])
        frame.append(np.pad(plane, margins, mode="edge").astype(sample_type(coded)) << shift)
    return frame


def from_coded(planes: Planes, video: VideoFormat, coded: VideoFormat) -> list[np.ndarray]:
    """A frame of `coded`, or larger, as one of `video`: cropped, samples rounded half up and clipped."""
    shift = coded.pixel_format.bit_depth - video.pixel_format.bit_depth
    frame = []
    for plane, (height, width) in zip(planes, video.plane_shapes, strict=True):
        samples = plane[:height, :width]
        if shift:
            samples = np.minimum((samples.astype(np.uint32) + (1 << shift >> 1)) >> shift, video.pixel_format.peak)
        frame.append(samples.astype(sample_type(video)))
    return frame


def raw_bytes(planes: Planes) -> bytes:
    """A frame's samples, plane after plane, little-endian."""
    return b"".join(np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).tobytes() for plane in planes)


def raw_frame_bytes(video: VideoFormat) -> int:
    """How many bytes a raw frame has."""
    return sum(height * width for height, width in video.plane_shapes) * sample_type(video).itemsize


def read_raw(path: Path, video: VideoFormat) -> Iterator[list[np.ndarray]]:
    """The frames of a file of raw frames; a part of a frame at the end is left out."""
    size = raw_frame_bytes(video)
    with path.open("rb") as file:
        while len(data := file.read(size)) == size:
            samples = np.frombuffer(data, sample_type(video))
            ends = np.cumsum([height * width for height, width in video.plane_shapes])
            parts = np.split(samples, ends[:-1])
            yield [part.reshape(shape) for part, shape in zip(parts, video.plane_shapes, strict=True)]
