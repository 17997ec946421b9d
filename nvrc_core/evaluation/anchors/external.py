"""Any encoder with a command line, told to nvrc by a small TOML file. For HM's encoder and decoder:

    name = "hm_randomaccess"
    version = "HM 18.0"
    q = [22, 27, 32, 37]
    encode = '''TAppEncoderStatic -c {here}/encoder_randomaccess_main.cfg -i {yuv} -wdt {width} -hgt {height}
                -fr {fps_rounded} -f {frames} -q {q} --InputBitDepth={bit_depth} -b {stream}'''
    decode = "TAppDecoderStatic -b {stream} -o {recon} -d {bit_depth}"

{yuv} is the clip as raw planes (little-endian 16-bit samples above 8 bits), {y4m} the same as y4m. The decoded
frames come back in the source's layout and bit depth, raw as {recon} or as y4m as {recon_y4m}. Without `decode`,
`encode` has to write them. {fps} is "25" or "30000/1001", {fps_rounded} a whole number, {here} the folder of the
TOML file. Commands run without a shell in a temporary folder, one at a time, for as long as they take. Optional:
threads = N, which only goes into the record, and device = "cpu" or whatever it runs on.
"""

import math
import os
import shlex
import signal
import string
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nvrc_formats.errors import VideoFileError
from nvrc_formats.video import YUV420P, VideoFormat
from nvrc_formats.y4m import Y4mReader, Y4mWriter

from nvrc_core.errors import ResourceError, UsageError
from nvrc_core.evaluation.anchors.encoder import Anchor, Encoded, Planes, frames_of
from nvrc_core.evaluation.anchors.frames import raw_bytes, raw_frame_bytes, read_raw

FILES = {
    "yuv": "input.yuv",
    "y4m": "input.y4m",
    "stream": "stream.bin",
    "recon": "recon.yuv",
    "recon_y4m": "recon.y4m",
}
INPUTS = ("yuv", "y4m")
RECONS = ("recon", "recon_y4m")
DECODE_PLACEHOLDERS = ("stream", *RECONS, "width", "height", "fps", "fps_rounded", "bit_depth", "here")
ENCODE_PLACEHOLDERS = (*INPUTS, *DECODE_PLACEHOLDERS, "frames", "q")

_REQUIRED = {"name": str, "version": str, "q": list, "encode": str}
_OPTIONAL = {"decode": str, "threads": int, "device": str}
_KINDS = {str: "text", list: "a list of numbers", int: "a whole number above 0"}


@dataclass(frozen=True)
class ExternalAnchor(Anchor):
    """An encoder as a TOML file describes it; `encode_words` and `decode_words` are templates of its commands."""

    threads: int | None = None
    codec: str = field(kw_only=True)
    stated_version: str = field(kw_only=True)
    stated_device: str = field(kw_only=True)
    default_q: tuple[float, ...] = field(kw_only=True)
    encode_words: tuple[str, ...] = field(kw_only=True)
    decode_words: tuple[str, ...] | None = field(kw_only=True, default=None)
    here: str = field(kw_only=True)

    @property
    def version(self) -> str:
        return self.stated_version

    @property
    def device(self) -> str:
        return self.stated_device

    def encode(self, planes: Planes, video: VideoFormat, q: float) -> Encoded:
        values = self._values(video) | {"frames": str(len(planes[0])), "q": f"{q:g}"}
        with tempfile.TemporaryDirectory(prefix="nvrc-external-") as name:
            folder = Path(name)
            for kind in INPUTS:
                if kind in _placeholders(self.encode_words):
                    self._write(folder / FILES[kind], planes, video)
            self._run("encode", self.encode_words, values, folder)
            stream = self._written("encode", folder, "stream").read_bytes()
            if self.decode_words is not None:
                return Encoded(stream)
            return Encoded(stream, list(self._recon("encode", self.encode_words, folder, video)))

    def decode(self, stream: bytes, video: VideoFormat) -> Iterator[Planes]:
        if self.decode_words is None:
            raise UsageError(f"{self.codec} has no decode command")
        with tempfile.TemporaryDirectory(prefix="nvrc-external-") as name:
            folder = Path(name)
            (folder / FILES["stream"]).write_bytes(stream)
            self._run("decode", self.decode_words, self._values(video), folder)
            yield from self._recon("decode", self.decode_words, folder, video)

    def command(self, video: VideoFormat, q: float) -> str:
        values = self._values(video) | {"frames": "FRAMES", "q": f"{q:g}"}
        return shlex.join(word.format_map(values) for word in self.encode_words)

    def check_q(self, q: float) -> None:
        """What the settings are is the encoder's own business."""

    def _values(self, video: VideoFormat) -> dict[str, str]:
        return FILES | {
            "width": str(video.width),
            "height": str(video.height),
            "fps": str(video.frame_rate),
            "fps_rounded": str(max(1, round(video.frame_rate))),
            "bit_depth": str(video.pixel_format.bit_depth),
            "here": self.here,
        }

    def _write(self, path: Path, planes: Planes, video: VideoFormat) -> None:
        with path.open("wb") as file:
            if path.suffix == ".yuv":
                file.writelines(map(raw_bytes, frames_of(planes)))
                return
            if video.pixel_format != YUV420P:
                layout = video.pixel_format.name
                raise UsageError(f"{self.codec}: {{y4m}} is for yuv420p, not for {layout}; {{yuv}} takes any")
            writer = Y4mWriter(file, video)
            for frame in frames_of(planes):
                writer.write(frame)

    def _run(self, what: str, words: tuple[str, ...], values: dict[str, str], folder: Path) -> None:
        command = [word.format_map(values) for word in words]
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that what the command has started ends with it
            )
        except OSError as error:
            raise ResourceError(f"{self.codec}: {what} cannot run {command[0]}: {error.strerror}") from error
        with process:
            try:
                stdout, stderr = process.communicate()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
        status = process.returncode
        if status:
            kind = f"exit status {status}" if status > 0 else f"signal {-status}"
            said = (stderr.strip() or stdout.strip()).decode(errors="replace").splitlines()
            last = said[-1].strip() if said else "it says nothing"
            raise ResourceError(f"{self.codec}: {what} ended with {kind}: {last}")

    def _written(self, what: str, folder: Path, kind: str) -> Path:
        path = folder / FILES[kind]
        if not path.is_file() or not path.stat().st_size:
            raise ResourceError(f"{self.codec}: {what} did not write {{{kind}}}")
        return path

    def _recon(self, what: str, words: tuple[str, ...], folder: Path, video: VideoFormat) -> Iterator[Planes]:
        kind = next(kind for kind in RECONS if kind in _placeholders(words))
        path = self._written(what, folder, kind)
        if kind == "recon":
            if path.stat().st_size % raw_frame_bytes(video):
                size = f"{video.width}x{video.height} {video.pixel_format.name}"
                raise ResourceError(
                    f"{self.codec}: {what} wrote {path.stat().st_size} bytes as {{recon}}, which are not frames of "
                    f"{raw_frame_bytes(video)} bytes ({size})"
                )
            yield from read_raw(path, video)
            return
        try:
            with path.open("rb") as file:
                reader = Y4mReader(file)
                found = (reader.video.width, reader.video.height, reader.video.pixel_format)
                if found != (video.width, video.height, video.pixel_format):
                    sizes = f"{found[0]}x{found[1]}, not {video.width}x{video.height} {video.pixel_format.name}"
                    raise ResourceError(f"{self.codec}: {what} wrote frames of {sizes}")
                yield from reader
        except VideoFileError as error:
            raise ResourceError(f"{self.codec}: {what} wrote a {{recon_y4m}} that is damaged: {error}") from error


