import itertools
from typing import Any

import pytest

from nvrc_core.evaluation.report.points import points_of
from nvrc_core.evaluation.report.summary import (
    anchor_series,
    bd_rates,
    change_since,
    device_in_words,
    nearest_rate,
    times,
    times_anchor_bits,
)


def test_every_series_meets_every_anchor_on_every_clip(document: dict[str, Any]):
    found = {(entry.series, entry.anchor, entry.metric): entry for entry in bd_rates(points_of(document))}
    assert len(found) == 2 * 2 * 2
    for (series, anchor, _), entry in found.items():
        factor = {"nvrc_fast": 3.0, "nvrc_medium": 1.6}[series] / {"x265_veryslow": 1.0, "svtav1_p4": 0.8}[anchor]
        assert entry.mean_percent == pytest.approx(100 * (factor - 1))
        assert entry.clips_in_words == "3 clips"


def test_means_count_the_clips_that_have_a_figure(document: dict[str, Any]):
    first = document["points"][0]["clip"]
    for point in document["points"]:
        if point["clip"] == first and point["codec"] == "nvrc":
            point |= {"psnr_y": point["psnr_y"] - 100, "psnr_yuv": point["psnr_yuv"] - 100}
    entry = bd_rates(points_of(document))[0]
    assert entry.clips[0].bd is None
    assert "share no range" in entry.clips[0].reason
    assert (entry.counted, entry.clips_in_words) == (2, "2 of 3 clips")
    assert entry.mean_percent == pytest.approx(200)


def test_clips_of_one_name_and_other_frames_are_not_compared(document: dict[str, Any]):
    for point in document["points"]:
        if point["codec"] == "nvrc":
            point["frames"] += 1
    reasons = {clip.reason for entry in bd_rates(points_of(document)) for clip in entry.clips}
    assert reasons == {"the points are not of the same frames: they differ in frames"}


def test_a_clip_without_anchor_says_so(document: dict[str, Any]):
    first = document["points"][0]["clip"]
    points = [point for point in document["points"] if point["codec"] == "nvrc" or point["clip"] != first]
    entry = bd_rates(points_of(points))[0]
    assert entry.clips[0].reason == "there are no points of the anchor on this clip"
    assert entry.counted == 2


def test_bits_at_equal_quality(document: dict[str, Any]):
    points = points_of(document)
    clip = [point for point in points if point["clip"] == points[0]["clip"]]
    anchor = [point for point in clip if point["series"] == "x265_veryslow"]
    point = next(point for point in clip if point["series"] == "nvrc_fast")
    assert times_anchor_bits(point, anchor) == pytest.approx(3.0)
    assert times_anchor_bits(point | {"psnr_yuv": 99.0}, anchor) is None
    assert times_anchor_bits(point, anchor[:1]) is None
    assert times_anchor_bits(point, []) is None
    assert times_anchor_bits({"bpp": 0.1}, anchor) is None
    assert nearest_rate({"bpp": 0.03}, anchor)["bpp"] == 0.026
    assert nearest_rate({}, anchor) is None


def test_times_are_of_one_device(document: dict[str, Any]):
    moved = [point | {"device": "cuda:1 (NVIDIA H200)", "encode_s": 1.0} for point in document["points"][:4]]
    points = points_of(document["points"] + moved)
    found = {(place.series, place.device): place for place in times(points)}
    assert found["nvrc_fast on cpu", "cpu (1 thread)"].encode_s == pytest.approx(20.0)
    assert found["nvrc_fast on cuda:1", "cuda:1 (NVIDIA H200)"].encode_s == pytest.approx(1.0)
    assert found["nvrc_fast on cpu", "cpu (1 thread)"].decode_fps == pytest.approx(61.0)
    assert found["nvrc_fast on cpu", "cpu (1 thread)"].ms_per_step == pytest.approx(18.2)
    places = [place.device for place in times(points)]
    assert [device for device, _ in itertools.groupby(places)] == list(dict.fromkeys(places))


def test_processors_are_kept_apart():
    point = {"series": "x265_veryslow", "device": "cpu (1 thread)", "encode_s": 2.0}
    found = times(points_of([point | {"processor": "A"}, point | {"processor": "B", "encode_s": 4.0}]))
    assert [(place.processor, place.encode_s) for place in found] == [("A", 2.0), ("B", 4.0)]


def test_devices_in_words():
    assert device_in_words({"device": "cpu (2 threads)", "threads": 2}) == "cpu (2 threads)"
    assert device_in_words({"threads": 1}) == "cpu (1 thread)"
    assert device_in_words({"device": "cuda:0 (X)", "threads": 4}) == "cuda:0 (X)"
    assert device_in_words({}) == "device not stated"


def test_change_since_a_baseline(document: dict[str, Any]):
    before = [point | {"bpp": point["bpp"] * 2} for point in document["points"]]
    changes = change_since(points_of(before), points_of(document))
    assert [change.series for change in changes] == ["nvrc_fast", "nvrc_medium"]
    assert [change.mean_percent for change in changes] == pytest.approx([-50, -50])


def test_the_first_anchor_is_x265_veryslow():
    points = points_of([{"series": name} for name in ("vvenc_medium", "x265_medium", "nvrc_fast", "x265_veryslow")])
    assert anchor_series(points) == ["x265_veryslow", "x265_medium", "vvenc_medium"]


def test_points_may_lack_everything():
    points = points_of([{}, {"clip": None, "bpp": "x", "psnr_yuv": True, "parts": 3, "per_frame": []}, "no point"])
    assert [(point["clip"], point["series"]) for point in points] == [("(nameless)", "(nameless)")] * 2
    assert bd_rates(points) == []
    assert times(points) == []
