"""One small encode and everything that can be done with it."""

import dataclasses
import io
import json
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from cli_harness import FRAMES, HEIGHT, PROGRAM, WIDTH
from nvrc_formats.container import HEAD, SEGM, ContainerReader, ContainerWriter
from nvrc_formats.header import pack_segment, unpack_segment
from nvrc_formats.y4m import Y4mReader

FRAME_BYTES = WIDTH * HEIGHT * 3 // 2


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def decoded(nvrc, encoded, tmp_path_factory) -> np.ndarray:
    """The file's frames, [T, bytes], by way of raw planes."""
    path = tmp_path_factory.mktemp("decoded") / "out.yuv"
    outcome = nvrc("decode", encoded.path, "-o", path, "--threads", 1)
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert f"{path}: {FRAMES} frames of {WIDTH}x{HEIGHT}" in outcome.stderr
    return np.fromfile(path, np.uint8).reshape(FRAMES, FRAME_BYTES)


def with_segment(encoded, path: Path, **changes: bytes) -> Path:
    """A copy of the file whose segment header is changed, its checksums right."""
    with open(encoded.path, "rb") as source, open(path, "wb") as target:
        writer = ContainerWriter(target)
        for chunk in ContainerReader(source):
            if chunk.tag == HEAD:
                writer.write_header(chunk.payload)
            elif chunk.tag == SEGM:
                header, payload = unpack_segment(chunk.payload)
                writer.write_segment(pack_segment(dataclasses.replace(header, **changes), payload), header.frames)
        writer.finish()
    return path


def test_encode_keeps_the_json_contract(encoded, clip):
    assert encoded.stderr == ""
    assert all(line["schema"] == 1 for line in encoded.lines)
    # A clip this small misses its rate, which a notice says.
    events = [line["event"] for line in encoded.lines if line["event"] != "notice"]
    assert events[0] == "started"
    assert events[1:-1] == ["fit"] * events.count("fit") + ["frames"] * events.count("frames")
    started, done = encoded.lines[0], encoded.lines[-1]
    assert set(done) == {
        *("schema", "event", "codec", "clip", "bytes", "bpp", "kbps", "psnr_y", "psnr_u", "psnr_v", "psnr_yuv"),
        *(
            "frames",
            "width",
            "height",
            "encode_s",
            "device",
            "preset",
            "tune",
            "lambda",
            "parameters",
            "mac_per_pixel",
            "parts",
        ),
    }
    assert (done["event"], done["codec"], done["clip"], done["preset"]) == ("done", "nvrc", clip.name, "draft")
    assert (done["width"], done["height"], done["frames"]) == (WIDTH, HEIGHT, FRAMES)
    assert done["bytes"] == encoded.path.stat().st_size
    assert done["bpp"] == pytest.approx(8 * done["bytes"] / (WIDTH * HEIGHT * FRAMES))
    assert done["kbps"] == pytest.approx(8e-3 * done["bytes"] / (FRAMES / 24))
    assert done["psnr_yuv"] == pytest.approx((6 * done["psnr_y"] + done["psnr_u"] + done["psnr_v"]) / 8)
    assert sum(done["parts"].values()) == pytest.approx(done["bytes"], abs=8)
    for key in ("frames", "width", "height", "device", "preset", "tune", "parameters", "mac_per_pixel"):
        assert started[key] == done[key]
    fits = [line for line in encoded.lines if line["event"] == "fit"]
    assert list(dict.fromkeys(line["phase"] for line in fits)) == ["stage 1", "stage 2", "network"]
    others, of_network = ([line for line in fits if (line["phase"] == "network") == is_it] for is_it in (False, True))
    for lines in (others, of_network):
        assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)
        assert lines[-1]["step"] == lines[-1]["steps"]
    assert others[-1]["steps"] == started["steps"]


def test_the_figures_are_those_of_the_decode(encoded, decoded, clip):
    with av.open(str(clip)) as container:
        original = np.stack([frame.to_ndarray().ravel() for frame in container.decode(video=0)])
    luma = np.s_[:, : WIDTH * HEIGHT]
    errors = ((original[luma] - decoded[luma].astype(float)) ** 2).mean(axis=1)
    psnr = 10 * np.log10(255**2 / np.maximum(errors, 255**2 / 1e10))  # frames without an error count as 100 dB
    assert encoded.lines[-1]["psnr_y"] == pytest.approx(psnr.mean(), abs=0.05)


def test_every_kind_of_output_has_the_same_frames(nvrc, encoded, decoded, tmp_path):
    y4m, mkv = tmp_path / "out.y4m", tmp_path / "out.mkv"
    for path in (y4m, mkv):
        assert nvrc("decode", encoded.path, "-o", path, "-q", "--threads", 1).stderr == ""
    with open(y4m, "rb") as stream:
        frames = [np.concatenate([plane.ravel() for plane in planes]) for planes in Y4mReader(stream)]
    np.testing.assert_array_equal(frames, decoded)
    with av.open(str(mkv)) as container:
        frames = [frame.to_ndarray().ravel() for frame in container.decode(video=0)]
    np.testing.assert_array_equal(frames, decoded)


