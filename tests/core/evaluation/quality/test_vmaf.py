import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nvrc_formats.video import PLANAR_FORMATS, VideoFormat

from nvrc_core.errors import ResourceError
from nvrc_core.evaluation.quality.vmaf import MODEL, VmafMeter, find_program


def measure(video, reference, test):
    with VmafMeter(video) as meter:
        for planes in zip(reference, test, strict=True):
            meter.update(*planes)
        return meter.result()


def vmaf_of_files(folder: Path, video: VideoFormat, reference, test) -> list[float]:
    """The frames' scores, from two files that ffmpeg reads by itself."""
    inputs = []
    for name, clip in (("test", test), ("reference", reference)):
        (folder / name).write_bytes(b"".join(plane.tobytes() for planes in clip for plane in planes))
        size = f"{video.width}x{video.height}"
        inputs += ["-f", "rawvideo", "-pixel_format", video.pixel_format.name, "-video_size", size, "-i", name]
    graph = f"libvmaf=model=version={MODEL}:log_fmt=json:log_path=log.json"
    command = [find_program(), "-loglevel", "error", *inputs, "-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, cwd=folder, check=True)
    return [frame["metrics"]["vmaf"] for frame in json.loads((folder / "log.json").read_text())["frames"]]


@pytest.mark.parametrize(
    ("size", "name"), [((64, 48), "yuv420p"), ((64, 48), "yuv420p10le"), ((65, 49), "yuv420p"), ((65, 49), "yuv444p")]
)
def test_frames_that_share_a_pipe_score_as_in_two_files(make_pair, tmp_path, size, name):
    video = VideoFormat(*size, PLANAR_FORMATS[name])
    clips = make_pair(video, 4)
    found = measure(video, *clips)
    np.testing.assert_allclose(found.per_frame, vmaf_of_files(tmp_path, video, *clips), atol=1e-6)
    assert found.score == pytest.approx(found.per_frame.mean())
    assert np.ptp(found.per_frame) > 1
    assert found.model == MODEL
    assert found.tool.startswith("ffmpeg ")
    assert "libvmaf" in found.tool


def test_leaving_early_ends_the_program(make_pair):
    video = VideoFormat(64, 48)
    (planes,), _ = make_pair(video, 1)
    with VmafMeter(video) as meter:
        meter.update(planes, planes)
        process, folder = meter._process, meter._folder
    assert process.poll() is not None
    assert not folder.exists()


@pytest.fixture
def only_program(tmp_path, monkeypatch):
    """Makes a script the only ffmpeg there is."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(script: str) -> str:
        path = tmp_path / "ffmpeg"
        path.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return put


def test_no_program_is_one_clear_line(only_program):
    with pytest.raises(ResourceError, match=r"needs an ffmpeg that has libvmaf.*pip install 'nvrc\[eval\]'"):
        VmafMeter(VideoFormat(64, 48))
    only_program("print(' .. psnr   VV->V  no such filter here')")
    with pytest.raises(ResourceError, match="needs an ffmpeg"):
        VmafMeter(VideoFormat(64, 48))


@pytest.mark.parametrize("fault", ["sys.exit('no model here')", "sys.stdin.buffer.read(); sys.exit('no model here')"])
def test_a_program_that_fails_is_quoted(only_program, make_pair, fault):
    path = only_program(f"print(' .. libvmaf VV->V') if '-filters' in sys.argv else [{fault.replace('; ', ', ')}]")
    video = VideoFormat(640, 480)  # more than a pipe holds
    clip, _ = make_pair(video, 2)
    with pytest.raises(ResourceError) as caught:
        measure(video, clip, clip)
    assert str(caught.value) == f"{path} could not measure VMAF: no model here"
    assert os.listdir(os.path.dirname(path)) == ["ffmpeg"]
