"""Headers and representations agree on what there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nvrc_formats.header import SHAPES, MotionWaveletShape, SegmentHeader
from nvrc_formats.video import VideoFormat

from nvrc_core.kinds import REPRESENTATIONS, representation_for


def test_every_kind_has_its_representation():
    assert set(SHAPES.values()) == set(REPRESENTATIONS)
    with pytest.raises(KeyError):
        representation_for(None, VideoFormat(8, 8), 1)


@given(st.integers(1, 12), st.integers(1, 50), st.integers(1, 50), st.integers(1, 9), st.integers(0, 3), st.data())
def test_wavelets_have_the_parameters_that_their_header_is_bounded_by(frames, width, height, channels, blocks, data):
    keys = tuple(sorted({0, frames - 1, *data.draw(st.sets(st.integers(0, frames - 1)))}))
    cell = data.draw(st.sampled_from(MotionWaveletShape.MOTION_CELLS))
    shape, video = MotionWaveletShape(keys, channels, blocks, cell), VideoFormat(width, height)
    SegmentHeader(0, frames, (), shape, bytes(8), bytes(8)).check_against(video, 0)
    specs = representation_for(shape, video, frames).specs
    assert sum(spec.size for spec in specs if spec.kind != "bias") == shape.parameter_count(frames, video)
