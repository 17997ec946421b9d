"""The figures that compare: BD-rates by clip and their means, bits at equal quality, times by device.

Everything that a report says is computed here, once, so that pages, tables and one-line summaries agree.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.bdrate import BDRate, RDPoint, bd_rate, rate_at_quality
from nvrc_core.evaluation.curves.quality_metrics import find_metric
from nvrc_core.evaluation.curves.rd_points import Record, by_clip
from nvrc_core.evaluation.report.points import by_series, is_nvrc, number, rate_bpp

EQUAL_QUALITY = "psnr_yuv"
"""The measure at which bits are compared where nothing else is said."""
METRICS = (EQUAL_QUALITY, "psnr_y")

_FIRST_CHOICE = ("x265_veryslow", "x265", "")  # beginnings of names: what the project compares itself with
_SAME_FRAMES = ("clip_hash", "width", "height", "frames")


@dataclass(frozen=True)
class ClipBDRate:
    """BD-rate on one clip; `bd` is None where it has no value, and `reason` then says why."""

    clip: str
    bd: BDRate | None
    reason: str | None = None


@dataclass(frozen=True)
class SeriesBDRate:
    """BD-rates of `series` against `anchor`, a clip each; `mean_percent` is the plain mean of those there are."""

    series: str
    anchor: str
    metric: str
    clips: tuple[ClipBDRate, ...]

    @property
    def counted(self) -> int:
        """How many clips have a figure."""
        return sum(clip.bd is not None for clip in self.clips)

    @property
    def mean_percent(self) -> float | None:
        """None where no clip has a figure."""
        percents = [clip.bd.percent for clip in self.clips if clip.bd]
        return math.fsum(percents) / len(percents) if percents else None

    @property
    def clips_in_words(self) -> str:
        """How many clips the mean is of: "3 clips", "2 of 3 clips"."""
        total = len(self.clips)
        of_all = f"{total} clip{'s' * (total != 1)}"
        return of_all if self.counted == total else f"{self.counted} of {of_all}"


@dataclass(frozen=True)
class Times:
    """Times of one series on one device of one machine, over `points`; figures are None where nothing states them.

    `encode_s`, `decode_s`: mean over the points; `encode_s_range`: least and most. `decode_fps`: all frames over all
    seconds. `ms_per_step`: all seconds of fitting over all steps. `mac_per_pixel`: least and most.
    """

    series: str
    device: str
    processor: str
    points: int
    encode_s: float | None
    encode_s_range: tuple[float, float] | None
    decode_s: float | None
    decode_fps: float | None
    ms_per_step: float | None
    mac_per_pixel: tuple[float, float] | None


def curve(points: Iterable[Record], metric: str) -> list[RDPoint]:
    """The points that have a rate and the measure, on the scale on which curves are compared."""
    found = []
    for point in points:
        bpp, value = rate_bpp(point), number(point, metric)
        if bpp is not None and value is not None:
            try:
                found.append(RDPoint(bpp, find_metric(metric).scaled(value)))
            except UsageError:  # an MS-SSIM of 1 has no decibels
                continue
    return found


def anchor_series(points: Iterable[Record]) -> list[str]:
    """The series of other encoders, that which the project compares itself with first."""
    names = list(by_series(point for point in points if not is_nvrc(point)))
    return sorted(names, key=lambda name: next(i for i, start in enumerate(_FIRST_CHOICE) if name.startswith(start)))


def tested_series(points: Sequence[Record]) -> list[str]:
    """The series of nvrc; where there are none, the other encoders but the first."""
    ours = list(by_series(point for point in points if is_nvrc(point)))
    return ours or anchor_series(points)[1:]


def bd_rates(points: Sequence[Record], metrics: Sequence[str] = METRICS) -> list[SeriesBDRate]:
    """Every tested series against every other encoder, on every measure that a point has."""
    anchors, tested = anchor_series(points), tested_series(points)
    if not any(is_nvrc(point) for point in points):
        anchors = anchors[:1]
    present = [metric for metric in metrics if any(number(point, metric) is not None for point in points)]
    groups = by_series(points)
    return [
        series_bd_rate(groups[series], groups[anchor], metric)
        for series in tested
        for anchor in anchors
        for metric in present
    ]


def series_bd_rate(tested: Sequence[Record], anchor: Sequence[Record], metric: str) -> SeriesBDRate:
    """One series against another on the clips of the tested one. A clip without a figure says why."""
    anchors = by_clip(anchor)
    clips = tuple(_clip_bd_rate(clip, own, anchors.get(clip, []), metric) for clip, own in by_clip(tested).items())
    return SeriesBDRate(tested[0]["series"], anchor[0]["series"], metric, clips)


def change_since(
    baseline: Sequence[Record], points: Sequence[Record], metric: str = EQUAL_QUALITY
) -> list[SeriesBDRate]:
    """BD-rates of nvrc's series against the same series in the points of another document."""
    before = by_series(point for point in baseline if is_nvrc(point))
    now = by_series(point for point in points if is_nvrc(point))
    return [series_bd_rate(now[name], before[name], metric) for name in now if name in before]


