"""Sizes follow from the picture, the frames and the rate; the paper's profiles reach the paper's sizes."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats.header import HinervShape, MotionWaveletShape, Shape
from nvrc_formats.limits import MAX_PARAMETERS, MAX_SEGMENT_FRAMES
from nvrc_formats.video import VideoFormat

from nvrc_core.presets import PRESETS
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.profile import WEIGHT_BITS
from nvrc_core.representation.sizing import WIDTH_STEP, most_frames, shape_for

QCIF = VideoFormat(176, 144)
PAPER_PROFILES = [name for name in PRESETS if name.startswith("nvrc-")]
MOTION_PRESETS = [name for name in PRESETS if name not in PAPER_PROFILES]
RATES = [10 ** (exponent / 3) for exponent in range(9, 24)]  # bits


def shape_of(preset: str, video: VideoFormat, frames: int, bits: float) -> Shape:
    return shape_for(PRESETS[preset].profile, video, frames, bits)


# Table 7 of the paper, for 600 frames of 1920x1080: widths, then channels of the finest base and local grids.
@pytest.mark.parametrize(
    ("preset", "channels", "grid_channels", "local_channels"),
    [
        ("nvrc-s1", (224, 112, 56, 28), 1, (4, 2, 1, 1)),
        ("nvrc-s2", (336, 168, 84, 42), 2, (8, 4, 2, 1)),
        ("nvrc-s3", (512, 256, 128, 64), 4, (16, 8, 4, 2)),
        ("nvrc-s4", (768, 384, 192, 96), 8, (32, 16, 8, 4)),
    ],
)
def test_paper_profiles_reach_the_published_sizes(
    preset: str, channels: tuple[int, ...], grid_channels: int, local_channels: tuple[int, ...]
):
    assert shape_of(preset, VideoFormat(1920, 1080), 600, 1e12) == HinervShape(
        grid_size=(200, 45, 80),
        grid_channels=grid_channels,
        grid_levels=4,
        channels=channels,
        strides=(3, 2, 2, 2),
        depths=(3, 3, 3, 1),
        expansion=4,
        local_grid_channels=local_channels,
        local_grid_levels=3,
        output_stride=1,
    )


@pytest.mark.parametrize("preset", PAPER_PROFILES)
def test_more_bits_never_make_less(preset: str):
    shapes = [shape_of(preset, QCIF, 32, bits) for bits in RATES]
    widths = [shape.channels[0] for shape in shapes]
    assert widths == sorted(widths)
    counts = [shape.parameter_count(32, QCIF) for shape in shapes]
    # The few grid channels are whole numbers: a wider network may leave room for one less.
    assert all(later > 0.9 * earlier for earlier, later in itertools.pairwise(counts))
    assert counts[-1] > 5 * counts[0]


@pytest.mark.parametrize("preset", PAPER_PROFILES)
@pytest.mark.parametrize("video", [QCIF, VideoFormat(640, 360)], ids=["176x144", "640x360"])
def test_parameters_are_worth_their_bits(preset: str, video: VideoFormat):
    """Between the smallest and the largest size, the parameters take what the rate allows, and not much less."""
    profile = PRESETS[preset].profile
    smallest, largest = (shape_of(preset, video, 32, bits) for bits in (1, 1e12))
    for bits in RATES:
        shape = shape_of(preset, video, 32, bits)
        worth = shape.parameter_count(32, video) * profile.bits_per_parameter
        if shape.channels != smallest.channels:
            assert worth <= bits
            assert worth >= 0.4 * bits or shape.channels == largest.channels


@given(
    st.sampled_from(PAPER_PROFILES),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 100),
    st.floats(1, 1e9),
)
@settings(max_examples=60)
def test_any_video_gets_a_valid_shape_that_covers_it(preset: str, width: int, height: int, frames: int, bits: float):
    video = VideoFormat(width, height)
    shape = shape_of(preset, video, frames, bits)  # a shape that exists is valid
    shape.check_covers(video)
    profile = PRESETS[preset].profile
    assert shape.channels[0] <= profile.width
    assert (shape.strides, shape.depths, shape.output_stride) == (
        profile.strides,
        profile.depths,
        profile.output_stride,
    )
    assert shape.grid_size[0] == -(-frames // profile.frames_per_grid_row)


# -- motion-compensated wavelets --------------------------------------------------------------------------


def weights_of(shape: MotionWaveletShape, video: VideoFormat, frames: int) -> int:
    specs = MotionWavelet(shape, video, frames).specs
    return sum(spec.size for spec in specs if spec.kind in ("layer", "bias"))


@pytest.mark.parametrize("preset", MOTION_PRESETS)
def test_more_bits_never_make_a_smaller_network(preset: str):
    profile = PRESETS[preset].profile
    shapes = [shape_of(preset, QCIF, 32, bits) for bits in [1, *RATES, 1e12]]
    sizes = [(shape.channels, shape.blocks) for shape in shapes]
    assert sizes == sorted(sizes)
    assert sizes[0] == (1, 0)
    assert sizes[-1] == (profile.channels, profile.blocks)


@pytest.mark.parametrize("preset", MOTION_PRESETS)
def test_weights_take_their_share_of_the_bits_at_most(preset: str):
    profile = PRESETS[preset].profile
    most = profile.channels
    for bits in RATES:
        shape = shape_of(preset, QCIF, 32, bits)
        share = weights_of(shape, QCIF, 32) * WEIGHT_BITS / bits
        assert shape.channels == 1 or share <= profile.network_share
        wider = replace(shape, channels=shape.channels // WIDTH_STEP * WIDTH_STEP + WIDTH_STEP, blocks=profile.blocks)
        wider_share = weights_of(wider, QCIF, 32) * WEIGHT_BITS / bits
        assert shape.channels == most or wider_share > profile.network_share


@given(
    st.sampled_from(MOTION_PRESETS),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 100),
    st.floats(1, 1e9),
)
@settings(max_examples=40)
def test_any_video_gets_keys_from_its_first_frame_to_its_last(
    preset: str, width: int, height: int, frames: int, bits: float
):
    profile = PRESETS[preset].profile
    shape = shape_of(preset, VideoFormat(width, height), frames, bits)
    assert (shape.keys[0], shape.keys[-1]) == (0, frames - 1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(shape.keys)]
    assert all(0 < 2 * gap <= 3 * profile.key_interval + 1 for gap in gaps)
    assert 0 < shape.channels <= profile.channels
    assert shape.blocks == (profile.blocks if shape.channels > 1 else 0)


def test_slower_presets_take_no_less_work_to_decode():
    video = VideoFormat(640, 360)
    shapes = [shape_of(preset, video, 60, 1e12) for preset in MOTION_PRESETS]
    work = [MotionWavelet(shape, video, 60).mac_per_pixel for shape in shapes]
    assert work == sorted(work)


@pytest.mark.parametrize("size", [(16, 16), (352, 288), (1280, 720), (1921, 1081)])
def test_most_frames_are_as_many_as_a_file_may_hold(size: tuple[int, int]):
    profile, video = PRESETS["veryslow"].profile, VideoFormat(*size)
    most = most_frames(profile, video)
    shape = shape_for(profile, video, most, 1e12)
    assert shape.parameter_count(most, video) <= MAX_PARAMETERS
    if most < MAX_SEGMENT_FRAMES:
        assert shape_for(profile, video, most + 1, 1e12).parameter_count(most + 1, video) > MAX_PARAMETERS


def test_pictures_that_are_too_large_for_one_frame():
    assert most_frames(PRESETS["draft"].profile, VideoFormat(16384, 16384)) <= 0


def test_the_papers_network_takes_any_number_of_frames():
    assert most_frames(PRESETS["nvrc-s1"].profile, VideoFormat(1920, 1080)) == MAX_SEGMENT_FRAMES
