"""Whole files: what is written is what is decoded, here and in another process, in parts and in full."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from nvrc_formats.checksum import PictureHash
from nvrc_formats.container import ContainerReader, ContainerWriter
from nvrc_formats.header import SegmentHeader, pack_segment, unpack_segment

import nvrc_core.encode
from nvrc_core.config import EncodeConfig
from nvrc_core.decode import decode
from nvrc_core.encode import EncodeResult, encode
from nvrc_core.errors import MediaError, ResourceError, SymbolMismatchError, TargetMissedError, UsageError
from nvrc_core.events import EncodeStarted, Event, FitProgress, FrameProgress, Notice
from nvrc_core.inspection import describe, part_sizes
from nvrc_core.media.selection import FrameRange
from nvrc_core.verify import verify

FRAMES, HEIGHT, WIDTH = 6, 19, 37
PIXELS = FRAMES * HEIGHT * WIDTH
STEPS = 4  # of the preset's fit
FRAME_BYTES = HEIGHT * WIDTH + 2 * 10 * 19

Planes = list[np.ndarray]


@dataclass(frozen=True)
class Encoded:
    """A clip of odd size as a raw file, and as a finished encode."""

    source: Path
    planes: Planes
    file: Path
    result: EncodeResult
    events: list[Event]
    config: EncodeConfig


@pytest.fixture(scope="module")
def encoded(
    tmp_path_factory: pytest.TempPathFactory,
    moving_disc: Callable[..., Planes],
    write_yuv: Callable[..., Path],
    tiny_preset: str,
) -> Encoded:
    folder = tmp_path_factory.mktemp("encoded")
    planes = moving_disc(FRAMES, HEIGHT, WIDTH)
    source = write_yuv(folder / "disc.yuv", planes)
    config = EncodeConfig(
        preset=tiny_preset, target_bpp=3.0, raw_size=(WIDTH, HEIGHT), raw_rate=Fraction(30), device="cpu", threads=1
    )
    events: list[Event] = []
    result = encode(str(source), str(folder / "disc.nvrc"), config, on_event=events.append)
    return Encoded(source, planes, folder / "disc.nvrc", result, events, config)


def decoded(file: Path, target: Path, **options: object) -> bytes:
    decode(str(file), str(target), device="cpu", threads=1, **options)
    return target.read_bytes()


def frames_of(data: bytes) -> list[Planes]:
    """Planes of each frame of a raw file of the clip's size."""
    frames = []
    for start in range(0, len(data), FRAME_BYTES):
        samples = np.frombuffer(data[start : start + FRAME_BYTES], np.uint8)
        luma, chroma = samples[: HEIGHT * WIDTH], samples[HEIGHT * WIDTH :].reshape(2, 10, 19)
        frames.append([luma.reshape(HEIGHT, WIDTH), *chroma])
    return frames


def header_of(file: Path) -> SegmentHeader:
    _, segment, _ = ContainerReader(BytesIO(file.read_bytes()))
    return unpack_segment(segment.payload)[0]


def with_header(file: Path, target: Path, **changes: object) -> Path:
    """The file with a changed segment header and sound checksums."""
    head, segment, _ = ContainerReader(BytesIO(file.read_bytes()))
    header, payload = unpack_segment(segment.payload)
    with target.open("wb") as stream:
        writer = ContainerWriter(stream)
        writer.write_header(head.payload)
        writer.write_segment(pack_segment(replace(header, **changes), payload), header.frames)
        writer.finish()
    return target


# -- round trips ------------------------------------------------------------------------------------------


def test_the_decode_is_the_encoders_own(encoded: Encoded, tmp_path: Path):
    result = decode(str(encoded.file), str(tmp_path / "a.yuv"), device="cpu", threads=1)
    assert (result.frames, result.width, result.height, result.pixels_exact) == (FRAMES, WIDTH, HEIGHT, True)
    picture_hash = PictureHash()
    frames = frames_of((tmp_path / "a.yuv").read_bytes())
    assert len(frames) == FRAMES
    for planes in frames:
        picture_hash.update(planes)
    assert picture_hash.digest() == header_of(encoded.file).picture_hash


def test_the_reported_quality_is_that_of_the_decode(encoded: Encoded, tmp_path: Path):
    decibels = np.array(
        [
            [10 * np.log10(255**2 / np.mean((plane.astype(float) - wanted[index]) ** 2)) for plane, wanted in pairs]
            for index, frame in enumerate(frames_of(decoded(encoded.file, tmp_path / "a.yuv")))
            for pairs in [list(zip(frame, encoded.planes, strict=True))]
        ]
    ).mean(axis=0)
    result = encoded.result
    assert [result.psnr_y, result.psnr_u, result.psnr_v] == pytest.approx(decibels.tolist())
    assert result.psnr_yuv == pytest.approx(decibels @ [6 / 8, 1 / 8, 1 / 8])
    assert result.psnr_yuv > 15


