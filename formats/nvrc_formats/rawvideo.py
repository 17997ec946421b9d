"""Planar raw frames: the samples of Y, U and V one after the other, no header, no padding.

A sample of more than 8 bits takes two bytes, the low one first; such frames are read, not written.
Works on any binary file object, pipes included: nothing here seeks. One frame is in memory at a time.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from nvrc_formats.errors import VideoFileError
from nvrc_formats.video import VideoFormat

Planes = tuple[np.ndarray, ...]
Shapes = tuple[tuple[int, int], ...]


def frame_bytes(shapes: Shapes, bit_depth: int = 8) -> int:
    """Bytes of one frame; `shapes` are [H, W] of each plane."""
    return sum(height * width for height, width in shapes) * _sample_type(bit_depth).itemsize


def read_planes(stream: BinaryIO, shapes: Shapes, frame_idx: int, bit_depth: int = 8) -> Planes | None:
    """Read one frame as planes [H, W], uint8 for 8 bits and uint16 for more; None where the stream is at its end.

    Raises VideoFileError where the stream ends inside the frame, and for samples of more bits than they should
    have; `frame_idx` is for these messages only.
    """
    size = frame_bytes(shapes, bit_depth)
    data = np.empty(size, np.uint8)
    filled = _read_into(stream, memoryview(data))
    if filled == 0:
        return None
    if filled < size:
        raise VideoFileError(f"frame {frame_idx} is cut short: {filled} of {size} bytes")
    samples = data.view(_sample_type(bit_depth))
    if bit_depth > 8:
        samples = samples.astype(np.uint16, copy=False)  # the machine's byte order
        if (largest := int(samples.max())) >> bit_depth:
            raise VideoFileError(f"frame {frame_idx} has a sample of {largest}, which is more than {bit_depth} bits")
    planes = []
    start = 0
    for height, width in shapes:
        planes.append(samples[start : start + height * width].reshape(height, width))
        start += height * width
    return tuple(planes)


def _sample_type(bit_depth: int) -> np.dtype:
    return np.dtype(np.uint8 if bit_depth <= 8 else "<u2")


def check_planes(planes: Planes, shapes: Shapes) -> None:
    """Raise ValueError where `planes` are not uint8 of these shapes.

    That is a caller's mistake; written down, it would shift every later sample.
    """
    found = tuple(plane.shape for plane in planes)
    if found != shapes or any(plane.dtype != np.uint8 for plane in planes):
        kinds = ", ".join(str(plane.dtype) for plane in planes)
        raise ValueError(f"planes are {found} of {kinds}, expected {shapes} of uint8")


def write_planes(stream: BinaryIO, planes: Planes, shapes: Shapes) -> None:
    """Write one frame of uint8 planes [H, W]. Raises what `check_planes` raises."""
    check_planes(planes, shapes)
    for plane in planes:
        stream.write(np.ascontiguousarray(plane).data)


class RawReader:
    """Iterates over the frames of a raw stream; raises VideoFileError at a frame that is cut short."""

    def __init__(self, stream: BinaryIO, video: VideoFormat) -> None:
        self.video = video
        self._stream = stream

    def __iter__(self) -> Iterator[Planes]:
        shapes, bit_depth = self.video.plane_shapes, self.video.pixel_format.bit_depth
        frame_idx = 0
        while (planes := read_planes(self._stream, shapes, frame_idx, bit_depth)) is not None:
            yield planes
            frame_idx += 1


class RawWriter:
    """Writes frames without a header; what the samples mean has to travel some other way."""

    def __init__(self, stream: BinaryIO, video: VideoFormat) -> None:
        self.video = video
        self._stream = stream

    def write(self, planes: Planes) -> None:
        """Append one frame of uint8 planes [H, W]."""
        write_planes(self._stream, planes, self.video.plane_shapes)


def _read_into(stream: BinaryIO, view: memoryview) -> int:
    """Fill `view` as far as the stream goes (an unbuffered pipe gives a little at a time); bytes read."""
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])
        if not count:
            break
        filled += count
    return filled
