"""Writes the golden files of `formats/vectors`: files that every reader has to decode, and files it has to refuse.

Run it after a change of the bitstream, and only then. Symbols are random, from a generator that never changes, so the
same code writes the same files.
Usage: python formats/make_vectors.py [FOLDER]

`manifest.json` says what a reader has to find, by folder and name:
- valid: bytes, frames, and for each segment `symbol_hash` (the same on every machine), `picture_hash` (of a render in
  32-bit floats; others may differ from it by rounding) and `reference_hash` (of a render in 64-bit floats, which leaves
  rounding hardly a chance to differ);
- corrupt: the error (SPEC section 10; SymbolMismatchError is section 8's);
- future: files of later versions: an error, or the segments of a file that has to be read all the same.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import torch
from nvrc_formats.checksum import HASH_BYTES, PictureHash, crc32
from nvrc_formats.container import MAGIC, ContainerReader, ContainerWriter, IndexEntry, pack_index
from nvrc_formats.header import (
    HinervShape,
    MotionWaveletShape,
    SegmentHeader,
    Settings,
    Shape,
    StreamHeader,
    pack_segment,
    pack_stream_header,
)
from nvrc_formats.limits import MAX_SYMBOL
from nvrc_formats.range_coder import RangeEncoder
from nvrc_formats.video import ColorTags, VideoFormat

from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.compression.segment_codec import Encoding, encode_symbols
from nvrc_core.kinds import representation_for, scheme_for
from nvrc_core.rendering import render_frames
from nvrc_core.representation.base import ParameterSpec

VECTORS = Path(__file__).parent / "vectors"
VALID, CORRUPT, FUTURE = "valid", "corrupt", "future"

# Fields as in SPEC section 4: grid size, channels, levels; channels, strides, depths of stages; expansion; local grid
# channels, levels; output stride.
# As the small presets have it: luma as four phases, two stages.
SMALL = HinervShape((2, 3, 4), 2, 4, (8, 4), (2, 2), (2, 1), 4, (2, 1), 3, 2)
# As the paper has it: planes at luma resolution, four stages.
PAPER = HinervShape((2, 1, 2), 1, 4, (8, 4, 4, 4), (3, 2, 2, 2), (3, 3, 3, 1), 4, (4, 2, 1, 1), 3, 1)
# The corners: a grid larger than a block, a stage without blocks, stages without local grids, strides of 1.
ODD = HinervShape((17, 11, 10), 1, 2, (6, 3, 5), (2, 1, 1), (1, 0, 1), 2, (0, 1, 0), 1, 2)
ONE_FRAME = HinervShape((1, 2, 2), 1, 1, (4,), (2,), (1,), 2, (1,), 1, 2)
# Matrices so large that their rows and columns have side information of their own.
WIDE = HinervShape((2, 2, 3), 5, 1, (8,), (3,), (1,), 16, (0,), 0, 2)
# Keys, channels, blocks, cells of motion, overlaps.
TREE = MotionWaveletShape((0, 5, 6), 4, 2)
LARGE_CELLS = MotionWaveletShape((0, 3), 3, 1, 32, True)
KEYS_ONLY = MotionWaveletShape((0, 1, 2), 3, 0, 64)
ONE_KEY = MotionWaveletShape((0,), 3, 1)


@dataclass(frozen=True)
class Vector:
    """A valid file to be: a video, its segments as (shape, frames, durations), and where its symbols come from."""

    video: VideoFormat
    segments: tuple[tuple[Shape, int, tuple[int, ...]], ...]
    settings: Settings
    seed: int


PLAIN = Settings("vector", 1.0, 0.5, 1)
VALID_VECTORS = {
    "small": Vector(VideoFormat(32, 24), ((SMALL, 6, ()),), PLAIN, 1),
    "paper": Vector(VideoFormat(48, 24), ((PAPER, 6, ()),), PLAIN, 2),
    "odd-size": Vector(
        VideoFormat(
            37,
            21,
            frame_rate=Fraction(30000, 1001),
            time_base=Fraction(1001, 30000),
            sample_aspect=Fraction(4, 3),
            color=ColorTags(1, 1, 1, False, 1),
        ),
        ((ODD, 18, ()),),
        Settings("vector", 0.0, None, 2**64 - 1),
        3,
    ),
    "one-frame": Vector(VideoFormat(7, 5), ((ONE_FRAME, 1, ()),), PLAIN, 4),
    "two-segments-variable-durations": Vector(
        VideoFormat(18, 12, time_base=Fraction(1, 1000)), ((WIDE, 3, (40, 41, 2**31 - 1)), (WIDE, 2, ())), PLAIN, 5
    ),
    "wavelets": Vector(VideoFormat(30, 21), ((TREE, 7, ()),), PLAIN, 6),
    "wavelets-large-cells": Vector(VideoFormat(38, 34), ((LARGE_CELLS, 4, ()),), PLAIN, 9),
    "wavelets-one-frame": Vector(VideoFormat(7, 5), ((ONE_KEY, 1, ()),), PLAIN, 7),
    "wavelets-keys-and-another-kind": Vector(
        VideoFormat(18, 12), ((KEYS_ONLY, 3, ()), (WIDE, 2, ()), (ONE_KEY, 1, ())), PLAIN, 8
    ),
}


# -- valid files ------------------------------------------------------------------------------------------


def random_symbols(scheme: Scheme, seed: int) -> Symbols:
    """Plausible symbols, some escapes and extremes among them."""
    generator = np.random.RandomState(seed)  # unlike newer generators, its stream is frozen

    def normal(shape: tuple[int, ...], spread: float) -> torch.Tensor:
        return torch.from_numpy(np.round(generator.standard_normal(shape) * spread))

    side = {spec.name: normal(spec.shape, 1.2) for spec in scheme.side_specs}
    for spec in scheme.specs:
        inner = ".tensor" if f"{spec.name}.tensor.step" in side else ""
        side[f"{spec.name}{inner}.step"] += _step_index(spec)
        side[f"{spec.name}.scale" if spec in scheme.grid_specs else f"{spec.name}.tensor.scale"] += 20  # about 1.3
    layers = scheme.layer_prior.unflatten(normal((sum(spec.size for spec in scheme.layer_prior.specs),), 1.3))
    head, bias = ("head.weight", "stem.bias") if "stem.bias" in layers else ("net.head", "net.head.bias")
    if "context.expand" in side:
        side["context.expand"] *= 6
        side["context.phase"] = side["context.phase"] * 8 + 40
        side["context.project"] *= 5
    else:
        for name in ("band.neighbours", "band.outer", "motion.weight"):
            side[name] = side[name] * 4 + 8  # some below 0
        for name in ("band.slope", "motion.slope"):
            side[name] += 30
        for name in ("band.mean", "motion.mean"):
            side[name] *= 8
        side["motion.share"].fill_(6)
    # A step of 2**-20 makes the largest symbols values of about 1.
    side[f"{bias}.tensor.step"].fill_(-160)
    side[f"{bias}.tensor.mean"].fill_(0)
    side[f"{bias}.tensor.scale"].fill_(63)
    layers[bias][:] = normal(layers[bias].shape, MAX_SYMBOL / 8).clamp(1 - MAX_SYMBOL, MAX_SYMBOL - 1)
    layers[bias][:2] = torch.tensor([MAX_SYMBOL - 1, 1 - MAX_SYMBOL])
    layers[head].view(-1)[0] = 60
    grids = {spec.name: normal(spec.shape, 1.5 if spec.kind == "grid" else 0.9) for spec in scheme.grid_specs}
    if "motion" in grids:
        grids["motion"][-1, 0, 0, :2] = torch.tensor([50, -300])  # far beyond the picture
    return Symbols(side, scheme.layer_prior.flatten(layers), grids)


def _step_index(spec: ParameterSpec) -> int:
    """Steps at which random symbols make a picture, of large contrast, in place of grey."""
    sizes = {"grid": 0.5, "bias": 0.5, "band": 0.12, "motion": 1.0, "filter": 0.03}
    size = sizes.get(spec.kind, 0.5 if ".local" in spec.name else spec.init_bound or 0.1)
    return round(8 * math.log2(size))


def _segment(shape: Shape, video: VideoFormat, frames: int, seed: int) -> tuple[Encoding, bytes, bytes]:
    """A segment's coded symbols, and the hashes of its pictures in 32-bit and in 64-bit floats."""
    representation = representation_for(shape, video, frames)
    scheme = scheme_for(representation)
    symbols = random_symbols(scheme, seed)
    parameters = scheme.dequantise(symbols)
    hashes = []
    for dtype in (torch.float32, torch.float64):
        picture_hash = PictureHash()
        for planes in render_frames(
            representation,
            parameters,
            range(frames),
            peak=video.pixel_format.peak,
            device=torch.device("cpu"),
            dtype=dtype,
        ):
            picture_hash.update(planes)
        hashes.append(picture_hash.digest())
    return encode_symbols(scheme, symbols), hashes[0], hashes[1]


