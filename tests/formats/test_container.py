"""The file around the payloads: golden bytes, pipes, and every kind of damage."""

import io
import tracemalloc
import zlib
from contextlib import suppress

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvrc_formats import container, limits
from nvrc_formats.container import (
    FIRST_CHUNK_OFFSET,
    MAGIC,
    Chunk,
    ContainerReader,
    ContainerWriter,
    IndexEntry,
    pack_index,
    read_chunk_at,
    read_index,
)
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

# Written by hand from SPEC sections 2 and 5; the CRCs are those that gzip puts at the end of its files.
GOLDEN = bytes.fromhex(
    "89 4e565243 0d0a1a 01 00"  # magic, version 1.0
    "48454144 02000000 8cdcab0f 6869"  # HEAD "hi" at byte 10
    "5345474d 03000000 e22b0c99 616263"  # SEGM "abc" at byte 24
    "5345474d 00000000 94d4f839"  # SEGM "" at byte 39
    "494e4458 0d000000 cdc94d75"  # INDX at byte 51
    "92 93 18 00 05 93 27 05 01 19000000"  # [[24, 0, 5], [39, 5, 1]], 25 bytes of chunk
)


class Pipe:
    """A binary file with nothing but `read`, which gives out a few bytes at a time."""

    def __init__(self, data: bytes, portion: int = 3) -> None:
        self._file = io.BytesIO(data)
        self._portion = portion

    def read(self, size: int) -> bytes:
        assert size >= 0
        return self._file.read(min(size, self._portion))


