"""Encoders with a command line: a small one, written here, and every way in which one can fail."""

import math
import os
import queue
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nvrc_formats.video import PixelFormat, VideoFormat

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.anchors import external
from nvrc_core.evaluation.anchors.external import load_external
from nvrc_core.evaluation.anchors.measure import measure

# Rounds samples to multiples of q and packs them; a y4m header is kept in the stream.
CODEC = """
import sys, zlib
import numpy as np
what, depth, q, source, *targets = sys.argv[1:]
kind = np.uint8 if depth == "8" else np.dtype("<u2")
def rounded(data):
    samples = np.frombuffer(data, kind).astype(int)
    return np.minimum((samples + int(q) // 2) // int(q) * int(q), (1 << int(depth)) - 1).astype(kind).tobytes()
data = open(source, "rb").read()
if what == "encode":
    data = data if data.startswith(b"YUV4MPEG2") else rounded(data)
    open(targets[0], "wb").write(zlib.compress(data))
else:
    data = zlib.decompress(data)
for target in targets[1:] if what == "encode" else targets:
    open(target, "wb").write(data)
"""


@pytest.fixture
def describe(tmp_path):
    """Writes a description of the codec, with changes (None takes a key away), and gives its path."""
    (tmp_path / "codec.py").write_text(CODEC)
    python = f"'{sys.executable}'"
    keys = {
        "name": "rounder",
        "version": "rounder 1",
        "q": [1, 4, 16],
        "encode": f"{python} {{here}}/codec.py encode {{bit_depth}} {{q}} {{yuv}} {{stream}}",
        "decode": f"{python} {{here}}/codec.py decode {{bit_depth}} 1 {{stream}} {{recon}}",
    }

    def write(**changes: object) -> Path:
        described = {key: value for key, value in (keys | changes).items() if value is not None}
        path = tmp_path / "codec.toml"
        text = {key: f'"{value}"' if isinstance(value, str) else str(value) for key, value in described.items()}
        path.write_text("".join(f"{key} = {value}\n" for key, value in text.items()))
        return path

    write.python = python
    return write


def failing(program: str) -> str:
    """A command that runs a line of Python; the placeholders that an encode command must have go unused."""
    return f"'{sys.executable}' -c '{program}' {{yuv}} {{q}} {{stream}}"


def test_a_curve_of_an_external_codec(describe, planes, video):
    anchor = load_external(describe())
    points = [measure(anchor, planes, video, q) for q in anchor.default_q]
    assert points[0]["psnr_yuv"] == 100
    assert [point["psnr_yuv"] for point in points] == sorted((p["psnr_yuv"] for p in points), reverse=True)
    assert [point["bytes"] for point in points] == sorted((p["bytes"] for p in points), reverse=True)
    assert {(p["codec"], p["series"], p["version"], p["preset"], p["threads"], p["device"]) for p in points} == {
        ("rounder", "rounder", "rounder 1", None, None, "cpu")
    }
    assert points[1]["decode_s"] > 0
    assert points[1]["command"].endswith("codec.py encode 8 4 input.yuv stream.bin")


def test_without_a_decode_command_the_encoders_frames_are_measured(describe, planes, video):
    both = measure(load_external(describe()), planes, video, 4)
    encode = f"{describe.python} {{here}}/codec.py encode {{bit_depth}} {{q}} {{yuv}} {{stream}} {{recon}}"
    one = measure(load_external(describe(encode=encode, decode=None)), planes, video, 4)
    assert one["decode_s"] is None
    assert (one["bytes"], one["psnr_yuv"]) == (both["bytes"], both["psnr_yuv"])


def test_frames_go_and_come_as_y4m(describe, planes, video):
    path = describe(
        encode=f"{describe.python} {{here}}/codec.py encode 8 {{q}} {{y4m}} {{stream}}",
        decode=f"{describe.python} {{here}}/codec.py decode 8 1 {{stream}} {{recon_y4m}}",
    )
    assert measure(load_external(path), planes, video, 1)["psnr_yuv"] == 100


