"""`nvrc info`: what a .nvrc file says about itself."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any

import typer
from nvrc_formats.shapes import MotionWaveletShape

from nvrc_cli.json_output import emit
from nvrc_cli.options import AsJson, NvrcFile, flag
from nvrc_core.errors import UsageError
from nvrc_core.presets import PRESETS
from nvrc_core.representation.profile import MotionProfile

LISTED_KEYS = 12  # as many fit a line
UNSPECIFIED = 2  # H.273's code point for "unknown or left to the application"


def info(
    source: NvrcFile,
    parts: Annotated[bool, flag("--parts", help="Also tell how many bytes each part takes (slower).")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a .nvrc file: geometry, timing, colour, segments and the settings that made it."""
    from nvrc_core.inspection import describe, part_sizes

    if parts and source == "-":
        raise UsageError("--parts reads the file twice, which standard input does not allow")
    description = describe(source)
    if parts:
        description["parts"] = part_sizes(source)
    if as_json:
        emit("done", **description)
        return
    for name, text in _lines(description):
        typer.echo(f"{name:<10}  {text}")


def _lines(about: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "format", f"nvrc {about['format_version']}, written by {about['encoder']}"
    yield "size", f"{about['bytes']:,} bytes, {about['bpp']:.4f} bpp, {about['kbps']:.1f} kbit/s"
    rate = Fraction(about["frame_rate"])
    yield "video", f"{about['width']}x{about['height']}, {about['frames']} frames, {about['pixel_format']}"
    yield "frame rate", f"{float(rate):.6g}" + (f" ({rate})" if rate.denominator > 1 else "")
    yield "aspect", about["sample_aspect"].replace("/", ":") if about["sample_aspect"] != "0" else "unspecified"
    yield "colour", _colour(about["color"])
    target = "none" if about["target_bpp"] is None else f"{about['target_bpp']:g} bpp"
    made = f"preset {about['preset']}, tune {about['tune']}"
    yield "settings", f"{made}, target {target}, lambda {about['lambda']:.6g}, seed {about['seed']}"
    for number, segment in enumerate(about["segments"]):
        start = segment["first_frame"]
        timing = ", variable frame rate" if segment["variable_frame_rate"] else ""
        yield (
            f"segment {number}",
            f"frames {start}:{start + segment['frames']}, {segment['bytes']:,} bytes, "
            f"{segment['parameters']:,} parameters, {segment['representation']['kind']}{timing}",
        )
        yield from _shape_lines(segment["representation"], about["preset"])
    for part, size in about.get("parts", {}).items():
        yield part, f"{size:,.0f} bytes, {100 * size / about['bytes']:.1f} %"


def _shape_lines(shape: dict[str, Any], preset: str) -> Iterator[tuple[str, str]]:
    if shape["kind"] != MotionWaveletShape.KIND:
        return
    keys = shape["keys"]
    listed = [str(key) for key in keys[:LISTED_KEYS]] + ["..."] * (len(keys) > LISTED_KEYS)
    apart = f", at most {max(after - key for key, after in pairwise(keys))} apart" if len(keys) > 1 else ""
    yield "  keys", f"{len(keys)} of {keys[-1] + 1} frames{apart}: {', '.join(listed)}"
    overlaps = ", overlapping where it jumps" * shape["overlaps"]
    yield "  motion", f"cells of {shape['motion_cell']} samples{overlaps}"
    size = ", ".join(_counted(shape[part], part) for part in ("channels", "blocks"))
    yield "  network", size + _limit(shape["channels"], preset)


def _counted(number: int, plural: str) -> str:
    return f"{number} {plural if number != 1 else plural[:-1]}"


def _limit(channels: int, preset: str) -> str:
    """Why the network has no more channels: the preset, if this version knows it, or the rate (`sizing.shape_for`)."""
    profile = PRESETS[preset].profile if preset in PRESETS else None
    if not isinstance(profile, MotionProfile) or channels > profile.channels:
        return ""
    if channels == profile.channels:
        return f": the most of preset {preset}"
    return f": of at most {profile.channels}, as weights may take {profile.network_share:.0%} of the bits"


def _colour(tags: dict[str, Any]) -> str:
    names = ("primaries", "transfer", "matrix")
    points = [f"{name} {'unspecified' if tags[name] == UNSPECIFIED else tags[name]}" for name in names]
    ranges = {None: "unspecified", False: "limited", True: "full"}
    return ", ".join([*points, f"{ranges[tags['full_range']]} range"])
