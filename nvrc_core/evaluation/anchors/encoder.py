"""What an anchor is: an encoder of its own, with fixed settings, that a neural codec is measured against."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import UsageError

Planes = Sequence[np.ndarray]
"""Y, U, V: a frame [H, W] each, or a clip [T, H, W] each; uint8 at 8 bits, uint16 above."""

DEFAULT_THREADS = 2
"""Fixed, because some encoders write other bytes on other numbers of threads."""


@dataclass(frozen=True)
class Encoded:
    """A clip's elementary stream, and its frames where the encoder wrote these as well."""

    stream: bytes
    frames: list[Planes] | None = None


@dataclass(frozen=True)
class Anchor(ABC):
    """An encoder with its settings, all but the one that trades rate for quality: `q`, a CRF or a QP.

    `default_q` are values that give about 0.5 to 0.01 bits per luma sample on small natural clips.
    """

    preset: str | None = None
    tune: str | None = None
    threads: int | None = DEFAULT_THREADS

    codec: ClassVar[str]
    default_q: ClassVar[tuple[float, ...]]
    q_name: ClassVar[str] = "CRF"
    q_range: ClassVar[tuple[float, float]]
    whole_q: ClassVar[bool] = False

    @property
    def series(self) -> str:
        """The name that tells curves of a clip apart, e.g. "x265_veryslow_psnr"."""
        return "_".join(filter(None, (self.codec, self.preset, self.tune)))

    @property
    def device(self) -> str:
        """Where the encoder runs, e.g. "cpu (2 threads)"."""
        return f"cpu ({self.threads} thread{'' if self.threads == 1 else 's'})"

    @property
    @abstractmethod
    def version(self) -> str:
        """What the encoder calls itself. Raises `ResourceError` where it is not there."""

    @abstractmethod
    def encode(self, planes: Planes, video: VideoFormat, q: float) -> Encoded:
        """Encode Y, U, V [T, H, W] of the format `video`.

        Raises `UsageError` where the encoder refuses the settings or the format, `ResourceError` where it is
        not there or fails.
        """

    @abstractmethod
    def decode(self, stream: bytes, video: VideoFormat) -> Iterator[Planes]:
        """The frames of a stream that `encode` made of a `video`, in the order of display, each [H, W].

        They have the size and the bit depth of `video`, whatever the codec works in.
        """

    @abstractmethod
    def command(self, video: VideoFormat, q: float) -> str:
        """The command line that encodes like this; CLIP and OUT stand for the files."""

    def check_q(self, q: float) -> None:
        """Raises `UsageError` where the encoder has no such quality setting."""
        low, high = self.q_range
        if not low <= q <= high or (self.whole_q and q != int(q)):
            kind = f"whole {self.q_name}" if self.whole_q else self.q_name
            raise UsageError(f"{self.codec} takes a {kind} from {low:g} to {high:g}, not {q:g}")


def check_planes(planes: Planes, video: VideoFormat) -> None:
    """Raises ValueError where `planes` [T, H, W] are not a clip of the format `video`: a caller's mistake."""
    shapes = [plane.shape for plane in planes]
    if shapes != [(len(planes[0]), *shape) for shape in video.plane_shapes] or not len(planes[0]):
        raise ValueError(f"planes of the shapes {shapes} are not a clip of {video.plane_shapes}")
    expected = np.uint8 if video.pixel_format.bit_depth == 8 else np.uint16
    if any(plane.dtype != expected for plane in planes):
        raise ValueError(f"{video.pixel_format.name} needs planes of {np.dtype(expected)}")


def frames_of(planes: Planes) -> Iterable[tuple[np.ndarray, ...]]:
    """The frames of a clip: planes [T, H, W] -> T times planes [H, W]."""
    return zip(*planes, strict=True)
