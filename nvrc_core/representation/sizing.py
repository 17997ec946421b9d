"""The shape that a complexity level takes for a given video and rate.

The paper ties its sizes to 1920x1080 clips of 120 to 600 frames; here every size follows from the picture, the
number of frames and the bits that the file may take.
"""

from dataclasses import replace
from math import prod

from nvrc_formats.header import HinervShape
from nvrc_formats.video import VideoFormat

from nvrc_core.representation.hinerv import Hinerv, covering_grid
from nvrc_core.representation.profile import Profile

MAX_GRID_CHANNELS = 64


def shape_for(profile: Profile, video: VideoFormat, frames: int, target_bits: float) -> HinervShape:
    """The largest shape of the profile whose parameters fit `target_bits`, never below the minimum width."""
    parameters = target_bits / profile.bits_per_parameter
    network_parameters = parameters * (1 - (profile.grid_share or 0))
    low, high = profile.min_width, profile.width
    while low < high:  # the largest width that fits, in steps of 4 channels
        middle = low + -(-(high - low) // 8) * 4
        shape = _shape(profile, video, frames, width=min(middle, high), grid_channels=None)
        if _size(shape, video, frames, count_grids=profile.grid_share is None) <= network_parameters:
            low = min(middle, high)
        else:
            high = middle - 4
    shape = _shape(profile, video, frames, width=low, grid_channels=None)
    if profile.grid_share is None:
        return shape
    rest = parameters - _size(shape, video, frames, count_grids=False)
    grid_values = _size(replace(shape, grid_channels=1), video, frames, count_grids=True) - _size(
        replace(shape, grid_channels=1), video, frames, count_grids=False
    )
    channels = min(MAX_GRID_CHANNELS, max(1, int(rest / grid_values)))
    return _shape(profile, video, frames, width=low, grid_channels=channels)


def _shape(profile: Profile, video: VideoFormat, frames: int, width: int, grid_channels: int | None) -> HinervShape:
    stages = len(profile.strides)
    relative_width = width / profile.width
    local = tuple(round(profile.local_channels * relative_width / 2**stage) for stage in range(stages))
    return HinervShape(
        grid_size=(
            -(-frames // profile.frames_per_grid_row),
            *covering_grid(video, prod(profile.strides) * profile.output_stride),
        ),
        grid_channels=grid_channels or max(1, round(profile.grid_channels * relative_width)),
        grid_levels=profile.grid_levels,
        channels=tuple(max(profile.min_stage_width, width >> stage) for stage in range(stages)),
        strides=profile.strides,
        depths=profile.depths,
        expansion=profile.expansion,
        local_grid_channels=tuple(max(1, channels) for channels in local),
        local_grid_levels=profile.local_levels,
        output_stride=profile.output_stride,
    )


def _size(shape: HinervShape, video: VideoFormat, frames: int, count_grids: bool) -> int:
    specs = Hinerv(shape, video, frames).specs
    return sum(spec.size for spec in specs if count_grids or spec.kind != "grid")
