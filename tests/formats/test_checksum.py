"""The hashes depend on values and order, and on nothing else."""

import hashlib
import zlib

import numpy as np
import pytest
from nvrc_formats.checksum import PictureHash, crc32, symbol_hash


def blake(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def test_crc_is_that_of_zlib_and_continues():
    assert crc32(b"123456789") == 0xCBF43926  # the check value of every CRC-32 catalogue
    assert crc32(b"6789", crc32(b"12345")) == zlib.crc32(b"123456789")


def test_symbol_hash_golden():
    assert symbol_hash([np.array([1, -1])]) == blake(b"\x01\0\0\0\xff\xff\xff\xff")
    assert symbol_hash([np.array([1, -1])]).hex() == "97420136cb5cf2ac"


@pytest.mark.parametrize("dtype", ["i1", "<i2", ">i4", "<i8", "u1", ">u8"])
def test_symbol_hash_ignores_dtype_shape_and_boundaries(dtype):
    values = np.arange(24)
    expected = symbol_hash([values])
    assert symbol_hash([values.astype(dtype).reshape(2, 3, 4)]) == expected
    assert symbol_hash(iter([values[:7].astype(dtype), values[7:7], values[7:]])) == expected
    assert symbol_hash([np.stack([values, -values], axis=1)[:, 0]]) == expected  # not contiguous


def test_symbol_hash_depends_on_order():
    a, b = np.array([1, 2]), np.array([3])
    assert symbol_hash([a, b]) != symbol_hash([b, a])
    assert symbol_hash([]) == symbol_hash([np.zeros((0, 3), np.int32)]) == blake(b"")


def test_symbol_hash_refuses_what_is_no_int32():
    with pytest.raises(TypeError, match="float32"):
        symbol_hash([np.zeros(2, np.float32)])
    with pytest.raises(TypeError, match="bool"):
        symbol_hash([np.array([True])])
    for value in (2**31, -(2**31) - 1):
        with pytest.raises(ValueError, match="32 bits"):
            symbol_hash([np.array([value])])
    symbol_hash([np.array([2**31 - 1, -(2**31)])])


def planes(dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 200, shape).astype(dtype) for shape in ((5, 7), (3, 4), (3, 4))]


@pytest.mark.parametrize(("dtype", "width"), [("u1", "u1"), ("<u2", "<u2"), (">u2", "<u2")])
def test_picture_hash_is_that_of_the_raw_file(dtype, width):
    frames = [planes(dtype), [plane + 1 for plane in planes(dtype)]]
    picture = PictureHash()
    for frame in frames:
        picture.update(frame)
    raw = b"".join(plane.astype(width).tobytes() for frame in frames for plane in frame)
    assert picture.digest() == blake(raw)


def test_picture_hash_reads_strided_planes_and_may_go_on():
    picture, wide = PictureHash(), np.arange(48, dtype=np.uint8).reshape(4, 12)
    picture.update([wide[:, :6]])
    first = picture.digest()
    assert first == blake(wide[:, :6].tobytes())
    picture.update([wide[:, 6:]])
    assert picture.digest() != first


@pytest.mark.parametrize(
    "frame",
    [[np.zeros((2, 2))], [np.zeros((2, 2), "u1"), np.zeros((1, 1), "u2")], [np.zeros((2, 2), "i2")], []],
)
def test_picture_hash_refuses_other_samples(frame):
    with pytest.raises(TypeError, match="uint8"):
        PictureHash().update(frame)
