"""The file around the payloads: magic, version, chunks, index (SPEC sections 2 and 5).

A writer needs no seeking, so a file can go into a pipe; a reader walks it front to back, from a pipe too. The
index at the end serves those who can seek. What a payload means is the business of `header`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgpack

from nvrc_formats import limits
from nvrc_formats.checksum import crc32
from nvrc_formats.errors import (
    ChecksumError,
    FormatError,
    HeaderError,
    LimitError,
    NotNvrcError,
    TruncatedError,
    UnknownChunkError,
    VersionError,
)
from nvrc_formats.records import check_int, read_record, unpack_strict

# As in PNG: a byte that no text has, the name, and line ends that a transfer "as text" would damage.
MAGIC = b"\x89NVRC\r\n\x1a"
VERSION = (1, 0)
HEAD, SEGM, INDX = "HEAD", "SEGM", "INDX"
FIRST_CHUNK_OFFSET = len(MAGIC) + 2

FRAMING_BYTES = 12  # tag, length, crc
_TAIL_BYTES = 4  # last bytes of the file: the length of the whole INDX chunk
_PIECE_BYTES = 2**20  # a length that lies costs at most one such piece beyond what the file really holds
_MAX_PAYLOAD_BYTES = {
    HEAD: limits.MAX_HEADER_BYTES,
    SEGM: limits.MAX_SEGMENT_BYTES,
    INDX: limits.MAX_INDEX_BYTES,
}


@dataclass(frozen=True)
class Chunk:
    """A chunk whose length and CRC are right. `offset`: of its tag, in bytes from the start of the file."""

    tag: str
    offset: int
    payload: bytes


@dataclass(frozen=True)
class IndexEntry:
    """Where a segment is: the chunk at byte `offset` holds `frames` frames from `first_frame` on."""

    offset: int
    first_frame: int
    frames: int


class ContainerWriter:
    """Writes header, segments and index, in this order, to a buffered binary file or pipe.

    The file counts as positioned at its start; only `write` is called on it. Raises LimitError for a payload
    beyond the limits, RuntimeError for calls in another order.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[IndexEntry] = []
        self._next_frame = 0
        self._finished = False
        self.bytes_written = 0

    def write_header(self, payload: bytes) -> None:
        """Magic, version and the HEAD chunk."""
        self._expect(self.bytes_written == 0)
        _check_length(HEAD, len(payload), FIRST_CHUNK_OFFSET)
        self._write(MAGIC + bytes(VERSION))
        self._write_chunk(HEAD, payload)

    def write_segment(self, payload: bytes, frames: int) -> None:
        """The next SEGM chunk, of `frames` frames after those written before."""
        self._expect(self.bytes_written > 0)
        if len(self._entries) == limits.MAX_SEGMENTS or self._next_frame + frames > limits.MAX_FRAMES:
            raise LimitError(f"more than {limits.MAX_SEGMENTS} segments or {limits.MAX_FRAMES} frames in a file")
        offset = self.bytes_written
        self._write_chunk(SEGM, payload)
        self._entries.append(IndexEntry(offset, self._next_frame, frames))
        self._next_frame += frames

    def finish(self) -> int:
        """The INDX chunk. Returns the bytes of the whole file; closing it is the caller's."""
        self._expect(bool(self._entries))
        self._write_chunk(INDX, pack_index(self._entries))
        self._finished = True
        return self.bytes_written

    def _expect(self, in_order: bool) -> None:
        if self._finished or not in_order:
            raise RuntimeError("a container is one header, then one or more segments, then finish")

    def _write_chunk(self, tag: str, payload: bytes) -> None:
        _check_length(tag, len(payload), self.bytes_written)
        crc = crc32(payload, crc32(tag.encode()))
        self._write(tag.encode() + len(payload).to_bytes(4, "little") + crc.to_bytes(4, "little"))
        self._write(payload)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.bytes_written += len(data)