def test_ten_bit_samples_go_and_come_as_pairs_of_bytes(describe, drifting_clip):
    video = VideoFormat(35, 21, PixelFormat("yuv444p10le", 10, 1, 1))
    planes = drifting_clip(video)
    anchor = load_external(describe())
    assert measure(anchor, planes, video, 1)["psnr_yuv"] == 100
    assert 50 < measure(anchor, planes, video, 4)["psnr_yuv"] < 65
    y4m = describe(encode=f"{describe.python} {{here}}/codec.py encode 8 {{q}} {{y4m}} {{stream}}")
    with pytest.raises(UsageError, match=r"\{y4m\} is for yuv420p, not for yuv444p10le; \{yuv\} takes any"):
        load_external(y4m).encode(planes, video, 1)


def test_a_command_gets_the_clips_facts(describe, planes, video, tmp_path):
    facts = "{width} {height} {fps} {fps_rounded} {frames} {q} {bit_depth}"
    program = (
        f'import sys; open("{tmp_path}/facts", "w").write(" ".join(sys.argv[1:])); open("stream.bin", "w").write("x")'
    )
    line = f"'{sys.executable}' -c '{program}' {facts} {{yuv}} {{stream}}".replace('"', '\\"')
    load_external(describe(encode=line)).encode(planes, video, 27.5)
    assert (tmp_path / "facts").read_text() == "80 64 30000/1001 30 6 27.5 8 input.yuv stream.bin"


def test_the_example_in_the_documentation_is_accepted(tmp_path):
    example = external.__doc__.split("\n\n")[1]
    path = tmp_path / "hm.toml"
    path.write_text("\n".join(line.strip() for line in example.splitlines()))
    command = load_external(path).command(VideoFormat(352, 288), 27)
    assert command.startswith(f"TAppEncoderStatic -c {tmp_path}/encoder_randomaccess_main.cfg -i input.yuv -wdt 352")
    assert command.endswith("-fr 25 -f FRAMES -q 27 --InputBitDepth=8 -b stream.bin")


def test_the_example_on_the_page_about_benchmarks_is_accepted(tmp_path):
    page = (Path(__file__).parents[4] / "docs/benchmarks/README.md").read_text()
    path = tmp_path / "hm.toml"
    path.write_text(page.split("```toml\n")[1].split("```")[0])
    assert load_external(path).default_q == (22, 27, 32, 37)


def test_threads_and_device_are_for_the_record(describe, planes, video):
    point = measure(load_external(describe(threads=4, device="cuda:0 (a GPU)")), planes, video, 4)
    assert (point["threads"], point["device"]) == (4, "cuda:0 (a GPU)")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; print(1, file=sys.stderr); sys.exit(chr(98) + chr(97) + chr(100))", "exit status 1: bad"),
        ("print(7); exit(3)", "exit status 3: 7"),
        ("exit(4)", "exit status 4: it says nothing"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9: it says nothing"),
        ("pass", "encode did not write {stream}"),
    ],
)
def test_a_failure_of_the_command_is_one_line(describe, planes, video, program, message):
    anchor = load_external(describe(encode=failing(program)))
    with pytest.raises(ResourceError) as caught:
        anchor.encode(planes, video, 4)
    assert str(caught.value).endswith(message)
    assert str(caught.value).startswith("rounder: encode ")
    assert "\n" not in str(caught.value)