def load_external(path: str | Path) -> ExternalAnchor:
    """Reads the description of an encoder (see the module's text). Raises `UsageError` for anything amiss in it."""
    try:
        described = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    _check_keys(described, path)
    encode = _words(described["encode"], f"{path}: encode", ENCODE_PLACEHOLDERS)
    decode = described.get("decode")
    if decode is not None:
        decode = _words(decode, f"{path}: decode", DECODE_PLACEHOLDERS)
        _require(decode, ("stream",), f"{path}: decode")
    _require(encode, INPUTS, f"{path}: encode")
    _require(encode, ("q",), f"{path}: encode")
    _require(encode, ("stream",), f"{path}: encode")
    _require(decode or encode, RECONS, f"{path}: {'decode' if decode else 'without a decode command, encode'}")
    return ExternalAnchor(
        threads=described.get("threads"),
        codec=described["name"],
        stated_version=described["version"],
        stated_device=described.get("device", "cpu"),
        default_q=tuple(described["q"]),
        encode_words=encode,
        decode_words=decode,
        here=str(Path(path).resolve().parent),
    )


def _check_keys(described: dict[str, object], path: str | Path) -> None:
    for key, value in described.items():
        kind = (_REQUIRED | _OPTIONAL).get(key)
        if kind is None:
            raise UsageError(f"{path}: unknown key {key!r}; there are {', '.join(_REQUIRED | _OPTIONAL)}")
        if type(value) is not kind or not value or (kind is int and value < 0):
            raise UsageError(f"{path}: {key} must be {_KINDS[kind]}")
    missing = [key for key in _REQUIRED if key not in described]
    if missing:
        raise UsageError(f"{path}: {', '.join(missing)} missing")
    if not all(type(q) in (int, float) and math.isfinite(q) for q in described["q"]):
        raise UsageError(f"{path}: q must be {_KINDS[list]}")


def _words(command: str, where: str, known: tuple[str, ...]) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
        unknown = sorted(_placeholders(words) - set(known))
    except ValueError as error:  # an open quotation or brace
        raise UsageError(f"{where}: {error}") from error
    if not words:
        raise UsageError(f"{where} is empty")
    if unknown:
        raise UsageError(f"{where}: unknown placeholder {{{unknown[0]}}}; there are {', '.join(known)}")
    return words


def _placeholders(words: tuple[str, ...]) -> set[str]:
    """What stands in braces, with any conversion or format, which none of them takes."""
    return {
        name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        for word in words
        for _, name, spec, conversion in string.Formatter().parse(word)
        if name is not None
    }


def _require(words: tuple[str, ...], one_of: tuple[str, ...], where: str) -> None:
    if not _placeholders(words) & set(one_of):
        raise UsageError(f"{where} needs {' or '.join(f'{{{name}}}' for name in one_of)}")
