"""The average curve of several clips, as papers draw one curve for a set of test sequences."""

from collections.abc import Mapping, Sequence

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.rd_points import RDPoint


def average_curve(curves: Mapping[str, Sequence[RDPoint]], side: str) -> list[RDPoint]:
    """Means of bpp and quality over the clips, point by point in order of rate: the n-th point of every clip.

    Quality is averaged as it is given (MS-SSIM before it becomes decibels). Raises `UsageError` where the clips of
    the `side` differ in their number of points, because then the n-th points do not belong together.
    """
    counts = sorted({len(points) for points in curves.values()})
    if len(counts) > 1:
        numbers = " and ".join(str(count) for count in counts)
        raise UsageError(f"no average curve: the clips of {side} have {numbers} points")
    ordered = [sorted(points, key=lambda point: (point.bpp, point.quality)) for points in curves.values()]
    return [
        RDPoint(_mean([point.bpp for point in row]), _mean([point.quality for point in row]))
        for row in zip(*ordered, strict=True)
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
