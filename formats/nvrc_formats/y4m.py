"""YUV4MPEG2: a line of text, then frames, each a line of text and raw planes. 8-bit 4:2:0 is written.

Reading and writing stream front to back on any binary file object, so pipes work. A frame's samples are
those of `rawvideo`; this file knows only the text around them.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from nvrc_formats.errors import VideoFileError
from nvrc_formats.rawvideo import Planes, read_planes, write_planes
from nvrc_formats.video import PLANAR_FORMATS, YUV420P, ColorTags, VideoFormat

MAGIC = b"YUV4MPEG2"
FRAME_MAGIC = b"FRAME"

# Real headers have some 60 bytes; the bound keeps a file without line ends from being read whole.
MAX_LINE_BYTES = 256
MAX_SIZE = 16384
MAX_RATIO_TERM = 2**31 - 1

# What the stream means where it does not say.
DEFAULT_RATE = Fraction(25)
DEFAULT_CHROMA = "420jpeg"

# ColorTags.chroma_location by C tag. A bare "420" says nothing about where the chroma samples lie.
CHROMA_LOCATIONS = {"420": 0, "420mpeg2": 1, "420jpeg": 2, "420paldv": 3}
CHROMA_TAGS = {location: tag for tag, location in CHROMA_LOCATIONS.items()}

# Pixel formats by C tag, with the names that FFmpeg gives them.
PIXEL_FORMATS = dict.fromkeys(CHROMA_LOCATIONS, YUV420P) | {
    tag: PLANAR_FORMATS[name]
    for tag, name in {
        "422": "yuv422p",
        "444": "yuv444p",
        "420p10": "yuv420p10le",
        "422p10": "yuv422p10le",
        "444p10": "yuv444p10le",
    }.items()
}
FULL_RANGE = {"FULL": True, "LIMITED": False}


class Y4mReader:
    """Parses the header at once, then iterates over frames: three planes [H, W], uint8 or (10 bits) uint16.

    Raises VideoFileError, naming the byte or the frame, for anything malformed, cut short or (a pixel
    layout not in PIXEL_FORMATS, interlacing) not yet supported.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self.video = self._read_header()

    def __iter__(self) -> Iterator[Planes]:
        shapes, bit_depth = self.video.plane_shapes, self.video.pixel_format.bit_depth
        frame_idx = 0
        while line := self._read_line(f"frame {frame_idx}'s header"):
            # Parameters of a frame describe interlacing only, which the stream header has ruled out.
            if line != FRAME_MAGIC and not line.startswith(FRAME_MAGIC + b" "):
                start = self._position - len(line) - 1
                raise VideoFileError(f"frame {frame_idx} does not start with FRAME at byte {start}")
            planes = read_planes(self._stream, shapes, frame_idx, bit_depth)
            if planes is None:
                raise VideoFileError(f"frame {frame_idx} has no samples: the file ends at byte {self._position}")
            self._position += sum(plane.nbytes for plane in planes)
            yield planes
            frame_idx += 1

    def _read_line(self, what: str) -> bytes:
        """The next line without its end; empty only at the end of the stream."""
        line = self._stream.readline(MAX_LINE_BYTES)
        start, self._position = self._position, self._position + len(line)
        if line and not line.endswith(b"\n"):
            fault = "is too long" if len(line) == MAX_LINE_BYTES else "is cut short"
            raise VideoFileError(f"{what} at byte {start} {fault}")
        if line == b"\n":
            raise VideoFileError(f"{what} at byte {start} is empty")
        return line[:-1]

    def _read_header(self) -> VideoFormat:
        line = self._read_line("the stream header")
        magic, *fields = line.split(b" ")
        if magic != MAGIC:
            raise VideoFileError("the file does not start with YUV4MPEG2 at byte 0")
        tags: dict[str, str] = {}
        position = len(magic)
        for field in fields:
            position += 1
            if field:  # mjpegtools tolerates doubled spaces
                key, value = _split_field(field, position)
                if key in tags:
                    raise VideoFileError(f"a second {key} field at byte {position}")
                tags[key] = value
            position += len(field)
        return _video_of(tags)


