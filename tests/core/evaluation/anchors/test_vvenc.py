import os
import signal
import subprocess
import sys
import threading

import imageio_ffmpeg
import pytest
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import ResourceError
from nvrc_core.evaluation.anchors import vvenc
from nvrc_core.evaluation.anchors.vvenc import VVenC


def test_without_its_package_the_way_to_it_is_told(planes, video, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ResourceError, match=r"pip install 'nvrc\[eval\]'"):
        VVenC().encode(planes, video, 30)


def test_without_a_program_in_the_package_that_is_told(planes, video, monkeypatch):
    def no_program():
        raise RuntimeError("No ffmpeg exe could be found.\nInstall ffmpeg")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", no_program)
    with pytest.raises(ResourceError, match=r"\Aimageio-ffmpeg has no ffmpeg[^\n]*\Z"):
        VVenC().encode(planes, video, 30)


def test_the_programs_last_words_are_passed_on(planes, video, monkeypatch, tmp_path):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho first >&2\necho 'Unknown encoder libvvenc' >&2\nexit 8\n")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    with pytest.raises(ResourceError, match=r"\A.*ended with exit status 8: Unknown encoder libvvenc\Z"):
        VVenC().encode(planes, video, 30)


def test_an_interruption_ends_the_program(planes, video, monkeypatch, tmp_path):
    """A program that reads its input and then stays."""
    program, pid_file = tmp_path / "ffmpeg", tmp_path / "pid"
    program.write_text(
        f"#!/bin/sh\ncat > /dev/null\necho $$ > {pid_file}.new\nmv {pid_file}.new {pid_file}\nexec sleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))

    def interrupt():
        while not pid_file.exists():
            pass
        os.kill(os.getpid(), signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    with pytest.raises(KeyboardInterrupt):
        VVenC().encode(planes, video, 30)
    waiting.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_pyav_and_the_program_decode_alike(planes, video, tmp_path):
    """The stream is right, not merely readable to us: FFmpeg's program gives the same 10-bit samples."""
    anchor = VVenC("faster")
    stream = tmp_path / "stream.vvc"
    stream.write_bytes(anchor.encode(planes, video, 30).stream)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(stream), "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    deep = VideoFormat(80, 64, anchor._coded(video).pixel_format)
    assert b"".join(map(vvenc.raw_bytes, anchor.decode(stream.read_bytes(), deep))) == raw
