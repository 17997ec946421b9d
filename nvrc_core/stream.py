"""Reading a `.nvrc` front to back: the header, then segments as they come. Works on pipes; imports no torch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from nvrc_formats.container import FRAMING_BYTES, HEAD, SEGM, ContainerReader
from nvrc_formats.errors import FormatError, HeaderError
from nvrc_formats.header import SegmentHeader, StreamHeader, unpack_segment, unpack_stream_header

from nvrc_core.errors import MediaError

STDIN = "-"


@dataclass(frozen=True)
class Segment:
    """One segment as it lies in the file: its header, the coded symbols and the size of the whole chunk in bytes."""

    header: SegmentHeader
    payload: bytes
    chunk_bytes: int


@dataclass(frozen=True)
class Stream:
    """An open file. `segments` may be iterated once; it raises FormatError where the file breaks a rule.

    `size()`: bytes of the whole file, known when the segments are at their end.
    """

    name: str
    version: tuple[int, int]
    header: StreamHeader
    segments: Iterator[Segment]
    size: Callable[[], int]


@contextmanager
def open_stream(source: str) -> Iterator[Stream]:
    """Opens a path, or standard input for "-". Raises MediaError if it cannot be read, FormatError for its bytes."""
    if source == STDIN:
        yield read_stream("standard input", sys.stdin.buffer)
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed below; only opening is to be translated
    except FileNotFoundError:
        raise MediaError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise MediaError(f"{source} is a directory, not a .nvrc file") from None
    except OSError as error:
        raise MediaError(f"{source} cannot be read: {error.strerror}") from error
    with file:
        yield read_stream(source, file)


def read_stream(name: str, file: BinaryIO) -> Stream:
    """Of an open file at its start. Raises FormatError for its bytes."""
    with _named(name):
        reader = ContainerReader(file)
        chunks = iter(reader)
        head = next(chunks)
        assert head.tag == HEAD  # the reader accepts no other first chunk
        header = unpack_stream_header(head.payload)

    def segments() -> Iterator[Segment]:
        frames, counts = 0, []
        with _named(name):
            for chunk in chunks:
                if chunk.tag == SEGM:
                    segment_header, payload = unpack_segment(chunk.payload)
                    segment_header.check_against(header.video, frames)
                    frames += segment_header.frames
                    counts.append(segment_header.frames)
                    yield Segment(segment_header, payload, len(chunk.payload) + FRAMING_BYTES)
            if [entry.frames for entry in reader.index] != counts:
                raise HeaderError("the index does not list the frames of the segments before it")

    return Stream(name, reader.version, header, segments(), lambda: reader.bytes_read)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Says which file it is that breaks a rule."""
    try:
        yield
    except FormatError as error:
        raise type(error)(f"{name}: {error}") from error