def test_another_process_decodes_the_same(encoded: Encoded, tmp_path: Path):
    code = "import sys; from nvrc_core.decode import decode; print(decode(*sys.argv[1:], device='cpu').pixels_exact)"
    command = [sys.executable, "-W", "error", "-c", code, str(encoded.file), str(tmp_path / "there.yuv")]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (outcome.stdout, outcome.stderr) == ("True\n", "")
    assert (tmp_path / "there.yuv").read_bytes() == decoded(encoded.file, tmp_path / "here.yuv")


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (2, 5), (4, None), (5, 99)])
def test_a_range_of_frames_is_a_slice_of_all(encoded: Encoded, tmp_path: Path, start: int, stop: int | None):
    everything = decoded(encoded.file, tmp_path / "all.yuv")
    target = tmp_path / "some.yuv"
    result = decode(str(encoded.file), str(target), frames=FrameRange(start, stop), device="cpu", threads=1)
    end = FRAMES if stop is None else min(stop, FRAMES)
    assert target.read_bytes() == everything[start * FRAME_BYTES : end * FRAME_BYTES]
    assert (result.frames, result.pixels_exact) == (end - start, None)


def test_a_range_beyond_the_end_is_a_usage_error(encoded: Encoded, tmp_path: Path):
    with pytest.raises(UsageError, match="none of the file's 6 frames"):
        decode(str(encoded.file), str(tmp_path / "a.yuv"), frames=FrameRange(6, None))
    assert list(tmp_path.iterdir()) == []


def test_threads_do_not_change_the_picture(encoded: Encoded, tmp_path: Path):
    one = decoded(encoded.file, tmp_path / "one.yuv")
    decode(str(encoded.file), str(tmp_path / "two.yuv"), device="cpu", threads=2)
    difference = np.frombuffer(one, np.uint8).astype(int) - np.frombuffer((tmp_path / "two.yuv").read_bytes(), np.uint8)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 9), (33, 2), (16, 16)])
@pytest.mark.parametrize("frames", [1, 2])
def test_any_size_comes_back(
    size: tuple[int, int],
    frames: int,
    tmp_path: Path,
    moving_disc: Callable[..., Planes],
    write_yuv: Callable[..., Path],
    encoded: Encoded,
):
    width, height = size
    source = write_yuv(tmp_path / "in.yuv", moving_disc(frames, height, width))
    result = encode(str(source), str(tmp_path / "a.nvrc"), replace(encoded.config, raw_size=size))
    assert (result.width, result.height, result.frames) == (width, height, frames)
    assert len(decoded(tmp_path / "a.nvrc", tmp_path / "out.yuv")) == source.stat().st_size
    assert verify(str(tmp_path / "a.nvrc"), device="cpu", threads=1).pixels_exact


def test_the_other_kind_of_representation_comes_back(encoded: Encoded, tmp_path: Path, tiny_hinerv_preset: str):
    file = tmp_path / "a.nvrc"
    result = encode(str(encoded.source), str(file), replace(encoded.config, preset=tiny_hinerv_preset))
    kinds = [describe(str(path))["segments"][0]["representation"]["kind"] for path in (encoded.file, file)]
    assert kinds == ["mcw7", "hinerv2"]
    everything = decoded(file, tmp_path / "all.yuv")
    assert (
        decoded(file, tmp_path / "some.yuv", frames=FrameRange(2, 5)) == everything[2 * FRAME_BYTES : 5 * FRAME_BYTES]
    )
    picture_hash = PictureHash()
    for planes in frames_of(everything):
        picture_hash.update(planes)
    assert picture_hash.digest() == header_of(file).picture_hash
    assert verify(str(file), device="cpu", threads=1).pixels_exact
    assert part_sizes(str(file)) == pytest.approx(result.parts)
    assert result.psnr_yuv > 12


# -- one seed, one file -----------------------------------------------------------------------------------


def test_a_cut_has_keys_on_both_sides(
    encoded: Encoded, tmp_path: Path, write_yuv: Callable[..., Path], moving_disc: Callable[..., Planes]
):
    scene = moving_disc(5, HEIGHT, WIDTH)
    source = write_yuv(tmp_path / "cut.yuv", [np.concatenate([plane, 255 - plane]) for plane in scene])
    encode(str(source), str(tmp_path / "cut.nvrc"), encoded.config)
    assert header_of(tmp_path / "cut.nvrc").representation.keys == (0, 4, 5, 9)