class Sink:
    """A binary file with nothing but `write`."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def chunk(tag: bytes, payload: bytes) -> bytes:
    crc = zlib.crc32(tag + payload)
    return tag + len(payload).to_bytes(4, "little") + crc.to_bytes(4, "little") + payload


def written(segments: list[tuple[bytes, int]], header: bytes = b"hi") -> bytes:
    sink = Sink()
    writer = ContainerWriter(sink)
    writer.write_header(header)
    for payload, frames in segments:
        writer.write_segment(payload, frames)
    assert writer.finish() == writer.bytes_written == len(sink.data)
    return sink.data


def indexed(*chunks: bytes, version: bytes = b"\1\0") -> bytes:
    """A file of these chunks with the index that fits them, a frame for each segment."""
    body, entries = MAGIC + version, []
    for part in chunks:
        if part[:4] == b"SEGM":
            entries.append(IndexEntry(len(body), len(entries), 1))
        body += part
    return body + chunk(b"INDX", pack_index(entries))


def with_index(entries: object, tail: int | None = None) -> bytes:
    """Two segments, at bytes 24 and 39, and this index."""
    fields = msgpack.packb(entries)
    length = 16 + len(fields) if tail is None else tail
    return GOLDEN[:51] + chunk(b"INDX", fields + length.to_bytes(4, "little"))


def read(data: bytes) -> list[Chunk]:
    return list(ContainerReader(Pipe(data)))


def test_golden():
    assert written([(b"abc", 5), (b"", 1)]) == GOLDEN
    reader = ContainerReader(Pipe(GOLDEN))
    assert list(reader) == [
        Chunk("HEAD", 10, b"hi"),
        Chunk("SEGM", 24, b"abc"),
        Chunk("SEGM", 39, b""),
        Chunk("INDX", 51, GOLDEN[63:]),
    ]
    assert reader.version == (1, 0)
    assert reader.index == (IndexEntry(24, 0, 5), IndexEntry(39, 5, 1))


def test_random_access():
    file = io.BytesIO(GOLDEN)
    assert read_index(file) == (IndexEntry(24, 0, 5), IndexEntry(39, 5, 1))
    assert read_chunk_at(file, FIRST_CHUNK_OFFSET, "HEAD").payload == b"hi"
    assert read_chunk_at(file, 24, "SEGM") == Chunk("SEGM", 24, b"abc")
    with pytest.raises(FormatError, match="no SEGM chunk at byte 10"):
        read_chunk_at(file, 10, "SEGM")
    with pytest.raises(FormatError):
        read_chunk_at(file, 11, "SEGM")


@given(
    st.binary(max_size=300),
    st.lists(st.tuples(st.binary(max_size=300), st.integers(1, limits.MAX_SEGMENT_FRAMES)), min_size=1, max_size=9),
    st.integers(1, 100),
)
def test_round_trip(header, segments, portion):
    data = written(segments, header)
    reader = ContainerReader(Pipe(data, portion))
    payloads = [part.payload for part in reader]
    assert payloads[:-1] == [header] + [payload for payload, _ in segments]
    assert [entry.frames for entry in reader.index] == [frames for _, frames in segments]
    file = io.BytesIO(data)
    assert read_index(file) == reader.index
    assert [read_chunk_at(file, entry.offset, "SEGM").payload for entry in reader.index] == payloads[1:-1]


def test_payload_larger_than_a_piece():
    payload = bytes(range(256)) * 10_000
    assert read_chunk_at(io.BytesIO(written([(payload, 1)])), 24, "SEGM").payload == payload


def test_writer_refuses_another_order():
    writer = ContainerWriter(Sink())
    with pytest.raises(RuntimeError):
        writer.write_segment(b"", 1)
    writer.write_header(b"")
    with pytest.raises(RuntimeError):
        writer.write_header(b"")
    with pytest.raises(RuntimeError):
        writer.finish()
    writer.write_segment(b"", 1)
    writer.finish()
    for call in (writer.finish, lambda: writer.write_segment(b"", 1)):
        with pytest.raises(RuntimeError):
            call()


def test_writer_keeps_the_limits(monkeypatch):
    sink = Sink()
    writer = ContainerWriter(sink)
    with pytest.raises(LimitError, match="HEAD"):
        writer.write_header(bytes(limits.MAX_HEADER_BYTES + 1))
    assert sink.data == b""
    writer.write_header(b"")
    with pytest.raises(LimitError, match="frames"):
        writer.write_segment(b"", limits.MAX_FRAMES + 1)
    monkeypatch.setattr(limits, "MAX_SEGMENTS", 1)
    writer.write_segment(b"", 1)
    with pytest.raises(LimitError, match="1 segments"):
        writer.write_segment(b"", 1)


@pytest.mark.parametrize("size", range(len(GOLDEN)))
def test_truncated_anywhere(size):
    error = NotNvrcError if size == 0 else TruncatedError
    with pytest.raises(error):
        read(GOLDEN[:size])
    with pytest.raises(error):
        read_index(io.BytesIO(GOLDEN[:size]))


def test_truncation_says_where():
    with pytest.raises(TruncatedError, match="ends at byte 37, within the 3 bytes of SEGM from byte 36"):
        read(GOLDEN[:37])


def test_any_flipped_bit():
    whole = read(GOLDEN)
    for bit in range(8 * len(GOLDEN)):
        damaged = bytearray(GOLDEN)
        damaged[bit // 8] ^= 1 << bit % 8
        if bit // 8 == len(MAGIC) + 1:
            # The minor version: a reader ignores it, so the result is the same.
            assert read(bytes(damaged)) == whole
            continue
        with pytest.raises(FormatError):
            read(bytes(damaged))


@given(st.binary(max_size=400))
def test_random_bytes_are_not_nvrc(data):
    with pytest.raises(FormatError):
        read(data)
    with pytest.raises(FormatError):
        read_index(io.BytesIO(data))


@given(st.data())
def test_random_edits_only_raise_format_errors(data):
    damaged = bytearray(GOLDEN)
    start = data.draw(st.integers(FIRST_CHUNK_OFFSET, len(GOLDEN)))
    end = data.draw(st.integers(start, min(start + 8, len(GOLDEN))))
    damaged[start:end] = data.draw(st.binary(max_size=8))
    if damaged == GOLDEN:
        return
    with pytest.raises(FormatError):
        read(bytes(damaged))
    with suppress(FormatError):  # this one sees the start and the end only
        read_index(io.BytesIO(damaged))


def test_foreign_files():
    for data in (b"hello, world", b"\x89PNG\r\n\x1a\n" + bytes(20), b"\0" * 50, MAGIC[1:] + b"\1\0"):
        with pytest.raises(NotNvrcError, match="not an nvrc file"):
            read(data)
    with pytest.raises(NotNvrcError, match="empty"):
        read(b"")


@pytest.mark.parametrize("version", [b"\2\0", b"\0\x09", b"\xff\xff"])
def test_other_major_versions_are_refused(version):
    data = indexed(chunk(b"HEAD", b""), chunk(b"SEGM", b""), version=version)
    with pytest.raises(VersionError, match=rf"version {version[0]}\.{version[1]}"):
        ContainerReader(Pipe(data))
    with pytest.raises(VersionError):
        read_index(io.BytesIO(data))


def test_newer_minor_version_is_read():
    reader = ContainerReader(Pipe(indexed(chunk(b"HEAD", b""), chunk(b"SEGM", b""), version=b"\1\x07")))
    assert [part.tag for part in reader] == ["HEAD", "SEGM", "INDX"]
    assert reader.version == (1, 7)


def test_unknown_optional_chunks_are_skipped():
    extra = chunk(b"audi", bytes(3_000_000))
    data = indexed(chunk(b"HEAD", b"h"), extra, chunk(b"SEGM", b"s"), chunk(b"iNDX", b""))
    reader = ContainerReader(Pipe(data, portion=2**20))
    assert [(part.tag, part.payload) for part in reader][:2] == [("HEAD", b"h"), ("SEGM", b"s")]
    assert read_index(io.BytesIO(data)) == reader.index
    damaged = bytearray(data)
    damaged[100] ^= 1
    with pytest.raises(ChecksumError, match="audi"):
        list(ContainerReader(Pipe(bytes(damaged), portion=2**20)))


def test_unknown_required_chunks_are_refused():
    with pytest.raises(UnknownChunkError, match=r"MESH at byte 22 needs a newer version"):
        read(indexed(chunk(b"HEAD", b""), chunk(b"MESH", b"123"), chunk(b"SEGM", b"")))


HEADER, SEGMENT = chunk(b"HEAD", b""), chunk(b"SEGM", b"")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (indexed(SEGMENT, HEADER), FormatError, "first chunk is SEGM"),
        (indexed(chunk(b"note", b""), HEADER, SEGMENT), FormatError, "first chunk is note"),
        (indexed(HEADER, HEADER, SEGMENT), FormatError, "second HEAD chunk at byte 22"),
        (indexed(HEADER), HeaderError, "index"),
        (indexed(HEADER, b"SEG1" + SEGMENT[4:]), FormatError, "tag would be b'SEG1'"),
        (indexed(HEADER, "SÉG".encode() + SEGMENT[4:]), FormatError, "tag"),
        (GOLDEN + b"\0", FormatError, "after the index, from byte 76"),
        (GOLDEN + GOLDEN, FormatError, "after the index"),
        (with_index([[24, 0, 5]]), HeaderError, "does not list"),
        (with_index([[24, 0, 5], [38, 5, 1]]), HeaderError, "does not list"),
        (with_index([[24, 0, 5], [39, 6, 1]]), HeaderError, "first_frame"),
        (with_index([[24, 1, 5], [39, 6, 1]]), HeaderError, "first_frame"),
        (with_index([[24, 0, 0], [39, 0, 1]]), HeaderError, "frames"),
        (with_index([[24, 0, limits.MAX_SEGMENT_FRAMES + 1], [39, 8193, 1]]), HeaderError, "frames"),
        (with_index([[24, 0, True], [39, 1, 1]]), HeaderError, "frames"),
        (with_index([[39, 0, 5], [24, 5, 1]]), HeaderError, r"index\[1\] offset"),
        (with_index([[24, 0, 5], [51, 5, 1]]), HeaderError, "offset"),
        (with_index([[24, 0, 5], [39, 5]]), HeaderError, "array of at least 3"),
        (with_index([24, 0, 5]), HeaderError, r"index\[0\]"),
        (with_index({}), HeaderError, "index"),
        (with_index([[24, 0, 5], [39, 5, 1]], tail=24), HeaderError, "last 4 bytes"),
        (GOLDEN[:51] + chunk(b"INDX", b"\x90"), HeaderError, "last 4 bytes"),
    ],
)
def test_broken_structure(data, error, message):
    with pytest.raises(error, match=message):
        read(data)
    with pytest.raises(FormatError):
        list(ContainerReader(io.BytesIO(data)))


def test_read_index_refuses_bytes_after_the_index():
    with pytest.raises(TruncatedError, match="cut short or extended"):
        read_index(io.BytesIO(GOLDEN + b"\0"))
    # The appended bytes lead back to the true index.
    with pytest.raises(FormatError, match="after the index, from byte 76"):
        read_index(io.BytesIO(GOLDEN + (29).to_bytes(4, "little")))


def test_newer_fields_of_an_index_entry_are_ignored():
    reader = ContainerReader(Pipe(with_index([[24, 0, 5, "new"], [39, 5, 1, None, [1]]])))
    list(reader)
    assert reader.index == (IndexEntry(24, 0, 5), IndexEntry(39, 5, 1))


@pytest.mark.parametrize(
    ("tag", "length", "error"),
    [
        (b"SEGM", limits.MAX_SEGMENT_BYTES, TruncatedError),
        (b"SEGM", limits.MAX_SEGMENT_BYTES + 1, LimitError),
        (b"INDX", limits.MAX_INDEX_BYTES + 1, LimitError),
        (b"HEAD", limits.MAX_HEADER_BYTES + 1, LimitError),
        (b"note", limits.MAX_UNKNOWN_BYTES, TruncatedError),
        (b"note", 2**32 - 1, LimitError),
        (b"NOTE", 2**32 - 1, LimitError),
    ],
)
def test_lying_lengths_allocate_little(tag, length, error):
    data = GOLDEN[:24] + tag + length.to_bytes(4, "little") + bytes(1000)
    for file in (Pipe(data, portion=2**30), io.BytesIO(data)):
        tracemalloc.start()
        with pytest.raises(error, match=tag.decode()):
            list(ContainerReader(file))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**21


def test_counts_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CHUNKS", 10)
    with pytest.raises(LimitError, match="10 chunks"):
        read(indexed(HEADER, *[chunk(b"note", b"")] * 20, SEGMENT))
    monkeypatch.setattr(limits, "MAX_SEGMENTS", 3)
    with pytest.raises(LimitError, match="3 segments"):
        read(indexed(HEADER, *[SEGMENT] * 4))


def test_index_of_the_most_segments_fits():
    longest = IndexEntry(2**40, limits.MAX_FRAMES, limits.MAX_SEGMENT_FRAMES)
    assert len(pack_index([longest] * limits.MAX_SEGMENTS)) <= limits.MAX_INDEX_BYTES
    assert container.VERSION == (1, 0)
