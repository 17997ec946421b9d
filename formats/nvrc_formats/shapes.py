"""The kinds of representation, in what a decoder needs to know of each in order to build it.

As everywhere in headers, a shape that exists has valid fields. Whether it can stand for the frames of its segment and
the pictures of its video is for `check_segment` and `parameter_count`.
"""

import math
import reprlib
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from nvrc_formats import limits
from nvrc_formats.errors import HeaderError
from nvrc_formats.records import check_int, check_ints
from nvrc_formats.video import VideoFormat


@dataclass(frozen=True)
class HinervShape:
    """All that a decoder needs to know of the paper's representation in order to build it.

    `grid_size`: [T, H, W] of the finest level, whose cells the stages upsample; each further one of the
    `grid_levels` halves T, H, W (rounding down, at least 1) and doubles the channels, from `grid_channels`.
    Stage i upsamples both sides by `strides[i]`, adds a local temporal grid of `local_grid_channels[i]`
    (0: none) in `local_grid_levels`, and runs `depths[i]` blocks of `channels[i]`, widened `expansion` times
    inside.
    `output_stride`: luma pixels along each side of a rendered position, 1 or 2.
    """

    KIND: ClassVar[str] = "hinerv2"  # first element on the wire

    grid_size: tuple[int, int, int]
    grid_channels: int
    grid_levels: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    expansion: int
    local_grid_channels: tuple[int, ...]
    local_grid_levels: int
    output_stride: int

    def __post_init__(self) -> None:
        check_ints("grid_size", self.grid_size, (3, 3), 1, limits.MAX_SIDE_PX)
        check_int("grid_size[0]", self.grid_size[0], 1, limits.MAX_SEGMENT_FRAMES)
        check_int("grid_channels", self.grid_channels, 1, limits.MAX_CHANNELS)
        check_int("grid_levels", self.grid_levels, 1, limits.MAX_LEVELS)
        check_ints("channels", self.channels, (1, limits.MAX_STAGES), 1, limits.MAX_CHANNELS)
        stages = (len(self.channels), len(self.channels))
        check_ints("strides", self.strides, stages, 1, limits.MAX_STRIDE)
        check_ints("depths", self.depths, stages, 0, limits.MAX_DEPTH)
        check_int("expansion", self.expansion, 1, limits.MAX_EXPANSION)
        check_ints("local_grid_channels", self.local_grid_channels, stages, 0, limits.MAX_CHANNELS)
        uses_local_grids = any(self.local_grid_channels)
        check_int("local_grid_levels", self.local_grid_levels, int(uses_local_grids), limits.MAX_LEVELS)
        check_int("output_stride", self.output_stride, 1, 2)
        coarsest = self.grid_channels << (self.grid_levels - 1)
        check_int("channels of the coarsest grid level", coarsest, 1, limits.MAX_CHANNELS)
        if uses_local_grids:
            coarsest = max(self.local_grid_channels) << (self.local_grid_levels - 1)
            check_int("channels of the coarsest local grid level", coarsest, 1, limits.MAX_CHANNELS)
        for side in self.rendered_size:
            check_int("a side of the rendered picture", side, 1, limits.MAX_RENDERED_SIDE_PX)

    @property
    def rendered_size(self) -> tuple[int, int]:
        """[H, W] in luma pixels of what the network renders; the picture is its top left part."""
        scale = math.prod(self.strides) * self.output_stride
        return self.grid_size[1] * scale, self.grid_size[2] * scale

    def check_covers(self, video: VideoFormat) -> None:
        """HeaderError if the network renders less than the picture, or cuts the chroma samples at its edges."""
        (rows, columns) = self.rendered_size
        if rows % video.pixel_format.chroma_y or columns % video.pixel_format.chroma_x:
            raise HeaderError(
                f"the network renders {columns}x{rows} pixels, not whole {video.pixel_format.name} samples"
            )
        if rows < video.height or columns < video.width:
            raise HeaderError(f"the network renders {columns}x{rows} pixels of a {video.width}x{video.height} picture")

    def check_segment(self, frames: int, video: VideoFormat) -> None:
        """HeaderError unless the network can render `frames` frames of `video`."""
        self.check_covers(video)

    def parameter_count(self, frames: int, video: VideoFormat) -> int:
        """Grid values and layer weights of a segment of `frames` frames; biases are not counted.

        SPEC section 9 defines this sum; it bounds what a header can make a decoder allocate.
        """
        total = 0
        width_in = self.channels[0]
        for level in range(self.grid_levels):
            cells = math.prod(max(side >> level, 1) for side in self.grid_size)
            total += (self.grid_channels << level) * (cells + 27 * width_in)  # a 3x3x3 stem
        stages = zip(self.channels, self.strides, self.depths, self.local_grid_channels, strict=True)
        for width, stride, depth, codes in stages:
            for level in range(self.local_grid_levels):
                total += (codes << level) * (max(frames >> level, 1) * stride**2 + width_in)
            for _ in range(depth):  # 3x3 depth-wise, expand, project
                total += 9 * width_in + self.expansion * width * (width_in + width)
                width_in = width
        return total + 3 * self.output_stride * width_in  # the head