def valid_file(vector: Vector) -> tuple[bytes, list[dict[str, str]]]:
    """A file, and the hashes of its segments."""
    stream, told = BytesIO(), []
    writer = ContainerWriter(stream)
    writer.write_header(pack_stream_header(StreamHeader(vector.video, "make_vectors", vector.settings)))
    first_frame = 0
    for number, (shape, frames, durations) in enumerate(vector.segments):
        coded, picture_hash, reference_hash = _segment(shape, vector.video, frames, 10 * vector.seed + number)
        header = SegmentHeader(first_frame, frames, durations, shape, coded.symbol_hash, picture_hash)
        writer.write_segment(pack_segment(header, coded.payload), frames)
        hashes = {"symbol_hash": coded.symbol_hash, "picture_hash": picture_hash, "reference_hash": reference_hash}
        told.append({name: value.hex() for name, value in hashes.items()})
        first_frame += frames
    writer.finish()
    return stream.getvalue(), told


# -- files to be refused ----------------------------------------------------------------------------------


def chunk(tag: str, payload: bytes) -> bytes:
    """A chunk with its right length and CRC."""
    crc = crc32(payload, crc32(tag.encode()))
    return tag.encode() + len(payload).to_bytes(4, "little") + crc.to_bytes(4, "little") + payload


