"""The paper's profiles have the paper's parameters and operations."""

import pytest
from nvrc_formats.video import VideoFormat

from nvrc_core.presets import PRESETS
from nvrc_core.representation.hinerv import Hinerv
from nvrc_core.representation.sizing import shape_for


@pytest.mark.parametrize(
    ("preset", "frames", "millions", "giga_macs"),
    [
        ("nvrc-s1", 150, 2.14, None),
        ("nvrc-s2", 600, 6.35, 359.6),
        ("nvrc-s3", 600, 14.19, 842.8),
        ("nvrc-s4", 600, 31.41, 1929.0),
    ],
)
def test_paper_profiles_have_the_published_sizes(preset, frames, millions, giga_macs):
    """Tables 3 and 7 of the paper, to the tenth that separates its counting from ours."""
    video = VideoFormat(1920, 1080)
    shape = shape_for(PRESETS[preset].profile, video, frames, 4.0 * video.pixels * frames)
    network = Hinerv(shape, video, frames)
    assert sum(spec.size for spec in network.specs) == pytest.approx(millions * 1e6, rel=0.06)
    if giga_macs:
        assert network.mac_per_pixel * video.pixels == pytest.approx(giga_macs * 1e9, rel=0.1)
