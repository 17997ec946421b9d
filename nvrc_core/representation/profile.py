"""Complexity levels: the structure and the largest sizes of a representation. Plain numbers; imports no torch."""

from dataclasses import dataclass

from nvrc_core.representation.intervals import KEY_INTERVAL

WEIGHT_BITS = 4.0
"""About what a weight of the network of motion-compensated wavelets costs."""


@dataclass(frozen=True, kw_only=True)
class MotionProfile:
    """A complexity level of motion-compensated wavelets.

    `channels`, `blocks`: the network at most; `network_share`: the share of the bits that its weights may take.
    Where that is too little for any, one channel and no block is left of it. `key_interval`: frames from key to key.
    """

    channels: int
    blocks: int
    network_share: float = 0.04
    key_interval: int = KEY_INTERVAL


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A complexity level: the structure, the largest sizes, and how many bits a parameter is worth.

    `width`: channels of the first stage at most; each further stage has half of the one before.
    `frames_per_grid_row`: frames that share one time step of the finest base grid.
    `grid_channels`, `local_channels`: of the finest levels, at full width.
    `bits_per_parameter`: the mean cost at which the level works; with the target rate it gives the number of
    parameters. The paper's rate points lie between 1.5 and 9 bits (parameters and rates of its tables 7 and 8).
    """

    width: int
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    output_stride: int
    frames_per_grid_row: int
    grid_channels: int
    local_channels: int
    bits_per_parameter: float
    expansion: int = 4
    grid_levels: int = 4
    local_levels: int = 3
    min_width: int = 8
    min_stage_width: int = 4