@dataclass(frozen=True)
class Parts:
    """A file of one segment in pieces; put together again, all lengths and checksums are right."""

    head: bytes
    segment_header: bytes
    coded: bytes
    version: bytes = b"\1\0"
    before_segment: bytes = b""
    index: tuple[tuple[Any, ...], ...] | None = None

    @classmethod
    def of(cls, data: bytes) -> "Parts":
        head, segment, _ = ContainerReader(BytesIO(data))
        length = int.from_bytes(segment.payload[:2], "little")
        return cls(head.payload, segment.payload[2 : 2 + length], segment.payload[2 + length :])

    def file(self) -> bytes:
        start = MAGIC + self.version + chunk("HEAD", self.head) + self.before_segment
        frames = msgpack.unpackb(self.segment_header)[1]
        segment = len(self.segment_header).to_bytes(2, "little") + self.segment_header + self.coded
        body = start + chunk("SEGM", segment)
        if self.index is None:
            return body + chunk("INDX", pack_index([IndexEntry(len(start), 0, frames)]))
        fields = msgpack.packb([[len(start) if field is None else field for field in entry] for entry in self.index])
        return body + chunk("INDX", fields + (16 + len(fields)).to_bytes(4, "little"))

    def with_stream(self, change: Callable[[list], None]) -> "Parts":
        return replace(self, head=_changed(self.head, change))

    def with_segment(self, change: Callable[[list], None]) -> "Parts":
        return replace(self, segment_header=_changed(self.segment_header, change))


