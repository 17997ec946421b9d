"""The small presets keep to the parameters that their bits allow."""

import pytest
from nvrc_formats.video import VideoFormat

from nvrc_core.presets import PRESETS
from nvrc_core.representation.sizing import shape_for


@pytest.mark.parametrize("preset", ["draft", "fast", "medium", "slow", "veryslow"])
@pytest.mark.parametrize(("width", "height", "frames"), [(32, 24, 8), (176, 144, 32), (321, 241, 60), (1280, 720, 100)])
@pytest.mark.parametrize("bpp", [0.02, 0.3, 4.0])
def test_parameters_stay_within_the_bits(preset, width, height, frames, bpp):
    profile, bits = PRESETS[preset].profile, bpp * width * height * frames
    shape = shape_for(profile, VideoFormat(width, height), frames, bits)
    if shape.grid_channels > 1:
        assert shape.parameter_count(frames) <= 1.05 * bits / profile.bits_per_parameter
