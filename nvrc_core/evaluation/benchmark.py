"""Real files of nvrc beside x265 veryslow on the same frames: bytes, quality, seconds, where the bits go.

Usage: python -m nvrc_core.evaluation.benchmark CLIP_OR_FOLDER... --presets fast medium --bpp 0.05 0.2 --output NAME
writes NAME.json (points that `nvrc bdrate` reads) and NAME.md after every point, so that an interrupted run keeps
what it has. A folder stands for the videos in it.
"""

import argparse
import datetime
import json
import platform
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from nvrc_core import __version__
from nvrc_core.config import EncodeConfig
from nvrc_core.decode import decode
from nvrc_core.encode import encode
from nvrc_core.evaluation.curves.rd_points import RD_FORMAT, RD_VERSION
from nvrc_core.evaluation.side_by_side import X265
from nvrc_core.media.selection import ALL_FRAMES, FrameRange, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.verify import verify

VIDEO_SUFFIXES = {".mkv", ".mp4", ".y4m", ".mov", ".webm", ".avi"}
PART_NAMES = ("layers", "side", "container")


def main(arguments: Sequence[str]) -> None:
    """Runs the grid of clips, presets and rates; progress on stderr, the table on stdout at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path, help="videos, or folders of videos")
    parser.add_argument("--presets", nargs="+", default=["fast", "medium"])
    parser.add_argument("--bpp", nargs="+", type=float, default=[0.05, 0.2])
    parser.add_argument("--frames", type=FrameRange.parse, default=ALL_FRAMES, metavar="A:B")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--output", type=Path, required=True, help="written with the suffixes .json and .md")
    options = parser.parse_args(arguments)
    points: list[dict] = []
    for path in _videos(options.clips):
        with open_source(path) as source:
            clip = read_clip(source, options.frames)
        anchor = X265(clip.planes, clip.video)
        for preset in options.presets:
            for bpp in options.bpp:
                print(f"{path.name}, {preset}, {bpp} bpp", file=sys.stderr, flush=True)
                config = EncodeConfig(
                    preset=preset, target_bpp=bpp, frames=options.frames, device=options.device, threads=options.threads
                )
                points += _measure(path, anchor, config)
                write_report(options.output, points)
    print(options.output.with_suffix(".md").read_text())


def _videos(paths: Iterable[Path]) -> list[Path]:
    return [
        video
        for path in paths
        for video in (sorted(p for p in path.iterdir() if p.suffix in VIDEO_SUFFIXES) if path.is_dir() else [path])
    ]


def _measure(path: Path, anchor: X265, config: EncodeConfig) -> list[dict]:
    """The point of nvrc, and that of x265 at the same rate."""
    with tempfile.TemporaryDirectory() as folder:
        file, decoded = f"{folder}/point.nvrc", f"{folder}/point.y4m"
        result = encode(str(path), file, config)
        decode_s = decode(file, decoded, device=config.device, threads=config.threads).decode_s
        drift = verify(file, device="cpu", threads=config.threads)
    found = anchor.beside(result.bpp, result.psnr_yuv)
    nvrc = asdict(result) | {
        "clip": path.name,
        "codec": "nvrc",
        "series": f"nvrc_{result.preset}",
        "version": __version__,
        "target_bpp": config.wanted_bpp,
        "decode_s": decode_s,
        "cpu_decode_exact": drift.pixels_exact,
        "cpu_decode_max_difference": drift.max_difference,
        "rate_ratio_to_x265": found.rate_ratio,
        "psnr_yuv_of_x265": found.same_rate.psnr.yuv,
    }
    return [nvrc, found.same_rate.rd_record(path.name)]


def write_report(output: Path, points: list[dict]) -> None:
    """NAME.json and NAME.md with the device, the processor and the day."""
    output.parent.mkdir(parents=True, exist_ok=True)
    today = datetime.date.today().isoformat()
    head = {"format": RD_FORMAT, "version": RD_VERSION, "date": today, "processor": _processor()}
    output.with_suffix(".json").write_text(json.dumps(head | {"points": points}, indent=1) + "\n")
    nvrc = [point for point in points if point["codec"] == "nvrc"]
    devices = ", ".join(sorted({point["device"] for point in nvrc}))
    lines = [
        f"Date {today}; device {devices}; {_processor()}; nvrc {__version__}.",
        "",
        "PSNR-YUV is (6 Y + U + V) / 8. `x265` is x265 veryslow at the same rate on the same frames; `times its bits` "
        "is nvrc's rate over x265's at equal PSNR-YUV (- where x265's curve does not reach down to that quality).",
        "",
        "| clip | preset | bytes | bpp | PSNR-Y | PSNR-YUV | x265 PSNR-YUV | times its bits | encode s | decode s |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *[_figures_row(point) for point in nvrc],
        "",
        "Where the bits go, in percent of the file:",
        "",
        "| clip | preset | bpp | grids, finest to coarsest | layers | side information | container |",
        "|---|---|---:|---|---:|---:|---:|",
        *[_parts_row(point) for point in nvrc],
    ]
    output.with_suffix(".md").write_text("\n".join(lines) + "\n")


def _figures_row(point: dict) -> str:
    ratio = point["rate_ratio_to_x265"]
    return (
        f"| {point['clip']} | {point['preset']} | {point['bytes']} | {point['bpp']:.4f} | {point['psnr_y']:.2f} "
        f"| {point['psnr_yuv']:.2f} | {point['psnr_yuv_of_x265']:.2f} | {'-' if ratio is None else f'{ratio:.2f}'} "
        f"| {point['encode_s']:.0f} | {point['decode_s']:.1f} |"
    )


def _parts_row(point: dict) -> str:
    share = {part: 100 * size / point["bytes"] for part, size in point["parts"].items()}
    grids = " + ".join(f"{share[part]:.1f}" for part in sorted(share) if part.startswith("grid"))
    rest = " | ".join(f"{share[part]:.1f}" for part in PART_NAMES)
    return f"| {point['clip']} | {point['preset']} | {point['bpp']:.4f} | {grids} | {rest} |"


def _processor() -> str:
    """The processor's name where the system tells, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main(sys.argv[1:])
