"""The shape that a complexity level takes for a given video and rate.

The paper ties its sizes to 1920x1080 clips of 120 to 600 frames; here every size follows from the picture, the
number of frames and the bits that the file may take.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import prod
from typing import TypeVar

from nvrc_formats.header import HinervShape, MotionWaveletShape, Shape
from nvrc_formats.limits import MAX_PARAMETERS, MAX_SEGMENT_FRAMES
from nvrc_formats.video import VideoFormat

from nvrc_core.representation.hinerv import Hinerv, covering_grid
from nvrc_core.representation.intervals import default_keys
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.profile import WEIGHT_BITS, MotionProfile, Profile

WIDTH_STEP = 4

Size = TypeVar("Size")


def shape_for(
    profile: Profile | MotionProfile, video: VideoFormat, frames: int, target_bits: float, cuts: Sequence[int] = ()
) -> Shape:
    """The largest shape of the profile whose parameters (of wavelets, whose weights of the network) fit `target_bits`,
    but never below the smallest one.

    `cuts`: frames that begin another scene, ascending.
    """
    if isinstance(profile, MotionProfile):
        return _motion_shape(profile, video, frames, target_bits, cuts)
    return _hinerv_shape(profile, video, frames, target_bits)


def most_frames(profile: Profile | MotionProfile, video: VideoFormat) -> int:
    """How many frames of a video are coded at once at most, whatever the rate."""
    if not isinstance(profile, MotionProfile):
        return MAX_SEGMENT_FRAMES
    largest = MotionWaveletShape((0,), profile.channels, profile.blocks)
    one, two = (largest.parameter_count(frames, video) for frames in (1, 2))
    return min(MAX_SEGMENT_FRAMES, 1 + (MAX_PARAMETERS - one) // (two - one))


def _motion_shape(
    profile: MotionProfile, video: VideoFormat, frames: int, target_bits: float, cuts: Sequence[int]
) -> MotionWaveletShape:
    keys = default_keys(frames, profile.key_interval, cuts)

    def fits(shape: MotionWaveletShape) -> bool:
        weights = sum(spec.size for spec in MotionWavelet(shape, video, frames).network_specs)
        return weights * WEIGHT_BITS <= profile.network_share * target_bits

    widths = range(WIDTH_STEP, profile.channels + 1, WIDTH_STEP)
    networks = [(1, 0), *((channels, profile.blocks) for channels in widths)]
    return _largest([MotionWaveletShape(keys, *network) for network in networks], fits)


def _hinerv_shape(profile: Profile, video: VideoFormat, frames: int, target_bits: float) -> HinervShape:
    def size(width: int) -> int:
        return sum(spec.size for spec in Hinerv(_scaled(profile, video, frames, width), video, frames).specs)

    widths = range(profile.min_width, profile.width + 1, WIDTH_STEP)
    width = _largest(widths, lambda width: size(width) <= target_bits / profile.bits_per_parameter)
    return _scaled(profile, video, frames, width)


def _largest(values: Sequence[Size], fits: Callable[[Size], bool]) -> Size:
    """The last value that fits, where those before fit if later ones do; the first one if none does."""
    return values[max(0, bisect_left(values, True, key=lambda value: not fits(value)) - 1)]


def _scaled(profile: Profile, video: VideoFormat, frames: int, width: int) -> HinervShape:
    """The profile's structure at a width; grids grow with it, as in the paper's table 7."""
    stages = len(profile.strides)
    relative_width = width / profile.width
    local = tuple(round(profile.local_channels * relative_width / 2**stage) for stage in range(stages))
    return HinervShape(
        grid_size=(
            -(-frames // profile.frames_per_grid_row),
            *covering_grid(video, prod(profile.strides) * profile.output_stride),
        ),
        grid_channels=max(1, round(profile.grid_channels * relative_width)),
        grid_levels=profile.grid_levels,
        channels=tuple(max(profile.min_stage_width, width >> stage) for stage in range(stages)),
        strides=profile.strides,
        depths=profile.depths,
        expansion=profile.expansion,
        local_grid_channels=tuple(max(1, channels) for channels in local),
        local_grid_levels=profile.local_levels,
        output_stride=profile.output_stride,
    )