class Y4mWriter:
    """Writes the header at once, then a frame a call.

    The format carries size, a constant rate, sample aspect, siting and range; other colour tags and
    variable frame durations are lost. Raises ValueError for a pixel format that it cannot express.
    """

    def __init__(self, stream: BinaryIO, video: VideoFormat) -> None:
        if video.pixel_format != YUV420P:
            raise ValueError(f"y4m output of {video.pixel_format.name} is not supported yet")
        self.video = video
        self._stream = stream
        self._stream.write(_header_of(video))

    def write(self, planes: Planes) -> None:
        """Append one frame of uint8 planes [H, W]."""
        self._stream.write(FRAME_MAGIC + b"\n")
        write_planes(self._stream, planes, self.video.plane_shapes)


def _split_field(field: bytes, position: int) -> tuple[str, str]:
    """A header field as (tag, value). An X field counts as a tag of its own: ("XCOLORRANGE", "FULL")."""
    try:
        text = field.decode("ascii")
    except UnicodeDecodeError:
        raise VideoFileError(f"the stream header is not ASCII text at byte {position}") from None
    if text.startswith("X"):
        key, _, value = text.partition("=")
        return key, value
    return text[0], text[1:]


def _video_of(tags: dict[str, str]) -> VideoFormat:
    """The format that the header's fields state; unknown fields are ignored, as the format asks."""
    chroma = tags.get("C", DEFAULT_CHROMA)
    if chroma not in PIXEL_FORMATS:
        raise VideoFileError(f"pixel layout C{chroma} is not supported yet (4:2:0, 4:2:2, 4:4:4; 8 or 10 bits)")
    if tags.get("I", "p") not in ("p", "?"):
        raise VideoFileError(f"interlaced video (I{tags['I']}) is not supported yet")
    color_range = tags.get("XCOLORRANGE")
    if color_range is not None and color_range not in FULL_RANGE:
        raise VideoFileError(f"XCOLORRANGE={color_range} is neither FULL nor LIMITED")
    # 0:0 stands for "unknown" in both ratios.
    rate = _ratio(tags, "F") or DEFAULT_RATE
    return VideoFormat(
        width=_size(tags, "W"),
        height=_size(tags, "H"),
        pixel_format=PIXEL_FORMATS[chroma],
        frame_rate=rate,
        time_base=1 / rate,
        sample_aspect=_ratio(tags, "A"),
        color=ColorTags(
            full_range=None if color_range is None else FULL_RANGE[color_range],
            chroma_location=CHROMA_LOCATIONS.get(chroma, 0),
        ),
    )


def _size(tags: dict[str, str], key: str) -> int:
    text = tags.get(key)
    if text is None:
        raise VideoFileError(f"the stream header has no {key} field")
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_SIZE:
        raise VideoFileError(f"{key}{text} in the stream header is not a size from 1 to {MAX_SIZE}")
    return int(text)


def _ratio(tags: dict[str, str], key: str) -> Fraction:
    """The ratio N:D of a field; 0 where the field is absent or 0:0."""
    text = tags.get(key, "0:0")
    match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})", text)
    terms = (int(match[1]), int(match[2])) if match else (0, 1)
    if terms == (0, 0):
        return Fraction(0)
    if min(terms) < 1 or max(terms) > MAX_RATIO_TERM:
        raise VideoFileError(f"{key}{text} in the stream header is not a ratio of positive numbers")
    return Fraction(*terms)


def _header_of(video: VideoFormat) -> bytes:
    rate, aspect, color = video.frame_rate, video.sample_aspect, video.color
    fields = [
        MAGIC.decode(),
        f"W{video.width}",
        f"H{video.height}",
        f"F{rate.numerator}:{rate.denominator}",
        "Ip",
        f"A{aspect.numerator}:{aspect.denominator}" if aspect else "A0:0",
        f"C{CHROMA_TAGS.get(color.chroma_location, '420')}",
    ]
    if color.full_range is not None:
        fields.append("XCOLORRANGE=FULL" if color.full_range else "XCOLORRANGE=LIMITED")
    return " ".join(fields).encode() + b"\n"