def test_decode_takes_a_range_and_reports_in_json(nvrc, encoded, decoded, tmp_path):
    path = tmp_path / "part.yuv"
    outcome = nvrc("decode", encoded.path, "-o", path, "--frames", "3:5", "--json", "--threads", 1)
    *others, done = objects(outcome.stdout)
    assert {line["event"] for line in others} == {"frames"}
    assert set(done) == {"schema", "event", "frames", "width", "height", "decode_s", "device", "pixels_exact"}
    assert (done["event"], done["frames"], done["pixels_exact"]) == ("done", 2, None)
    np.testing.assert_array_equal(np.fromfile(path, np.uint8).reshape(2, -1), decoded[3:5])


def test_pipes_carry_files_and_frames(nvrc, encoded, decoded):
    outcome = nvrc("decode", "-", "-o", "-", "--threads", 1, input=encoded.path.read_bytes(), text=False)
    assert outcome.returncode == 0
    reader = Y4mReader(io.BytesIO(outcome.stdout))
    assert (reader.video.width, reader.video.height, reader.video.frame_rate) == (WIDTH, HEIGHT, 24)
    np.testing.assert_array_equal(list(reader)[7][0].ravel(), decoded[7][: WIDTH * HEIGHT])


def test_a_pipeline_from_raw_planes_to_y4m(nvrc):
    frames = np.linspace(0, 255, 4 * 384).astype(np.uint8).tobytes()
    options = ["--size", "16x16", "--fps", "25", "--preset", "draft", "--threads", "1"]
    with subprocess.Popen(
        [*PROGRAM, "encode", "-", "-o", "-", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as encoder:
        encoder.stdin.write(frames)
        encoder.stdin.close()
        output = nvrc("decode", "-", "-o", "-", stdin=encoder.stdout, text=False)
        said = encoder.stderr.read().decode()
    assert encoder.returncode == output.returncode == 0, said
    assert len(list(Y4mReader(io.BytesIO(output.stdout)))) == 4
    assert "standard output: " in said


def test_info_tells_what_the_file_holds(nvrc, encoded):
    (about,) = objects(nvrc("info", encoded.path, "--json", "--parts").stdout)
    done = encoded.lines[-1]
    for key in ("bytes", "bpp", "width", "height", "frames", "preset", "tune", "lambda"):
        assert about[key] == done[key]
    assert about["parts"] == pytest.approx(done["parts"], abs=1)
    assert (about["event"], about["frame_rate"], about["target_bpp"]) == ("done", "24", 1.5)
    with open(encoded.path, "rb") as file:
        table = nvrc("info", "-", stdin=file)
    assert table.stderr == ""
    for words in (
        f"{done['bytes']:,} bytes",
        f"{WIDTH}x{HEIGHT}, {FRAMES} frames",
        "preset draft, tune psnr",
        "frames 0:12",
    ):
        assert words in table.stdout


def test_verify_accepts_the_file(nvrc, encoded):
    (*_, done) = objects(nvrc("verify", encoded.path, "--json", "--threads", 1).stdout)
    assert set(done) == {"schema", "event", "segments", "frames", "pixels_exact", "max_difference", "device"}
    assert (done["event"], done["segments"], done["frames"]) == ("done", 1, FRAMES)
    assert done["max_difference"] <= 1
    outcome = nvrc("verify", encoded.path)
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert "symbols match" in outcome.stderr


def test_verify_tells_rounding_from_wrong_symbols(nvrc, refused, encoded, tmp_path):
    other = with_segment(encoded, tmp_path / "other.nvrc", picture_hash=bytes(8))
    (*_, done) = objects(nvrc("verify", other, "--json").stdout)
    assert done["pixels_exact"] is False
    wrong = with_segment(encoded, tmp_path / "wrong.nvrc", symbol_hash=bytes(8))
    assert "symbols" in refused(5, "verify", wrong, "-q")
    assert "symbols" in refused(5, "decode", wrong, "-o", tmp_path / "out.y4m", "-q")
    assert not (tmp_path / "out.y4m").exists()


def test_damage_is_found(refused, encoded, tmp_path):
    data = encoded.path.read_bytes()
    flipped = tmp_path / "flipped.nvrc"
    flipped.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
    cut = tmp_path / "cut.nvrc"
    cut.write_bytes(data[:-5])
    for path in (flipped, cut):
        message = refused(4, "info", path)
        assert message.startswith(f"{path}: ")
        assert refused(4, "verify", path, "-q") == message
        assert refused(4, "decode", path, "-o", tmp_path / "out.y4m", "-q") == message
        assert not (tmp_path / "out.y4m").exists()


def test_frames_that_are_not_there(refused, encoded, clip, tmp_path):
    assert "none" in refused(2, "decode", encoded.path, "-o", tmp_path / "out.y4m", "--frames", "12:")
    assert "12 frames" in refused(3, "encode", clip, "-o", tmp_path / "out.nvrc", "--frames", "12:")


def test_devices_that_are_not_there(refused, encoded, tmp_path):
    for code, device in ((2, "gpu"), (9, "cuda:99")):
        assert device in refused(code, "decode", encoded.path, "-o", tmp_path / "out.y4m", "--device", device)


def test_an_existing_output_is_replaced_with_yes(nvrc, encoded, tmp_path):
    path = tmp_path / "out.y4m"
    path.write_bytes(b"old")
    outcome = nvrc("decode", encoded.path, "-o", path, "-y", "--frames", ":1")
    assert outcome.returncode == 0
    assert path.read_bytes().startswith(b"YUV4MPEG2")
    assert list(tmp_path.iterdir()) == [path]