def test_an_interrupt_ends_what_the_command_has_started(describe, planes, video, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    encode = f"sh -c '(sleep 0.5; echo up; sleep 60) > {fifo} & wait' {{yuv}} {{q}} {{stream}}"
    signs = queue.Queue()

    def watch() -> None:
        with fifo.open() as reader:
            signs.put(reader.readline())
            os.kill(os.getpid(), signal.SIGINT)
            signs.put(reader.read())  # ends when nobody writes any more

    threading.Thread(target=watch, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        load_external(describe(encode=encode)).encode(planes, video, 4)
    assert [signs.get(timeout=30), signs.get(timeout=30)] == ["up\n", ""]


def test_a_program_that_is_not_there_is_named(describe, planes, video):
    anchor = load_external(describe(encode="no-such-program {yuv} {q} {stream}"))
    with pytest.raises(ResourceError, match="encode cannot run no-such-program: No such file"):
        anchor.encode(planes, video, 4)


def test_frames_that_do_not_fit_are_refused(describe, planes, video):
    anchor = load_external(describe())
    decode = f"'{sys.executable}' -c 'open(chr(114), chr(119))' {{stream}} {{recon}}"
    with pytest.raises(ResourceError, match=r"decode did not write \{recon\}"):
        measure(load_external(describe(decode=decode)), planes, video, 4)
    with pytest.raises(ResourceError, match="gave back 5 frames of 6"):
        measure(Cropped(anchor, [plane[1:] for plane in planes]), planes, video, 4)
    with pytest.raises(ResourceError, match=r"encode did not write \{stream\}"):
        measure(load_external(describe(encode="touch {stream} {yuv} {q}")), planes, video, 4)
    other = VideoFormat(82, 64)
    stream = anchor.encode(planes, video, 4).stream
    with pytest.raises(ResourceError, match=r"wrote 46080 bytes as \{recon\}, which are not frames of 7872 bytes"):
        list(anchor.decode(stream, other))
    y4m = load_external(
        describe(
            encode=f"{describe.python} {{here}}/codec.py encode 8 {{q}} {{y4m}} {{stream}}",
            decode=f"{describe.python} {{here}}/codec.py decode 8 1 {{stream}} {{recon_y4m}}",
        )
    )
    with pytest.raises(ResourceError, match="decode wrote frames of 80x64, not 82x64 yuv420p"):
        list(y4m.decode(y4m.encode(planes, video, 1).stream, other))
    with pytest.raises(ResourceError, match=r"a \{recon_y4m\} that is damaged: .*header"):
        list(y4m.decode(stream, video))


class Cropped:
    """An anchor that encodes other planes than those it is given."""

    def __init__(self, anchor, planes):
        self._anchor, self._planes = anchor, planes

    def __getattr__(self, name):
        return getattr(self._anchor, name)

    def encode(self, planes, video, q):
        return self._anchor.encode(self._planes, video, q)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "unknown key 'colour'; there are name, version, q, encode, decode, threads, device"),
        ({"q": None, "version": None}, "version, q missing"),
        ({"q": []}, "q must be a list of numbers"),
        ({"q": [math.nan]}, "q must be a list of numbers"),
        ({"q": ["a"]}, "q must be a list of numbers"),
        ({"threads": -1}, "threads must be a whole number above 0"),
        ({"name": 3}, "name must be text"),
        ({"encode": "codec {yuv} {stream} {quality}"}, "encode: unknown placeholder {quality}; there are yuv, y4m"),
        ({"encode": "codec {yuv} {stream} {q:03d}"}, "encode: unknown placeholder {q:03d}"),
        ({"encode": "codec {yuv} {stream} {}"}, "encode: unknown placeholder {}"),
        ({"decode": "codec {stream} {recon} {q}"}, "decode: unknown placeholder {q}; there are stream"),
        ({"encode": "codec {q} {stream}"}, "encode needs {yuv} or {y4m}"),
        ({"encode": "codec {yuv} {stream}"}, "encode needs {q}"),
        ({"encode": "codec {yuv} {q}"}, "encode needs {stream}"),
        ({"decode": "codec {recon}"}, "decode needs {stream}"),
        ({"decode": "codec {stream}"}, "decode needs {recon} or {recon_y4m}"),
        ({"decode": None}, "without a decode command, encode needs {recon} or {recon_y4m}"),
        ({"encode": "codec 'open"}, "encode: No closing quotation"),
        ({"encode": "codec {open"}, "encode: "),
        ({"encode": " "}, "encode is empty"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(describe, changes, message):
    with pytest.raises(UsageError) as caught:
        load_external(describe(**changes))
    assert message in str(caught.value)
    assert "codec.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_description_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*none.toml: No such file"):
        load_external(tmp_path / "none.toml")
    path = tmp_path / "some.toml"
    for content in (b"name =\n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"\A[^\n]*some.toml is not TOML: [^\n]*\Z"):
            load_external(path)


def test_an_external_anchor_is_a_value(describe):
    anchor = load_external(describe())
    assert anchor == load_external(describe())
    assert len({anchor, replace(anchor, threads=8)}) == 2
    assert np.all(np.diff(anchor.default_q) > 0)
