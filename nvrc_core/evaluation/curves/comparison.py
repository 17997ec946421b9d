"""Two codecs compared over clips: BD-rates by clip, their mean, and the BD-rate of the average curves.

The last two are different figures, tens of percent apart on odd clips. The mean weighs every clip the same and leaves
out those without an overlap; the average curve, with which NVRC's published figures on UVG agree, is ruled by the
clips that need most rate.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.averages import average_curve
from nvrc_core.evaluation.curves.bdrate import BDRate, bd_rate
from nvrc_core.evaluation.curves.conventions import convention_warnings, frame_warnings
from nvrc_core.evaluation.curves.interpolation import DEFAULT_METHOD
from nvrc_core.evaluation.curves.pairing import Pairing, Source, load_source, pair
from nvrc_core.evaluation.curves.quality_metrics import DEFAULT_METRIC, QualityMetric, find_metric
from nvrc_core.evaluation.curves.rd_points import RDPoint, place, to_rd_points

AVERAGE_CURVE = "average curve"


@dataclass(frozen=True)
class ClipResult:
    """BD-rate on one clip; `bd` is None where it has no value, and `reason` then says why.

    `anchor` and `test`: the points that were compared, on the metric's scale, in order of rate.
    """

    clip: str
    bd: BDRate | None
    reason: str | None = None
    anchor: tuple[RDPoint, ...] = field(default=(), repr=False)
    test: tuple[RDPoint, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Comparison:
    """BD-rates by clip, `mean_percent`, their plain mean over the clips that have one (None where none has), and
    the BD-rate of the average over all shared clips (None where there is one clip).

    `anchor` and `test` name the sides, `series` shortly for a legend. `warnings` are those of the whole; a clip's are
    with its figure.
    """

    anchor: str
    test: str
    series: tuple[str, str]
    metric: QualityMetric
    method: str
    clips: tuple[ClipResult, ...]
    mean_percent: float | None
    average: ClipResult | None
    only_in_anchor: tuple[str, ...]
    only_in_test: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def no_figure(self) -> str | None:
        """Why there is no BD-rate at all, None where there is one."""
        if self.mean_percent is not None:
            return None
        return ": ".join(filter(None, (self.clips[0].clip, self.clips[0].reason)))


def compare(
    anchor: str | Path,
    test: str | Path,
    metric: str = DEFAULT_METRIC,
    method: str = DEFAULT_METHOD,
    anchor_series: str | None = None,
    test_series: str | None = None,
    clip: str | None = None,
) -> Comparison:
    """Compares two files, or "published:SLUG" in the place of either, on the clips of both or on one `clip`.

    Raises `UsageError` where a file cannot be read, the sides share no clip, and where a selection is empty or
    leaves several curves for a clip. That curves do not overlap is no error but a clip's `reason`.
    """
    scale = find_metric(metric)
    sources = [load_source(name) for name in (anchor, test)]
    for source in sources:
        _check_published(source, metric)
    pairing = pair(*sources, metric, (anchor_series, test_series), clip)
    curves = [
        {name: to_rd_points(side.curves[name], metric, place(side.name, name)) for name in pairing.shared}
        for side in (pairing.anchor, pairing.test)
    ]
    results = tuple(_compare_clips(pairing, curves, scale, method))
    percents = [result.bd.percent for result in results if result.bd]
    return Comparison(
        anchor=pairing.anchor.label,
        test=pairing.test.label,
        series=_legend(pairing),
        metric=scale,
        method=method,
        clips=results,
        mean_percent=math.fsum(percents) / len(percents) if percents else None,
        average=_compare_averages(curves, scale, method) if len(results) > 1 else None,
        only_in_anchor=tuple(name for name in pairing.anchor.curves if name not in pairing.test.curves),
        only_in_test=tuple(name for name in pairing.test.curves if name not in pairing.anchor.curves),
        warnings=(*pairing.warnings, *convention_warnings(pairing, metric)),
    )


def _legend(pairing: Pairing) -> tuple[str, str]:
    anchor, test = pairing.anchor.short_name, pairing.test.short_name
    return (anchor, test) if anchor != test else (f"{anchor} (anchor)", f"{test} (test)")


def _check_published(source: Source, metric: str) -> None:
    if source.published and metric not in source.published.metrics:
        raise UsageError(f"{source.name} has no {metric}; choose --metric {' or '.join(source.published.metrics)}")


def _compare_clips(
    pairing: Pairing, curves: Sequence[Mapping[str, list[RDPoint]]], metric: QualityMetric, method: str
) -> Iterator[ClipResult]:
    for clip in pairing.shared:
        result = _result(clip, curves[0][clip], curves[1][clip], metric, method)
        if result.bd:
            notes = frame_warnings(pairing.anchor.curves[clip] + pairing.test.curves[clip])
            result = replace(result, bd=replace(result.bd, warnings=result.bd.warnings + notes))
        yield result


def _compare_averages(curves: Sequence[Mapping[str, list[RDPoint]]], metric: QualityMetric, method: str) -> ClipResult:
    try:
        anchor, test = (average_curve(side, name) for side, name in zip(curves, ("ANCHOR", "TEST"), strict=True))
    except UsageError as error:
        return ClipResult(AVERAGE_CURVE, None, str(error))
    return _result(AVERAGE_CURVE, anchor, test, metric, method)


def _result(
    clip: str, anchor: Sequence[RDPoint], test: Sequence[RDPoint], metric: QualityMetric, method: str
) -> ClipResult:
    try:
        sides = [_scaled(points, metric) for points in (anchor, test)]
    except UsageError as error:
        return ClipResult(clip, None, str(error))
    try:
        return ClipResult(clip, bd_rate(*sides, metric, method), None, *sides)
    except UsageError as error:
        return ClipResult(clip, None, str(error), *sides)


def _scaled(points: Sequence[RDPoint], metric: QualityMetric) -> tuple[RDPoint, ...]:
    scaled = (RDPoint(point.bpp, metric.scaled(point.quality)) for point in points)
    return tuple(sorted(scaled, key=lambda point: point.bpp))
