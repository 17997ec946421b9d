"""The named trade-offs between time and quality, fastest first, and the paper's profiles. Imports no torch."""

from dataclasses import dataclass, replace

from nvrc_core.fitting.motion_recipe import MotionRecipe
from nvrc_core.fitting.recipe import Recipe
from nvrc_core.representation.profile import MotionProfile, Profile

DEFAULT_PRESET, DEFAULT_TUNE = "medium", "psnr"
TUNES = (DEFAULT_TUNE, "msssim")
"""What a fit of any preset can minimise, by the names of `fitting/losses.py`."""


@dataclass(frozen=True)
class Preset:
    """A complexity level and a way to fit it. `summary`: one line for people; `tunes`: what it can minimise."""

    name: str
    summary: str
    profile: Profile | MotionProfile
    recipe: Recipe | MotionRecipe
    tunes: tuple[str, ...] = TUNES


# NVRC's HiNeRV-v2 (tables 7 and 8 of the paper): structure, and widths at most.
_PAPER = Profile(
    width=224,
    strides=(3, 2, 2, 2),
    depths=(3, 3, 3, 1),
    output_stride=1,
    frames_per_grid_row=3,
    grid_channels=1,
    local_channels=4,
    bits_per_parameter=6.0,
)
_PAPER_RECIPE = Recipe(
    visits=390,
    min_steps=2000,
    batch_frames=1,
    rate_interval=8,
    second_stage=30 / 390,
    layer_rate=2e-3,
    grid_rate=2e-3,
    grid_step=3e-2,
    warm_up=30 / 390,
    final_rate=0.05,
)


def _motion(name: str, summary: str, channels: int, network_steps: int, visits: float, grid_rate: float) -> Preset:
    profile = MotionProfile(channels=channels, blocks=2)
    return Preset(name, summary, profile, MotionRecipe(visits=visits, network_steps=network_steps, grid_rate=grid_rate))


def _paper(level: int, width: int, grid_channels: int, local_channels: int, bits_per_parameter: float) -> Preset:
    profile = replace(
        _PAPER,
        width=width,
        grid_channels=grid_channels,
        local_channels=local_channels,
        bits_per_parameter=bits_per_parameter,
    )
    summary = f"NVRC's HiNeRV-v2 S{level} and schedule: up to {width} channels, hours on a GPU"
    return Preset(f"nvrc-s{level}", summary, profile, _PAPER_RECIPE, (*TUNES, "paper-rgb"))


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _motion("draft", "a first look: about a minute for a small clip", 4, 500, visits=3, grid_rate=0.05),
        _motion("fast", "one to three minutes for a small clip", 8, 1500, visits=12, grid_rate=0.07),
        _motion("medium", "five to fifteen minutes for a small clip", 16, 3000, visits=75, grid_rate=0.06),
        _motion("slow", "twenty minutes and more for a small clip", 16, 6000, visits=250, grid_rate=0.06),
        _motion("veryslow", "half an hour and more for a small clip", 16, 10000, visits=800, grid_rate=0.04),
        _paper(1, 224, 1, 4, bits_per_parameter=6.0),
        _paper(2, 336, 2, 8, bits_per_parameter=4.0),
        _paper(3, 512, 4, 16, bits_per_parameter=3.0),
        _paper(4, 768, 8, 32, bits_per_parameter=2.0),
    )
}


def with_tune(preset: str, tune: str) -> str:
    """What a file's settings have as the preset: PRESET, or PRESET:TUNE where the tune is not the default."""
    return preset if tune == DEFAULT_TUNE else f"{preset}:{tune}"


def split_tune(text: str) -> tuple[str, str]:
    """(preset, tune) of `with_tune`; of names that nobody knows as well."""
    preset, _, tune = text.partition(":")
    return preset, tune or DEFAULT_TUNE
