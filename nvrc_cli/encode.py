"""`nvrc encode`: a video becomes a .nvrc file."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvrc_cli.options import AsJson, Device, Frames, No, Quiet, Threads, Tune, Verbose, Yes, flag, parse_raw
from nvrc_cli.outputs import check_target
from nvrc_cli.progress import open_reporter
from nvrc_cli.terminal import one_line

if TYPE_CHECKING:
    from nvrc_core.encode import EncodeResult

_RAW = "Raw input"


def encode(
    source: Annotated[str, typer.Argument(metavar="IN", help="The video, or - for standard input.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="The .nvrc file, or - for standard output.")
    ],
    bpp: Annotated[
        float | None,
        typer.Option(metavar="X", help="Target rate: bits of the whole file per luma pixel (0.1 if neither is given)."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option("--lambda", metavar="X", help="Fixed weight of quality against rate, instead of a target rate."),
    ] = None,
    strict: Annotated[
        bool, flag("--strict", help="Write nothing, and exit with 7, where the rate is over 10 % from its target.")
    ] = False,
    preset: Annotated[str, typer.Option(metavar="NAME", help="Time against quality; see nvrc presets.")] = "medium",
    tune: Tune = "psnr",
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Optimiser steps, instead of the preset's own number.")
    ] = None,
    frames: Frames = ":",
    device: Device = "auto",
    threads: Threads = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of everything that is random.")] = 0,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Frame size of raw 8-bit 4:2:0 input.", rich_help_panel=_RAW)
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(metavar="R", help="Its frames per second, such as 25 or 30000/1001.", rich_help_panel=_RAW),
    ] = None,
    yes: Yes = False,
    no: No = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fit a compressed neural representation to a video and write it as a .nvrc file.

    Reads what FFmpeg reads, y4m, and raw planes. The file appears when it is complete, or not at all.
    """
    raw_size, raw_rate = parse_raw(source, size, fps)
    overwrite = check_target(source, output, yes=yes, no=no, as_json=as_json)

    from nvrc_core.config import EncodeConfig
    from nvrc_core.media.selection import FrameRange

    config = EncodeConfig(
        preset=preset,
        tune=tune,
        target_bpp=bpp,
        quality_weight=weight,
        strict=strict,
        steps=steps,
        frames=FrameRange.parse(frames),
        device=device,
        threads=threads,
        seed=seed,
        raw_size=raw_size,
        raw_rate=raw_rate,
    )
    with open_reporter(as_json=as_json, quiet=quiet, verbose=verbose) as report:
        from nvrc_core.encode import encode as run

        result = run(source, output, config, overwrite=overwrite, on_event=report)
    report.done(_summary(output, result), _figures(source, result))


def _summary(output: str, result: "EncodeResult") -> list[str]:
    name = "standard output" if output == "-" else one_line(output)
    parts = ", ".join(f"{part} {count:,.0f}" for part, count in result.parts.items())
    return [
        f"{name}: {result.bytes:,} bytes, {result.bpp:.4f} bpp, {result.kbps:.1f} kbit/s; "
        f"PSNR-Y {result.psnr_y:.2f} dB, PSNR-YUV {result.psnr_yuv:.2f} dB; {result.encode_s:.1f} s",
        f"bytes by part: {parts}",
    ]


def _figures(source: str, result: "EncodeResult") -> dict[str, Any]:
    clip = None if source == "-" else os.path.basename(source)
    figures = {"codec": "nvrc", "clip": clip} | vars(result)
    figures["lambda"] = figures.pop("quality_weight")
    return figures
