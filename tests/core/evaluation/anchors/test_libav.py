"""Streams of the encoders in PyAV: what is in them, and what is left out."""

import av
import numpy as np
import pytest
from nvrc_formats.video import VideoFormat

from nvrc_core.errors import ResourceError
from nvrc_core.evaluation.anchors.frames import coded_format, from_coded, to_coded
from nvrc_core.evaluation.anchors.libav import X264, X265, SvtAv1, decode_stream

SEI, IDR, SLICE = 6, 5, 1


def h264_units(stream: bytes) -> list[int]:
    """The kinds of an Annex B stream's units."""
    return [unit[0] & 31 for unit in stream.split(b"\x00\x00\x01")[1:]]


def test_x264s_settings_in_the_stream_are_not_counted(planes, video):
    anchor = X264("ultrafast")
    whole = b"".join(anchor._packets(planes, video, anchor.options(30)))
    stream = anchor.encode(planes, video, 30).stream
    assert SEI in h264_units(whole)
    assert h264_units(stream) == [kind for kind in h264_units(whole) if kind != SEI]
    assert 500 < len(whole) - len(stream) < 900
    assert b"x264" not in stream


def test_there_is_one_intra_frame_and_one_slice_a_frame(planes, video):
    stream = X264("medium", threads=2).encode(planes, video, 20).stream
    kinds = h264_units(stream)
    assert (kinds.count(IDR), kinds.count(SLICE)) == (1, len(planes[0]) - 1)


def test_x265_writes_no_message(planes, video):
    assert b"x265" not in X265("ultrafast").encode(planes, video, 30).stream


def test_svtav1_streams_have_a_temporal_delimiter_a_shown_frame(planes, video):
    stream = SvtAv1("10").encode(planes, video, 30).stream
    assert stream.startswith(b"\x12\x00")  # the unit's header and its length, 0
    assert stream.count(b"\x12\x00") >= len(planes[0])


def test_tuning_reaches_the_encoders(planes, video):
    assert X265("medium", "psnr").encode(planes, video, 24) != X265("medium").encode(planes, video, 24)
    assert X264("medium", "psnr").encode(planes, video, 24) != X264("medium").encode(planes, video, 24)
    assert SvtAv1("8", "0").encode(planes, video, 24) != SvtAv1("8").encode(planes, video, 24)
    assert SvtAv1("8", "1").encode(planes, video, 24) == SvtAv1("8").encode(planes, video, 24)


@pytest.mark.parametrize("anchor", [X264("ultrafast"), X265("ultrafast")])
def test_streams_carry_the_videos_colour_and_shape(anchor, planes, video):
    context = av.CodecContext.create(anchor.decoder, "r")
    stream = anchor.encode(planes, video, 30).stream
    packets = [*context.parse(stream), *context.parse(None)]
    frame = next(frame for packet in [*packets, None] for frame in context.decode(packet))
    assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
    assert context.sample_aspect_ratio == video.sample_aspect


def test_ten_bits_are_rounded_half_up_to_eight():
    video = VideoFormat(3, 1)
    coded = coded_format(video, 4, 10)
    assert coded.pixel_format.name == "yuv420p10le"
    assert (coded.width, coded.height) == (4, 4)
    deep = [np.full(shape, 1023, np.uint16) for shape in coded.plane_shapes]
    deep[0][0, :3] = (401, 402, 1022)
    assert from_coded(deep, video, coded)[0].tolist() == [[100, 101, 255]]
    original = [
        np.arange(height * width, dtype=np.uint8).reshape(height, width) for height, width in video.plane_shapes
    ]
    there = to_coded(original, video, coded)
    assert there[0][:2].tolist() == [[0, 4, 8, 8]] * 2
    for plane, back in zip(original, from_coded(there, video, coded), strict=True):
        np.testing.assert_array_equal(plane, back)


def test_encoders_and_decoders_that_pyav_lacks_are_named(planes, video):
    class Missing(X264):
        encoder = "libnothing"

    with pytest.raises(ResourceError, match=r"this PyAV has no x264.*pip install av"):
        Missing().encode(planes, video, 30)
    with pytest.raises(ResourceError, match="no decoder nothing"):
        list(decode_stream(b"", "nothing", video, video, 1))
