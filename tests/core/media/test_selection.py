from fractions import Fraction

import numpy as np
import pytest
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import MediaError, UsageError
from nvrc_core.media.frame import Frame
from nvrc_core.media.selection import ALL_FRAMES, FrameRange, read_clip
from nvrc_core.media.source import Source

VIDEO = VideoFormat(4, 2, frame_rate=Fraction(25), time_base=Fraction(1, 1000))


def source_of(stamps, video=VIDEO, after_last=()):
    def frames():
        for index, pts in enumerate(stamps):
            yield Frame(tuple(np.full(shape, index, np.uint8) for shape in video.plane_shapes), pts)
        for error in after_last:
            raise error

    return Source("clip", video, frames())


@pytest.mark.parametrize(
    ("text", "start", "stop"), [(":", 0, None), ("3:", 3, None), (":7", 0, 7), ("3:7", 3, 7), ("0:1", 0, 1)]
)
def test_parse(text, start, stop):
    assert FrameRange.parse(text) == FrameRange(start, stop)


@pytest.mark.parametrize("text", ["", "5", "-1:3", "1:-1", "a:b", "1:2:3", " 1:2", "1.5:2", "9999999999:", "١:٢"])
def test_parse_refuses(text):
    with pytest.raises(UsageError, match="not of the form A:B"):
        FrameRange.parse(text)


@pytest.mark.parametrize("text", ["3:3", "7:3", ":0"])
def test_parse_refuses_empty_ranges(text):
    with pytest.raises(UsageError, match="is empty"):
        FrameRange.parse(text)


@pytest.mark.parametrize("text", [":", "3:", ":7", "3:7"])
def test_ranges_print_as_they_are_written(text):
    assert FrameRange.parse(str(FrameRange.parse(text))) == FrameRange.parse(text)


def test_whole_clip():
    clip = read_clip(source_of([0, 40, 120]))
    assert [plane.shape for plane in clip.planes] == [(3, 2, 4), (3, 1, 2), (3, 1, 2)]
    assert clip.planes[0][:, 0, 0].tolist() == [0, 1, 2]
    assert (clip.durations, clip.frame_count) == ((40, 80, 80), 3)


def test_reading_stops_with_the_last_wanted_frame():
    clip = read_clip(source_of([0, 40, 80, 120], after_last=[AssertionError("read on")]), FrameRange(1, 4))
    assert clip.planes[0][:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("video", "duration"), [(VIDEO, 40), (VideoFormat(4, 2, frame_rate=Fraction(24), time_base=Fraction(1, 1000)), 1)]
)
def test_a_single_frame_lasts_its_nominal_time(video, duration):
    assert read_clip(source_of([7], video)).durations == (duration,)


def test_a_range_beyond_the_end_is_cut_and_one_outside_refused():
    assert read_clip(source_of([0, 40]), FrameRange(1, 9)).frame_count == 1
    with pytest.raises(MediaError, match="clip has 2 frames, so the range 2: selects none"):
        read_clip(source_of([0, 40]), FrameRange(2))
    with pytest.raises(MediaError, match="has 0 frames"):
        read_clip(source_of([]), ALL_FRAMES)


def test_more_frames_than_are_coded_at_once():
    assert read_clip(source_of([0, 40, 80]), most=3).frame_count == 3
    with pytest.raises(MediaError, match=r"more frames than the 3 .* --frames"):
        read_clip(source_of([0, 40, 80, 120], after_last=[AssertionError("read on")]), most=3)


def test_pictures_that_are_too_large():
    size = f"{VIDEO.width}x{VIDEO.height}"
    with pytest.raises(MediaError, match=f"pictures of {size}, which are too large"):
        read_clip(source_of([0], after_last=[AssertionError("read on")]), most=0)
