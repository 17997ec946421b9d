"""The golden files: what every reader of the format has to decode, and what it has to refuse, and how."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from nvrc_formats import errors as format_errors
from nvrc_formats.checksum import PictureHash
from nvrc_formats.container import read_chunk_at, read_index
from nvrc_formats.errors import FormatError
from nvrc_formats.header import unpack_segment

from nvrc_core import errors as core_errors
from nvrc_core.decode import decode
from nvrc_core.inspection import describe
from nvrc_core.segment import SegmentDecoder
from nvrc_core.stream import open_stream
from nvrc_core.verify import TOLERANCE, verify

FORMATS = Path(__file__).parents[2] / "formats"
VECTORS = FORMATS / "vectors"
MANIFEST = json.loads((VECTORS / "manifest.json").read_text())
CPU = torch.device("cpu")

Told = dict[str, object]


def vectors(folder: str, readable: bool | None = None) -> pytest.MarkDecorator:
    """All files of a folder, or those that can be read or not."""
    told = MANIFEST[folder].items()
    names = [name for name, entry in told if readable is None or readable == ("error" not in entry)]
    assert names
    return pytest.mark.parametrize("name", names)


def path_of(folder: str, name: str) -> str:
    return str(VECTORS / folder / f"{name}.nvrc")


def check_segments(path: str, expected: list[dict[str, str]]) -> None:
    """Symbols and the render in float64 are equal everywhere; other samples are within the tolerance of that."""
    found = []
    with open_stream(path) as stream:
        for segment in stream.segments:
            header = segment.header
            decoder = SegmentDecoder(header, segment.payload, stream.header.video)
            reference_hash = PictureHash()
            exact_frames = decoder.frames(range(header.frames), CPU, torch.float64)
            for planes, exact in zip(decoder.frames(range(header.frames), CPU), exact_frames, strict=True):
                reference_hash.update(exact)
                for plane, norm in zip(planes, exact, strict=True):
                    assert np.abs(plane.astype(int) - norm).max() <= TOLERANCE
            hashes = (decoder.encoding.symbol_hash, header.picture_hash, reference_hash.digest())
            found.append(
                dict(zip(("symbol_hash", "picture_hash", "reference_hash"), map(bytes.hex, hashes), strict=True))
            )
    assert found == expected


def refusal(path: str) -> Exception | None:
    """What stops a decode of all symbols."""
    try:
        with open_stream(path) as stream:
            for segment in stream.segments:
                SegmentDecoder(segment.header, segment.payload, stream.header.video)
    except Exception as error:
        return error
    return None


# -- files to be read -------------------------------------------------------------------------------------


@vectors("valid")
def test_valid_files_decode_to_their_symbols_and_pictures(name: str):
    told = MANIFEST["valid"][name]
    path = path_of("valid", name)
    assert Path(path).stat().st_size == told["bytes"] < 6000
    check_segments(path, told["segments"])


@vectors("valid")
def test_valid_files_verify(name: str):
    told = MANIFEST["valid"][name]
    result = verify(path_of("valid", name), device="cpu", threads=1)
    assert (result.frames, result.segments) == (told["frames"], len(told["segments"]))


@vectors("valid")
def test_valid_files_have_a_picture_to_compare(name: str, tmp_path: Path):
    """A grey picture would hide mistakes."""
    decode(path_of("valid", name), str(tmp_path / "a.yuv"), device="cpu", threads=1)
    assert np.frombuffer((tmp_path / "a.yuv").read_bytes(), np.uint8).std() > 15


@vectors("valid")
def test_valid_files_can_be_read_by_their_index(name: str):
    file = io.BytesIO(Path(path_of("valid", name)).read_bytes())
    hashes = []
    for entry in read_index(file):
        header, _ = unpack_segment(read_chunk_at(file, entry.offset, "SEGM").payload)
        assert (header.first_frame, header.frames) == (entry.first_frame, entry.frames)
        hashes.append(header.symbol_hash.hex())
    assert hashes == [told["symbol_hash"] for told in MANIFEST["valid"][name]["segments"]]


def test_durations_and_tags_come_with_the_files():
    told = describe(path_of("valid", "odd-size"))
    assert (told["width"], told["height"], told["frame_rate"], told["sample_aspect"]) == (37, 21, "30000/1001", "4/3")
    assert told["color"] == {
        "primaries": 1,
        "transfer": 1,
        "matrix": 1,
        "full_range": False,
        "chroma_location": 1,
    }
    with open_stream(path_of("valid", "two-segments-variable-durations")) as stream:
        assert [segment.header.durations for segment in stream.segments] == [(40, 41, 2**31 - 1), ()]


# -- files to be refused ----------------------------------------------------------------------------------


@vectors("corrupt")
def test_corrupt_files_are_refused_for_what_they_are(name: str):
    error = refusal(path_of("corrupt", name))
    assert error is not None
    assert type(error).__name__ == MANIFEST["corrupt"][name]["error"]
    assert str(error)
    assert "\n" not in str(error)
    assert str(error).isprintable()


@vectors("corrupt")
def test_corrupt_files_make_no_output(name: str, tmp_path: Path):
    errors = (FormatError, core_errors.NvrcError)
    with pytest.raises(errors):
        decode(path_of("corrupt", name), str(tmp_path / "a.yuv"), device="cpu", threads=1)
    with pytest.raises(errors):
        verify(path_of("corrupt", name), device="cpu", threads=1)
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_error_has_a_file():
    kinds = {
        entry["error"] for folder in ("corrupt", "future") for entry in MANIFEST[folder].values() if "error" in entry
    }
    declared = {
        name
        for name, kind in vars(format_errors).items()
        if isinstance(kind, type) and issubclass(kind, FormatError) and kind.__module__ == format_errors.__name__
    }
    assert kinds == declared | {"SymbolMismatchError"}


# -- files of later versions ------------------------------------------------------------------------------


@vectors("future", readable=False)
def test_files_that_need_a_newer_reader_are_refused(name: str):
    error = refusal(path_of("future", name))
    assert type(error).__name__ == MANIFEST["future"][name]["error"]
    assert any(word in str(error) for word in ("newer version", "another version", "knows 1.x only"))


@vectors("future", readable=True)
def test_files_that_only_have_more_are_read(name: str):
    check_segments(path_of("future", name), MANIFEST["future"][name]["segments"])


# -- the files themselves ---------------------------------------------------------------------------------


def test_the_folder_and_the_manifest_agree():
    files = {path.relative_to(VECTORS).as_posix() for path in VECTORS.rglob("*.nvrc")}
    assert files == {f"{folder}/{name}.nvrc" for folder, entries in MANIFEST.items() for name in entries}
    assert all((VECTORS / file).stat().st_size < 6000 for file in files)


def test_the_script_makes_these_files(monkeypatch: pytest.MonkeyPatch):
    """All but picture hashes, which are those of the machine that it ran on."""
    spec = importlib.util.spec_from_file_location("make_vectors", FORMATS / "make_vectors.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "make_vectors", script)  # its dataclasses look themselves up
    spec.loader.exec_module(script)
    files = script.build()
    manifest = json.loads(files.pop("manifest.json"))
    assert without_pictures(manifest) == without_pictures(MANIFEST)
    assert {name: len(data) for name, data in files.items()} == {
        name: (VECTORS / name).stat().st_size for name in files
    }
    if manifest == MANIFEST:
        assert all((VECTORS / name).read_bytes() == data for name, data in files.items())


def without_pictures(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_pictures(entry) for key, entry in value.items() if key != "picture_hash"}
    return [without_pictures(entry) for entry in value] if isinstance(value, list) else value
