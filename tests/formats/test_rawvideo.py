import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvrc_formats.errors import VideoFileError
from nvrc_formats.rawvideo import RawReader, RawWriter, frame_bytes, read_planes
from nvrc_formats.video import VideoFormat


class Trickle(io.RawIOBase):
    """A pipe that gives one byte a read."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(memoryview(buffer)[:1])


def noise(video: VideoFormat, frames: int, seed: int = 0) -> list[tuple[np.ndarray, ...]]:
    generator = np.random.default_rng(seed)
    return [
        tuple(generator.integers(0, 256, shape, dtype=np.uint8) for shape in video.plane_shapes) for _ in range(frames)
    ]


def written(video: VideoFormat, frames: list[tuple[np.ndarray, ...]]) -> bytes:
    stream = io.BytesIO()
    writer = RawWriter(stream, video)
    for planes in frames:
        writer.write(planes)
    return stream.getvalue()


@given(width=st.integers(1, 9), height=st.integers(1, 9), count=st.integers(0, 3), seed=st.integers(0, 99))
def test_frames_come_back_as_they_were(width, height, count, seed):
    video = VideoFormat(width, height)
    frames = noise(video, count, seed)
    data = written(video, frames)
    assert len(data) == count * frame_bytes(video.plane_shapes)
    for stream in (io.BytesIO(data), Trickle(data)):
        read = list(RawReader(stream, video))
        assert len(read) == count
        for found, expected in zip(read, frames, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_odd_sizes_round_chroma_up():
    assert frame_bytes(VideoFormat(5, 3).plane_shapes) == 15 + 2 * 6


def test_a_cut_frame_is_an_error_and_a_whole_one_is_an_end():
    video = VideoFormat(3, 3)
    data = written(video, noise(video, 2))
    size = frame_bytes(video.plane_shapes)
    for length in range(len(data)):
        if length % size == 0:
            assert len(list(RawReader(io.BytesIO(data[:length]), video))) == length // size
        else:
            with pytest.raises(VideoFileError, match=f"frame {length // size} is cut short"):
                list(RawReader(io.BytesIO(data[:length]), video))


def test_planes_are_writable_and_contiguous():
    video = VideoFormat(4, 2)
    planes = read_planes(io.BytesIO(written(video, noise(video, 1))), video.plane_shapes, 0)
    for plane in planes:
        assert plane.flags.c_contiguous
        plane[...] = 0


def test_rows_of_a_larger_picture_can_be_written():
    video = VideoFormat(4, 4)
    planes = noise(video, 1)[0]
    large = np.zeros((8, 8), np.uint8)
    large[:4, :4] = planes[0]
    assert written(video, [(large[:4, :4], *planes[1:])]) == written(video, [planes])


@pytest.mark.parametrize(
    "planes",
    [
        (np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8)),
        (np.zeros((1, 4), np.uint8), np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)),
        (np.zeros((4, 4), np.uint16), np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)),
    ],
)
def test_wrong_planes_are_refused(planes):
    with pytest.raises(ValueError, match="expected"):
        RawWriter(io.BytesIO(), VideoFormat(4, 4)).write(planes)