def times_anchor_bits(point: Record, anchor: Sequence[Record]) -> float | None:
    """The point's rate over the anchor's at equal PSNR-YUV; None where the anchor's curve does not reach there."""
    bpp, quality = rate_bpp(point), number(point, EQUAL_QUALITY)
    if bpp is None or quality is None or _differences(point, anchor):
        return None
    try:
        anchor_bpp = rate_at_quality(curve(anchor, EQUAL_QUALITY), quality)
    except UsageError:  # no curve: too few points, or two rates at one quality
        return None
    return None if anchor_bpp is None else bpp / anchor_bpp


def nearest_rate(point: Record, anchor: Iterable[Record]) -> Record | None:
    """The anchor's point whose rate is nearest to the point's, as a ratio."""
    bpp = rate_bpp(point)
    rated = [other for other in anchor if rate_bpp(other) is not None]
    if bpp is None or not rated:
        return None
    return min(rated, key=lambda other: abs(math.log(rate_bpp(other) / bpp)))


def times(points: Sequence[Record]) -> list[Times]:
    """Times by device and processor, then series: no figure is of two machines."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for name, group in by_series(points).items():
        for point in group:
            groups.setdefault((device_in_words(point), str(point.get("processor") or ""), name), []).append(point)
    places = list(dict.fromkeys(key[:2] for key in groups))
    ordered = sorted(groups.items(), key=lambda item: places.index(item[0][:2]))
    found = [_times(series, device, processor, group) for (device, processor, series), group in ordered]
    return [entry for entry in found if (entry.encode_s, entry.decode_s, entry.ms_per_step) != (None, None, None)]


def device_in_words(point: Record) -> str:
    """The device, with the number of threads where it is stated apart: "cpu (2 threads)"."""
    device, threads = str(point.get("device") or ""), number(point, "threads")
    if threads is None or "thread" in device or (device and not device.startswith("cpu")):
        return device or "device not stated"
    return f"{device or 'cpu'} ({threads:g} thread{'s' * (threads != 1)})"


def _clip_bd_rate(clip: str, tested: Sequence[Record], anchor: Sequence[Record], metric: str) -> ClipBDRate:
    if not anchor:
        return ClipBDRate(clip, None, "there are no points of the anchor on this clip")
    if different := sorted({key for point in tested for key in _differences(point, anchor)}):
        return ClipBDRate(clip, None, f"the points are not of the same frames: they differ in {', '.join(different)}")
    try:
        bd = bd_rate(curve(anchor, metric), curve(tested, metric), find_metric(metric))
    except UsageError as error:
        return ClipBDRate(clip, None, str(error).removeprefix("no BD-rate: "))
    return ClipBDRate(clip, bd)


def _differences(point: Record, others: Iterable[Record]) -> list[str]:
    """What shows that points are not of the same frames: names alone prove nothing."""
    return [
        key
        for key in _SAME_FRAMES
        if point.get(key) is not None and any(other.get(key) not in (None, point[key]) for other in others)
    ]


def _times(series: str, device: str, processor: str, group: Sequence[Record]) -> Times:
    encode_s, decode_s = _numbers(group, "encode_s"), _numbers(group, "decode_s")
    macs = _numbers(group, "mac_per_pixel")
    return Times(
        series=series,
        device=device,
        processor=processor,
        points=len(group),
        encode_s=_mean(encode_s),
        encode_s_range=(min(encode_s), max(encode_s)) if encode_s else None,
        decode_s=_mean(decode_s),
        decode_fps=_ratio(group, "frames", "decode_s"),
        ms_per_step=_ratio(group, "fit_s", "steps", 1000.0),
        mac_per_pixel=(min(macs), max(macs)) if macs else None,
    )


def _numbers(points: Iterable[Record], key: str) -> list[float]:
    return [value for point in points if (value := number(point, key)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _ratio(points: Iterable[Mapping[str, object]], above: str, below: str, factor: float = 1.0) -> float | None:
    """The sum of one figure over the sum of another, over the points that have both."""
    pairs = [(number(point, above), number(point, below)) for point in points]
    pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
    total = math.fsum(b for _, b in pairs)
    return factor * math.fsum(a for a, _ in pairs) / total if total > 0 else None