class ContainerReader:
    """Reads a file front to back, needing nothing but `read`; iterate over it once to get its chunks.

    Yields HEAD, each SEGM and last INDX, checked in themselves and in their order; unknown optional chunks
    are skipped. A chunk is yielded before the rest of the file is seen, so only a loop that ended without an
    error proves the file complete. Memory: one payload. Raises a FormatError, from the constructor on.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._source = _Source(file)
        self.version = _read_preamble(self._source)
        self.index: tuple[IndexEntry, ...] = ()  # known after INDX

    @property
    def bytes_read(self) -> int:
        """Bytes taken so far: those of the whole file once its end is reached."""
        return self._source.offset

    def __iter__(self) -> Iterator[Chunk]:
        offsets: list[int] = []
        for count in range(limits.MAX_CHUNKS):
            chunk = _read_chunk(self._source, is_first=count == 0)
            if chunk is None:
                continue
            if chunk.tag == HEAD and count > 0:
                raise FormatError(f"a second HEAD chunk at byte {chunk.offset}")
            if chunk.tag == SEGM:
                if len(offsets) == limits.MAX_SEGMENTS:
                    raise LimitError(f"more than {limits.MAX_SEGMENTS} segments")
                offsets.append(chunk.offset)
            if chunk.tag == INDX:
                self.index = unpack_index(chunk)
                if [entry.offset for entry in self.index] != offsets:
                    raise HeaderError("the index does not list the offsets of the segments before it")
                if self._source.read(1):
                    raise FormatError(f"bytes after the index, from byte {self._source.offset - 1} on")
            yield chunk
            if chunk.tag == INDX:
                return
        raise LimitError(f"more than {limits.MAX_CHUNKS} chunks")


def read_index(file: BinaryIO) -> tuple[IndexEntry, ...]:
    """The index of a file that can seek, found from its last 4 bytes. Moves the file's position.

    Raises TruncatedError if the file does not end with an index, else FormatErrors as `ContainerReader` does.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    _read_preamble(_Source(file))
    file.seek(max(size - _TAIL_BYTES, 0))
    start = size - int.from_bytes(file.read(_TAIL_BYTES), "little")
    file.seek(max(start, 0))
    if file.read(4) != INDX.encode():
        raise TruncatedError(f"the file's {size} bytes do not end with an index: it is cut short or extended")
    chunk = read_chunk_at(file, start, INDX)
    end = start + FRAMING_BYTES + len(chunk.payload)
    if end != size:
        raise FormatError(f"bytes after the index, from byte {end} on")
    return unpack_index(chunk)


def read_chunk_at(file: BinaryIO, offset: int, tag: str) -> Chunk:
    """The chunk `tag` at byte `offset` of a file that can seek.

    HEAD is at `FIRST_CHUNK_OFFSET`; the index tells where each SEGM is. Raises FormatError if another chunk
    is there, and as `ContainerReader` does.
    """
    file.seek(offset)
    chunk = _read_chunk(_Source(file, offset))
    if chunk is None or chunk.tag != tag:
        raise FormatError(f"there is no {tag} chunk at byte {offset}")
    return chunk


def pack_index(entries: list[IndexEntry]) -> bytes:
    """The payload of an INDX chunk."""
    fields = msgpack.packb([[entry.offset, entry.first_frame, entry.frames] for entry in entries])
    return fields + (FRAMING_BYTES + len(fields) + _TAIL_BYTES).to_bytes(_TAIL_BYTES, "little")