def test_the_seed_decides_the_file(encoded: Encoded, tmp_path: Path):
    for name, seed in (("again", 0), ("other", 1)):
        encode(str(encoded.source), str(tmp_path / name), replace(encoded.config, seed=seed))
    assert (tmp_path / "again").read_bytes() == encoded.file.read_bytes()
    assert (tmp_path / "other").read_bytes() != encoded.file.read_bytes()
    assert header_of(tmp_path / "other").symbol_hash != header_of(encoded.file).symbol_hash


@pytest.mark.parametrize("weight", [777.5, 300])
def test_a_quality_weight_is_kept_and_written(encoded: Encoded, tmp_path: Path, weight: float):
    config = replace(encoded.config, target_bpp=None, quality_weight=weight)
    result = encode(str(encoded.source), str(tmp_path / "a.nvrc"), config)
    told = describe(str(tmp_path / "a.nvrc"))
    assert result.quality_weight == told["lambda"] == weight
    assert told["target_bpp"] is None


def test_a_tune_makes_another_file_and_is_written(encoded: Encoded, tmp_path: Path):
    file = tmp_path / "a.nvrc"
    result = encode(str(encoded.source), str(file), replace(encoded.config, tune="msssim"))
    told = describe(str(file))
    assert (result.preset, result.tune) == (told["preset"], told["tune"]) == ("tiny", "msssim")
    assert describe(str(encoded.file))["tune"] == "psnr"
    assert header_of(file).symbol_hash != header_of(encoded.file).symbol_hash


# -- figures ----------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_real_file(encoded: Encoded):
    size, result = encoded.file.stat().st_size, encoded.result
    assert result.bytes == size
    assert result.bpp == pytest.approx(8 * size / PIXELS)
    assert result.kbps == pytest.approx(8 * size / (FRAMES / 30) / 1000)
    assert sum(result.parts.values()) == pytest.approx(size, abs=0.001 * size + 8)


@pytest.mark.parametrize(
    ("bpp", "reason"),
    [(0.01, "the smallest representation of this preset takes more"), (100.0, "this preset cannot use more")],
)
def test_a_rate_that_is_missed_is_told_with_its_reason(encoded: Encoded, tmp_path: Path, bpp: float, reason: str):
    events: list[Event] = []
    config = replace(encoded.config, target_bpp=bpp)
    result = encode(str(encoded.source), str(tmp_path / "a.nvrc"), config, on_event=events.append)
    (message,) = [event.message for event in events if isinstance(event, Notice)]
    assert message.startswith(f"the rate is {result.bpp:.4f} bpp, not {bpp} as asked: {reason}")
    assert (result.bpp > bpp) == (bpp < 1)


def test_a_strict_rate_that_is_missed_leaves_no_file(encoded: Encoded, tmp_path: Path):
    config = replace(encoded.config, target_bpp=0.01, strict=True)
    with pytest.raises(TargetMissedError, match=r"^the rate is .* bpp, not 0.01 as asked: the smallest"):
        encode(str(encoded.source), str(tmp_path / "a.nvrc"), config)
    assert not list(tmp_path.iterdir())


def test_a_strict_rate_that_is_met_is_as_any_other(encoded: Encoded, tmp_path: Path):
    result = encode(str(encoded.source), str(tmp_path / "a.nvrc"), replace(encoded.config, strict=True))
    assert result.bytes == encoded.result.bytes


def test_a_file_tells_what_it_is(encoded: Encoded):
    told = describe(str(encoded.file))
    size = encoded.file.stat().st_size
    assert (told["width"], told["height"], told["frames"], told["bytes"]) == (WIDTH, HEIGHT, FRAMES, size)
    assert (told["preset"], told["target_bpp"], told["seed"], told["frame_rate"]) == ("tiny", 3.0, 0, "30")
    assert told["bpp"] == pytest.approx(encoded.result.bpp)
    assert told["kbps"] == pytest.approx(encoded.result.kbps)
    (segment,) = told["segments"]
    assert segment["symbol_hash"] == header_of(encoded.file).symbol_hash.hex()
    assert 0 < segment["coded_bytes"] < segment["bytes"] < size


def test_sizes_by_part_are_those_of_the_encode(encoded: Encoded):
    assert part_sizes(str(encoded.file)) == pytest.approx(encoded.result.parts)


