"""The three checks of a file: is a chunk intact, are the symbols right, is the picture the encoder's.

They answer different questions on purpose. A CRC finds damage in transport. The symbol hash proves that
entropy decoding gave the integers which the encoder wrote: it MUST match on every machine. The picture hash
tells whether this machine's float arithmetic rendered the encoder's samples exactly: it may differ by
rounding.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

HASH_BYTES = 8  # finds mistakes, not forgers: 64 bits never collide by accident

_INT32 = np.iinfo(np.int32)


def crc32(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """CRC-32 of zlib and PNG, 0 to 2**32 - 1; pass the last result as `crc` to continue over more data."""
    return zlib.crc32(data, crc)


def symbol_hash(arrays: Iterable[np.ndarray]) -> bytes:
    """BLAKE2b-64 of the symbols in coding order, each as a little-endian int32. Returns 8 bytes.

    Only the sequence of values counts: neither the arrays' dtypes and shapes nor where one ends and the next
    begins. Each array is read in C order. Raises TypeError if an array does not hold integers, ValueError
    if a value does not fit into 32 bits.
    """
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.kind not in "iu":
            raise TypeError(f"symbols must be integers, not {array.dtype}")
        if array.size == 0:
            continue
        if not np.can_cast(array.dtype, np.int32) and (array.min() < _INT32.min or array.max() > _INT32.max):
            raise ValueError(f"symbols from {array.min()} to {array.max()} do not fit into 32 bits")
        digest.update(np.ascontiguousarray(array, dtype="<i4").data)
    return digest.digest()


class PictureHash:
    """BLAKE2b-64 of frames as integer samples, taken frame by frame so that no more than one is in memory.

    Each frame adds its planes Y, U, V, each in raster order (rows from the top, samples from the left), a
    sample as one byte, or as two little-endian bytes where the video has more than 8 bits a sample. This is
    the byte stream of a raw planar video file, so any tool that writes one can check the hash.
    """

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=HASH_BYTES)

    def update(self, planes: Sequence[np.ndarray]) -> None:
        """Add the next frame in display order: planes [H, W] of uint8 or uint16, all of one type.

        Raises TypeError for samples of another type.
        """
        dtypes = {plane.dtype.newbyteorder("=") for plane in planes}
        if len(dtypes) != 1 or not dtypes <= {np.dtype(np.uint8), np.dtype(np.uint16)}:
            raise TypeError(f"planes must be all uint8 or all uint16, not {sorted(map(str, dtypes))}")
        width = dtypes.pop().newbyteorder("<")
        for plane in planes:
            self._digest.update(np.ascontiguousarray(plane, dtype=width).data)

    def digest(self) -> bytes:
        """The hash of the frames so far, 8 bytes; more frames may follow."""
        return self._digest.digest()
