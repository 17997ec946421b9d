"""Requests that make no sense are refused; presets are complete."""

import pytest
from nvrc_formats.header import Settings

from nvrc_core.config import DEFAULT_BPP, EncodeConfig
from nvrc_core.errors import UsageError
from nvrc_core.fitting.losses import DISTORTIONS
from nvrc_core.presets import DEFAULT_PRESET, DEFAULT_TUNE, PRESETS, Preset, split_tune, with_tune


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "fastest"},
        {"tune": "grain"},
        {"preset": "medium", "tune": "paper-rgb"},
        {"target_bpp": 0.1, "quality_weight": 100.0},
        {"quality_weight": 100.0, "strict": True},
        {"target_bpp": 0.0},
        {"target_bpp": -1.0},
        {"target_bpp": float("nan")},
        {"quality_weight": float("inf")},
        {"quality_weight": 0.0},
        {"quality_weight": 0.09},
        {"quality_weight": 1.1e7},
        {"steps": 9},
        {"seed": -1},
        {"seed": 2**63},
    ],
)
def test_nonsense_is_a_usage_error(options: dict):
    with pytest.raises(UsageError):
        EncodeConfig(**options)


def test_the_rate_in_force():
    assert EncodeConfig().wanted_bpp == DEFAULT_BPP
    assert EncodeConfig(target_bpp=0.3).wanted_bpp == 0.3
    assert EncodeConfig(quality_weight=500.0).wanted_bpp is None


def test_presets():
    assert DEFAULT_PRESET in PRESETS
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.summary
        Settings(name, 1.0)  # the file can hold its name


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_tunes_exist_and_files_can_tell_them(preset: Preset):
    assert preset.tunes[0] == DEFAULT_TUNE
    assert set(preset.tunes) <= set(DISTORTIONS)
    assert ("paper-rgb" in preset.tunes) == preset.name.startswith("nvrc-")
    for tune in preset.tunes:
        assert EncodeConfig(preset=preset.name, tune=tune).tune == tune
        written = Settings(with_tune(preset.name, tune), 1.0).preset
        assert split_tune(written) == (preset.name, tune)
    assert with_tune(preset.name, DEFAULT_TUNE) == preset.name


def test_slower_presets_fit_longer():
    own = [preset for name, preset in PRESETS.items() if not name.startswith("nvrc-")]
    for frames in (1, 50, 600):
        work = [preset.recipe.steps_for(frames) * preset.profile.channels * preset.profile.blocks for preset in own]
        assert work == sorted(work)


@pytest.mark.parametrize("name", PRESETS)
def test_steps_replace_those_of_the_preset(name: str):
    preset = EncodeConfig(preset=name, steps=12).effective_preset
    assert [preset.recipe.steps_for(frames) for frames in (1, 50, 600)] == [12, 12, 12]
    assert preset.profile == PRESETS[name].profile
    assert EncodeConfig(preset=name).effective_preset is PRESETS[name]