@dataclass(frozen=True)
class MotionWaveletShape:
    """All that a decoder needs to know of motion-compensated wavelets in order to build them.

    `keys`: the frames that are not predicted from both sides, counted from the segment's first, ascending; the first
    and the last frame are among them. They decide on the references of all others.
    `channels`, `blocks`: width and number of blocks of the network that corrects each picture.
    `motion_cell`: luma samples along each side of a cell of motion, at most; one of MOTION_CELLS.
    `overlaps`: whether predictions overlap where motion jumps from cell to cell.
    """

    KIND: ClassVar[str] = "mcw7"  # first element on the wire
    COARSEST_STRIDE: ClassVar[int] = 16  # luma samples along each side of a cell of the coarsest grids
    VALUES_PER_CELL: ClassVar[int] = 16 * 16 * 3 // 2  # a wavelet transform keeps the number of samples
    MOTION_CELLS: ClassVar[tuple[int, ...]] = (16, 32, 64)
    MOTION_VALUES_PER_CELL: ClassVar[int] = 6
    FILTER_WEIGHTS: ClassVar[int] = 18  # weights of the filter of predictions, for each level

    keys: tuple[int, ...]
    channels: int
    blocks: int
    motion_cell: int = MOTION_CELLS[0]
    overlaps: bool = False

    def __post_init__(self) -> None:
        check_ints("keys", self.keys, (1, limits.MAX_SEGMENT_FRAMES), 0, limits.MAX_SEGMENT_FRAMES - 1)
        check_int("keys[0]", self.keys[0], 0, 0)
        for position, (key, after) in enumerate(pairwise(self.keys)):
            if after <= key:
                raise HeaderError(f"keys[{position + 1}] is {after}, not above {key}, the key before it")
        check_int("channels", self.channels, 1, limits.MAX_CHANNELS)
        check_int("blocks", self.blocks, 0, limits.MAX_DEPTH)
        check_int("motion_cell", self.motion_cell, self.MOTION_CELLS[0], self.MOTION_CELLS[-1])
        if self.motion_cell not in self.MOTION_CELLS:
            raise HeaderError(f"motion_cell is {self.motion_cell}, not one of {self.MOTION_CELLS}")
        if type(self.overlaps) is not bool:
            raise HeaderError(f"overlaps is {reprlib.repr(self.overlaps)}, not true or false")

    @property
    def levels(self) -> int:
        """The number of levels of frames: keys, and one for each time that the longest interval can be halved."""
        return 1 + max(((after - key - 1).bit_length() for key, after in pairwise(self.keys)), default=0)

    @property
    def overlapping_cell(self) -> int | None:
        """`motion_cell` if motion overlaps."""
        return self.motion_cell if self.overlaps else None

    def coarsest_size(self, video: VideoFormat) -> tuple[int, int]:
        """[h, w] of the coarsest bands: the picture in cells of 16 by 16 luma samples, rounded up."""
        return -(-video.height // self.COARSEST_STRIDE), -(-video.width // self.COARSEST_STRIDE)

    def motion_size(self, video: VideoFormat) -> tuple[int, int]:
        """[h, w] of motion: as many cells of its own as cover the picture, which they divide evenly."""
        return -(-video.height // self.motion_cell), -(-video.width // self.motion_cell)

    def check_segment(self, frames: int, video: VideoFormat) -> None:
        """HeaderError unless the keys end with the last of `frames` frames."""
        if self.keys[-1] != frames - 1:
            raise HeaderError(f"the last of the keys is {self.keys[-1]}, not frame {frames - 1}, the segment's last")

    def parameter_count(self, frames: int, video: VideoFormat) -> int:
        """Grid values and layer weights of a segment of `frames` frames; biases are not counted.

        SPEC section 9 defines this sum; it bounds what a header can make a decoder allocate.
        """
        bands = math.prod(self.coarsest_size(video)) * self.VALUES_PER_CELL
        grids = frames * (bands + math.prod(self.motion_size(video)) * self.MOTION_VALUES_PER_CELL)
        # The input of 18 planes; blocks of 3x3 depth-wise, expand and project; the head of 6 planes.
        block = (9 + 2 * 2 * self.channels) * self.channels
        grids += self.levels * self.FILTER_WEIGHTS
        return grids + 18 * self.channels + self.blocks * block + 9 * 6 * self.channels
