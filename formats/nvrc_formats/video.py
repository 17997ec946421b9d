"""What a video is, apart from its samples: geometry, pixel format, timing, colour tags."""

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class PixelFormat:
    """A planar YUV layout.

    `name` is FFmpeg's; `bit_depth` is bits per sample; a chroma plane has
    ceil(width / chroma_x) columns and ceil(height / chroma_y) rows.
    """

    name: str
    bit_depth: int
    chroma_x: int
    chroma_y: int

    @property
    def peak(self) -> int:
        """The largest sample value."""
        return (1 << self.bit_depth) - 1

    def plane_shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """[H, W] of the planes Y, U, V; odd sizes round up."""
        chroma = (-(-height // self.chroma_y), -(-width // self.chroma_x))
        return ((height, width), chroma, chroma)


YUV420P = PixelFormat("yuv420p", 8, 2, 2)

PIXEL_FORMATS = {YUV420P.name: YUV420P}
"""Those that a .nvrc file can hold, by name."""

PLANAR_FORMATS = {
    layout.name: layout
    for layout in (
        YUV420P,
        PixelFormat("yuv422p", 8, 2, 1),
        PixelFormat("yuv444p", 8, 1, 1),
        PixelFormat("yuv420p10le", 10, 2, 2),
        PixelFormat("yuv422p10le", 10, 2, 1),
        PixelFormat("yuv444p10le", 10, 1, 1),
    )
}
"""Those that can be read and measured, by name; more than 8 bits are two bytes a sample, the low one first."""


@dataclass(frozen=True)
class ColorTags:
    """Code points of ITU-T H.273 as the source states them; 2 is "unspecified".

    `full_range`: True for full (JPEG) range, False for limited, None where the source is silent.
    `chroma_location`: FFmpeg's numbering (0 unspecified, 1 left, 2 centre, 3 top-left, ...).
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool | None = None
    chroma_location: int = 0


@dataclass(frozen=True)
class VideoFormat:
    """Everything that is needed to write frames back as they came.

    `width`, `height` in luma samples; `frame_rate` in frames per second; `time_base` in seconds, the
    unit of a frame's duration; `sample_aspect` is 0 where unknown.
    """

    width: int
    height: int
    pixel_format: PixelFormat = YUV420P
    frame_rate: Fraction = Fraction(25)
    time_base: Fraction = Fraction(1, 25)
    sample_aspect: Fraction = Fraction(0)
    color: ColorTags = field(default_factory=ColorTags)

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """[H, W] of the planes Y, U, V."""
        return self.pixel_format.plane_shapes(self.width, self.height)

    @property
    def pixels(self) -> int:
        """Luma samples of a frame."""
        return self.width * self.height

    @property
    def frame_duration(self) -> int | None:
        """The constant frame duration in `time_base` units, or None where the rate is not a whole number of them."""
        ticks = 1 / (self.frame_rate * self.time_base)
        return int(ticks) if ticks.denominator == 1 else None