def test_events_come_in_order(encoded: Encoded):
    events = [event for event in encoded.events if not isinstance(event, Notice)]
    kinds = [type(event) for event in events]
    of_network = sum(isinstance(event, FitProgress) and event.phase == "network" for event in events)
    assert kinds == [EncodeStarted] + [FitProgress] * (STEPS + of_network) + [FrameProgress] * FRAMES
    assert of_network > 0
    started = encoded.events[kinds.index(EncodeStarted)]
    assert (started.frames, started.steps, started.target_bpp) == (FRAMES, STEPS, 3.0)
    assert started.parameters == encoded.result.parameters


# -- verify -----------------------------------------------------------------------------------------------


def test_a_good_file_verifies(encoded: Encoded):
    result = verify(str(encoded.file), device="cpu", threads=1)
    assert (result.segments, result.frames, result.pixels_exact, result.max_difference) == (1, FRAMES, True, 0)


def test_wrong_symbols_are_never_presented(encoded: Encoded, tmp_path: Path):
    wrong = with_header(encoded.file, tmp_path / "wrong.nvrc", symbol_hash=bytes(8))
    with pytest.raises(SymbolMismatchError):
        verify(str(wrong), device="cpu", threads=1)
    with pytest.raises(SymbolMismatchError):
        decode(str(wrong), str(tmp_path / "out.yuv"), device="cpu", threads=1)
    assert list(tmp_path.iterdir()) == [wrong]


def test_other_pixels_are_told_and_measured(encoded: Encoded, tmp_path: Path):
    """A foreign picture hash under the right symbols: another machine's rounding, not damage."""
    foreign = with_header(encoded.file, tmp_path / "foreign.nvrc", picture_hash=bytes(8))
    result = verify(str(foreign), device="cpu", threads=1)
    assert not result.pixels_exact
    assert result.max_difference <= 1
    events: list[Event] = []
    outcome = decode(str(foreign), str(tmp_path / "out.yuv"), device="cpu", threads=1, on_event=events.append)
    assert outcome.pixels_exact is False
    assert any(isinstance(event, Notice) and "rounding" in event.message for event in events)
    assert (tmp_path / "out.yuv").read_bytes() == decoded(encoded.file, tmp_path / "own.yuv")


# -- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["fit_segment", "SegmentDecoder", "_write_file"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_encode_leaves_nothing_behind(
    where: str, existing: bool, encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_args: object, **_options: object) -> None:
        raise RuntimeError("midway")

    target = tmp_path / "a.nvrc"
    if existing:
        target.write_bytes(b"precious")
    monkeypatch.setattr(nvrc_core.encode, where, fail)
    with pytest.raises(RuntimeError, match="midway"):
        encode(str(encoded.source), str(target), encoded.config, overwrite=existing)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nvrc"] * existing
    if existing:
        assert target.read_bytes() == b"precious"


def test_a_failing_listener_leaves_nothing_behind(encoded: Encoded, tmp_path: Path):
    def interrupt(event: Event) -> None:
        if isinstance(event, FitProgress) and event.step == STEPS - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(str(encoded.source), str(tmp_path / "a.nvrc"), encoded.config, on_event=interrupt)
    with pytest.raises(KeyboardInterrupt):
        decode(str(encoded.file), str(tmp_path / "a.yuv"), device="cpu", on_event=lambda event: interrupt_now())
    assert list(tmp_path.iterdir()) == []


def interrupt_now() -> None:
    raise KeyboardInterrupt


def test_memory_that_runs_out_is_told_as_such(encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_args: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(nvrc_core.encode, "fit_segment", fail)
    with pytest.raises(ResourceError, match="out of memory"):
        encode(str(encoded.source), str(tmp_path / "a.nvrc"), encoded.config)


def test_what_exists_is_not_replaced_unasked(encoded: Encoded, tmp_path: Path):
    target = tmp_path / "a.nvrc"
    target.write_bytes(b"precious")
    with pytest.raises(UsageError):
        encode(str(encoded.source), str(target), encoded.config)
    assert target.read_bytes() == b"precious"


def test_missing_inputs_are_media_errors(encoded: Encoded, tmp_path: Path):
    with pytest.raises(MediaError, match="no such file"):
        encode(str(tmp_path / "none.mkv"), str(tmp_path / "a.nvrc"), encoded.config)
    for read in (describe, part_sizes, verify):
        with pytest.raises(MediaError, match="no such file"):
            read(str(tmp_path / "none.nvrc"))
        with pytest.raises(MediaError, match="directory"):
            read(str(tmp_path))