def _changed(record: bytes, change: Callable[[list], None]) -> bytes:
    fields = msgpack.unpackb(record)
    change(fields)
    return msgpack.packb(fields)


def _set(*path: int, value: Any) -> Callable[[list], None]:
    """Sets the field at a path of positions."""

    def change(fields: list) -> None:
        for position in path[:-1]:
            fields = fields[position]
        fields[path[-1]] = value

    return change


def _append(*path: int) -> Callable[[list], None]:
    """Appends to the record at a path of positions what a later version might."""

    def change(fields: list) -> None:
        for position in path:
            fields = fields[position]
        fields.extend([7, "later", [1, 2.5, None]])

    return change


def _flipped(data: bytes, offset: int, bit: int = 0) -> bytes:
    damaged = bytearray(data)
    damaged[offset] ^= 1 << bit
    return bytes(damaged)


def _overwritten(data: bytes, offset: int, part: bytes) -> bytes:
    return data[:offset] + part + data[offset + len(part) :]


def _hyperpriors(scale_index: int) -> bytes:
    """Coded symbols that start with hyperpriors of this scale index."""
    encoder = RangeEncoder()
    encoder.encode_bytes(np.array([0, 128, scale_index] * 20, np.uint8))
    return encoder.finish()


def corrupt_files(data: bytes) -> dict[str, tuple[bytes, str]]:
    """Every kind of damage to a valid file of one segment: (bytes, error) by name."""
    parts = Parts.of(data)
    head, segment, index = (chunk_.offset for chunk_ in ContainerReader(BytesIO(data)))
    header_at, coded_at = segment + 14, segment + 14 + len(parts.segment_header)
    length = int.from_bytes(data[segment + 4 : segment + 8], "little")
    too_many = _set(3, 4, value=[4096])
    one_frame = VALID_VECTORS["one-frame"]
    other, *_ = _segment(ONE_FRAME, one_frame.video, 1, one_frame.seed)
    files = {
        "empty": (b"", "NotNvrcError"),
        "magic-bit": (_flipped(data, 0), "NotNvrcError"),
        "magic-as-text": (data.replace(b"\r\n", b"\n", 1), "NotNvrcError"),
        "cut-in-magic": (data[:5], "TruncatedError"),
        "cut-in-version": (data[:9], "TruncatedError"),
        "cut-in-stream-header": (data[: head + 20], "TruncatedError"),
        "cut-in-segment": (data[: coded_at + 9], "TruncatedError"),
        "cut-before-index": (data[:index], "TruncatedError"),
        "cut-in-index": (data[:-1], "TruncatedError"),
        "bit-in-tag": (_flipped(data, segment + 3), "ChecksumError"),
        "bit-in-crc": (_flipped(data, segment + 9), "ChecksumError"),
        "bit-in-stream-header": (_flipped(data, head + 13, 4), "ChecksumError"),
        "bit-in-segment-header": (_flipped(data, header_at + 3, 2), "ChecksumError"),
        "bit-in-symbols": (_flipped(data, coded_at + 20, 7), "ChecksumError"),
        "bit-in-index": (_flipped(data, index + 13, 1), "ChecksumError"),
        "tag-of-digits": (_overwritten(data, segment, b"SE6M"), "FormatError"),
        "length-beyond-limit": (_overwritten(data, segment + 4, b"\xff" * 4), "LimitError"),
        "length-beyond-file": (_overwritten(data, segment + 4, (length + 999).to_bytes(4, "little")), "TruncatedError"),
        "length-too-short": (_overwritten(data, segment + 4, (length - 8).to_bytes(4, "little")), "ChecksumError"),
        "header-length-beyond-segment": (
            MAGIC + b"\1\0" + chunk("HEAD", parts.head) + chunk("SEGM", b"\xff\xff" + parts.segment_header),
            "HeaderError",
        ),
        "trailing-garbage": (data + b"\0", "FormatError"),
        "two-files": (data + data, "FormatError"),
        "segment-first": (data[:head] + data[segment:], "FormatError"),
        "two-stream-headers": (replace(parts, before_segment=chunk("HEAD", parts.head)).file(), "FormatError"),
        "index-empty": (replace(parts, index=()).file(), "HeaderError"),
        "index-wrong-offset": (replace(parts, index=((segment - 1, 0, 1),)).file(), "HeaderError"),
        "index-wrong-frames": (replace(parts, index=((None, 0, 2),)).file(), "HeaderError"),
        "index-too-long": (replace(parts, index=((None, 0, 1), (segment + 20, 1, 1))).file(), "HeaderError"),
        "stream-header-garbage": (replace(parts, head=b"\xc1" + parts.head[1:]).file(), "HeaderError"),
        "stream-header-map": (replace(parts, head=msgpack.packb({})).file(), "HeaderError"),
        "no-width": (parts.with_stream(_set(0, value=0)).file(), "HeaderError"),
        "rate-not-in-lowest-terms": (parts.with_stream(_set(3, value=[50, 2])).file(), "HeaderError"),
        "quality-weight-nan": (parts.with_stream(_set(8, 1, value=math.nan)).file(), "HeaderError"),
        "escape-sequence-in-preset": (parts.with_stream(_set(8, 0, value="\x1b[2J")).file(), "HeaderError"),
        "first-frame-not-0": (parts.with_segment(_set(0, value=3)).file(), "HeaderError"),
        "durations-missing": (parts.with_segment(_set(2, value=[40, 40])).file(), "HeaderError"),
        "picture-not-covered": (parts.with_stream(_set(0, value=9)).file(), "HeaderError"),
        "rendered-size-odd": (parts.with_segment(_odd).file(), "HeaderError"),
        "channels-beyond-limit": (parts.with_segment(_set(3, 4, value=[4097])).file(), "HeaderError"),
        "parameters-beyond-limit": (
            parts.with_segment(_set(3, 7, value=16)).with_segment(too_many).file(),
            "LimitError",
        ),
        "symbol-hash-wrong": (parts.with_segment(_set(4, value=bytes(HASH_BYTES))).file(), "SymbolMismatchError"),
        "symbols-of-another-segment": (replace(parts, coded=other.payload).file(), "SymbolMismatchError"),
        "symbols-no-words": (replace(parts, coded=parts.coded + b"\0").file(), "PayloadError"),
        "symbols-left-over": (replace(parts, coded=parts.coded + bytes(8)).file(), "PayloadError"),
        "symbols-impossible": (replace(parts, coded=b"\xff" * len(parts.coded)).file(), "PayloadError"),
        "hyperprior-beyond-tables": (replace(parts, coded=_hyperpriors(64)).file(), "PayloadError"),
    }
    assert len({content for content, _ in files.values()}) == len(files)
    return files


