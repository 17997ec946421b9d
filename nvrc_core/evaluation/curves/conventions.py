"""What makes curves incomparable although both are in decibels: how and on what the quality was measured."""

from collections.abc import Iterable, Sequence

from nvrc_core.evaluation.curves.pairing import Pairing, Source
from nvrc_core.evaluation.curves.rd_points import Record

RGB_METRICS = ("psnr_rgb", "ms_ssim_rgb")


def convention_warnings(pairing: Pairing, metric: str) -> tuple[str, ...]:
    """Cautions on published curves, and what the sides of a comparison do not have in common, a line each."""
    sides = (pairing.anchor, pairing.test)
    lines = [f"{side.name}: {side.published.caution}" for side in sides if side.published and side.published.caution]
    published = [side for side in sides if side.published]
    if len({side.published.family for side in published}) == 2:
        lines.append("the sides were measured by different conventions; the figure mixes them with what it should tell")
        lines += [f"{side.name}: {side.published.convention}" for side in published]
    elif metric in RGB_METRICS:
        names = [_rgb_names(side, pairing.shared) for side in sides]
        if names[0] != names[1]:
            spelled = " and ".join(f"{listing} ({side.name})" for listing, side in zip(names, sides, strict=True))
            lines.append(f"RGB by different conversions: {spelled}; decibels on them are not comparable")
    return tuple(lines)


def frame_warnings(points: Sequence[Record]) -> tuple[str, ...]:
    """Points of other frames are another experiment, whatever the clip is called."""
    keys = ("width", "height", "frames")
    sizes = sorted(
        {tuple(point[key] for key in keys) for point in points if all(isinstance(point.get(key), int) for key in keys)}
    )
    if len(sizes) < 2:
        hashes = {point["clip_hash"] for point in points if isinstance(point.get("clip_hash"), str)}
        return ("the points are not of the same frames: their samples differ",) if len(hashes) > 1 else ()
    return ("the points are not of the same frames: " + ", ".join("{}x{} x {}".format(*size) for size in sizes),)


def _rgb_names(side: Source, clips: Iterable[str]) -> str:
    names = {str(point.get("rgb") or "not named") for clip in clips for point in side.curves[clip]}
    return ", ".join(sorted(names))