def unpack_index(chunk: Chunk) -> tuple[IndexEntry, ...]:
    """Read an INDX chunk; HeaderError unless segments ascend before it and their frames follow on from 0."""
    fields, tail = chunk.payload[:-_TAIL_BYTES], chunk.payload[-_TAIL_BYTES:]
    if int.from_bytes(tail, "little") != FRAMING_BYTES + len(chunk.payload):
        raise HeaderError(f"the file's last 4 bytes are {tail.hex()}, not the length of the index chunk")
    values = unpack_strict(fields, "index", limits.MAX_SEGMENTS)
    read_record(values, "index", 1)
    entries = []
    offset, next_frame = FIRST_CHUNK_OFFSET, 0
    for number, value in enumerate(values):
        name = f"index[{number}]"
        entry = IndexEntry(*read_record(value, name, 3))
        check_int(f"{name} offset", entry.offset, offset + FRAMING_BYTES, chunk.offset - FRAMING_BYTES)
        check_int(f"{name} first_frame", entry.first_frame, next_frame, next_frame)
        longest = min(limits.MAX_SEGMENT_FRAMES, limits.MAX_FRAMES - next_frame)
        check_int(f"{name} frames", entry.frames, 1, longest)
        offset, next_frame = entry.offset, next_frame + entry.frames
        entries.append(entry)
    return tuple(entries)


class _Source:
    """A file that knows how far it was read and turns a short read into an error."""

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        self._file = file
        self.offset = offset

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end of the file; a pipe may hand them out in small portions."""
        pieces = []
        missing = size
        while missing > 0 and (piece := self._file.read(min(missing, _PIECE_BYTES))):
            pieces.append(piece)
            missing -= len(piece)
        self.offset += size - missing
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_exactly(self, size: int, what: str) -> bytes:
        """`size` bytes, or TruncatedError."""
        start = self.offset
        data = self.read(size)
        if len(data) < size:
            raise TruncatedError(
                f"the file ends at byte {self.offset}, within the {size} bytes of {what} from byte {start} on"
            )
        return data


def _read_preamble(source: _Source) -> tuple[int, int]:
    magic = source.read(len(MAGIC))
    if not magic or not MAGIC.startswith(magic):
        raise NotNvrcError("not an nvrc file" if magic else "the file is empty")
    if magic != MAGIC:
        raise TruncatedError(f"the file ends at byte {len(magic)}, within its {len(MAGIC)} magic bytes")
    major, minor = source.read_exactly(2, "the version")
    if major != VERSION[0]:
        raise VersionError(f"the file has version {major}.{minor}; this reader knows {VERSION[0]}.x only")
    return major, minor


def _read_chunk(source: _Source, is_first: bool = False) -> Chunk | None:
    """The next chunk, or None for an unknown optional one, whose payload is checked but not kept."""
    offset = source.offset
    raw_tag = source.read_exactly(4, "the next chunk's tag")
    if not (raw_tag.isalpha() and raw_tag.isascii()):
        raise FormatError(f"no chunk at byte {offset}: its tag would be {raw_tag!r}")
    tag = raw_tag.decode("ascii")
    if is_first and tag != HEAD:
        raise FormatError(f"the first chunk is {tag}, not {HEAD}")
    length = int.from_bytes(source.read_exactly(4, f"the length of {tag}"), "little")
    declared_crc = int.from_bytes(source.read_exactly(4, f"the CRC of {tag}"), "little")
    _check_length(tag, length, offset)
    crc = crc32(raw_tag)
    payload = b""
    if tag in _MAX_PAYLOAD_BYTES:
        payload = source.read_exactly(length, tag)
        crc = crc32(payload, crc)
    else:
        for start in range(0, length, _PIECE_BYTES):
            crc = crc32(source.read_exactly(min(_PIECE_BYTES, length - start), tag), crc)
    if crc != declared_crc:
        raise ChecksumError(f"chunk {tag} at byte {offset} is damaged: CRC {crc:08x}, not {declared_crc:08x}")
    if tag in _MAX_PAYLOAD_BYTES:
        return Chunk(tag, offset, payload)
    # Judged after the CRC, so that a damaged tag is reported as damage.
    if tag[0].isupper():
        raise UnknownChunkError(f"chunk {tag} at byte {offset} needs a newer version of nvrc")
    return None


def _check_length(tag: str, length: int, offset: int) -> None:
    limit = _MAX_PAYLOAD_BYTES.get(tag, limits.MAX_UNKNOWN_BYTES)
    if length > limit:
        raise LimitError(f"chunk {tag} at byte {offset} declares {length} bytes, more than {limit}")