def _odd(fields: list) -> None:
    """Planes at luma resolution, of 9 by 9 samples."""
    _set(3, 5, value=[9])(fields)
    _set(3, 1, value=[1, 1, 1])(fields)
    _set(3, 10, value=1)(fields)


def corrupt_wavelets(data: bytes) -> dict[str, tuple[bytes, str]]:
    """What can be wrong with a valid file of one segment of motion-compensated wavelets alone."""
    parts = Parts.of(data)
    frames = msgpack.unpackb(parts.segment_header)[1]
    last = frames - 1
    whole = parts.with_stream(_set(0, value=16384)).with_stream(_set(1, value=16384))
    return {
        "keys-empty": (parts.with_segment(_set(3, 1, value=[])).file(), "HeaderError"),
        "keys-not-from-0": (parts.with_segment(_set(3, 1, value=[1, last])).file(), "HeaderError"),
        "keys-not-ascending": (parts.with_segment(_set(3, 1, value=[0, 5, 5, last])).file(), "HeaderError"),
        "keys-end-early": (parts.with_segment(_set(3, 1, value=[0, last - 1])).file(), "HeaderError"),
        "keys-end-late": (parts.with_segment(_set(3, 1, value=[0, last + 1])).file(), "HeaderError"),
        "wavelets-without-blocks": (
            parts.with_segment(_set(3, value=[MotionWaveletShape.KIND, [0, last], 4])).file(),
            "HeaderError",
        ),
        "wavelets-odd-cells": (parts.with_segment(_set(3, 4, value=48)).file(), "HeaderError"),
        "wavelets-overlaps-no-bool": (parts.with_segment(_set(3, 5, value=1)).file(), "HeaderError"),
        "wavelets-no-channels": (parts.with_segment(_set(3, 2, value=0)).file(), "HeaderError"),
        "wavelets-beyond-limit": (whole.file(), "LimitError"),
        "wavelets-network-beyond-limit": (
            parts.with_segment(_set(3, 2, value=4096)).with_segment(_set(3, 3, value=64)).file(),
            "LimitError",
        ),
        "wavelets-hash-wrong": (parts.with_segment(_set(4, value=bytes(HASH_BYTES))).file(), "SymbolMismatchError"),
        "wavelets-left-over": (replace(parts, coded=parts.coded + bytes(8)).file(), "PayloadError"),
        "wavelets-impossible": (replace(parts, coded=b"\xff" * len(parts.coded)).file(), "PayloadError"),
    }


