"""What a caller asks of an encode."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from nvrc_core.errors import UsageError
from nvrc_core.fitting.rate_control import QUALITY_WEIGHT_BOUNDS
from nvrc_core.media.selection import ALL_FRAMES, FrameRange
from nvrc_core.presets import DEFAULT_PRESET, DEFAULT_TUNE, PRESETS, Preset

DEFAULT_BPP = 0.1
MIN_STEPS = 10  # candidate states of the end need steps of their own


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """The request; raises UsageError where it makes no sense.

    `target_bpp`: bits of the whole file per luma pixel; `quality_weight`: lambda of the loss (bits per luma pixel +
    lambda * distortion of samples in [0, 1]). At most one of the two; without either, `DEFAULT_BPP` is the target.
    `tune`: the distortion, one of the preset's `tunes` (`fitting/losses.py` has them by name).
    `strict`: a rate that is missed by more than a tenth is a failure.
    `steps`: optimiser steps of the fit, None for the preset's own number. `raw_size` ((W, H)) and `raw_rate` describe
    headerless .yuv input.
    """

    preset: str = DEFAULT_PRESET
    tune: str = DEFAULT_TUNE
    steps: int | None = None
    target_bpp: float | None = None
    quality_weight: float | None = None
    strict: bool = False
    frames: FrameRange = ALL_FRAMES
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    raw_size: tuple[int, int] | None = None
    raw_rate: Fraction | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UsageError(f"unknown preset {self.preset!r}: use one of {', '.join(PRESETS)}")
        if self.tune not in PRESETS[self.preset].tunes:
            known = ", ".join(PRESETS[self.preset].tunes)
            raise UsageError(f"preset {self.preset} has no tune {self.tune!r}: use one of {known}")
        if self.target_bpp is not None and self.quality_weight is not None:
            raise UsageError("a rate target and a quality weight exclude each other: give --bpp or --lambda")
        if self.strict and self.quality_weight is not None:
            raise UsageError("--strict is for a rate target, and --lambda sets none: give --bpp")
        for name, value in (("--bpp", self.target_bpp), ("--lambda", self.quality_weight)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} {value} is not a positive number")
        low, high = QUALITY_WEIGHT_BOUNDS
        if self.quality_weight is not None and not low <= self.quality_weight <= high:
            raise UsageError(f"--lambda {self.quality_weight} is not between {low:g} and {high:g}")
        if self.steps is not None and self.steps < MIN_STEPS:
            raise UsageError(f"--steps {self.steps} is not a fit: {MIN_STEPS} or more")
        if not 0 <= self.seed < 1 << 63:
            raise UsageError(f"--seed {self.seed} is not between 0 and 2**63 - 1")

    @property
    def effective_preset(self) -> Preset:
        """The preset with what the request changes in it."""
        preset = PRESETS[self.preset]
        if self.steps is None:
            return preset
        return replace(preset, recipe=replace(preset.recipe, visits=0, min_steps=self.steps))

    @property
    def wanted_bpp(self) -> float | None:
        """The rate target in force, None where lambda rules."""
        return self.target_bpp if self.target_bpp or self.quality_weight else DEFAULT_BPP