# -- files of later versions ------------------------------------------------------------------------------


def future_files(data: bytes) -> dict[str, tuple[bytes, str | None]]:
    """(bytes, error) by name; no error for what a reader of this version has to read."""
    parts = Parts.of(data)
    extended = replace(parts, version=b"\1\x09", index=((None, 0, 1, "later", 2),))
    for path in ((), (6,), (8,)):
        extended = extended.with_stream(_append(*path))
    for path in ((), (3,)):
        extended = extended.with_segment(_append(*path))
    later = chunk("soun", b"any bytes") + chunk("zzzz", b"")
    return {
        "major-2": (_overwritten(data, len(MAGIC), b"\2\0"), "VersionError"),
        "required-chunk": (replace(parts, before_segment=chunk("ALFA", b"any bytes")).file(), "UnknownChunkError"),
        "representation-kind": (parts.with_segment(_set(3, value=["motion1", 1])).file(), "HeaderError"),
        "pixel-format": (parts.with_stream(_set(2, value="yuv444p16le")).file(), "HeaderError"),
        "minor-with-fields": (extended.file(), None),
        "optional-chunks": (replace(parts, version=b"\1\1", before_segment=later).file(), None),
    }


# -- all of them ------------------------------------------------------------------------------------------


def build() -> dict[str, bytes]:
    """The content of every file by its path in the folder."""
    files: dict[str, bytes] = {}
    manifest: dict[str, dict[str, Any]] = {VALID: {}, CORRUPT: {}, FUTURE: {}}

    def add(folder: str, name: str, data: bytes, told: dict[str, Any]) -> None:
        files[f"{folder}/{name}.nvrc"] = data
        manifest[folder][name] = told

    for name, vector in VALID_VECTORS.items():
        data, segments = valid_file(vector)
        frames = sum(frames for _, frames, _ in vector.segments)
        add(VALID, name, data, {"bytes": len(data), "frames": frames, "segments": segments})
    one_frame = files[f"{VALID}/one-frame.nvrc"]
    corrupt = corrupt_files(one_frame) | corrupt_wavelets(files[f"{VALID}/wavelets.nvrc"])
    for name, (data, error) in corrupt.items():
        add(CORRUPT, name, data, {"error": error})
    for name, (data, refusal) in future_files(one_frame).items():
        told = {"error": refusal} if refusal else {"segments": manifest[VALID]["one-frame"]["segments"]}
        add(FUTURE, name, data, told)
    files["manifest.json"] = (json.dumps(manifest, indent=2) + "\n").encode()
    return files


def main(folder: Path) -> None:
    """Writes all files, and removes those that are no longer made."""
    torch.set_num_threads(1)
    files = build()
    for old in folder.rglob("*.nvrc"):
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS)
