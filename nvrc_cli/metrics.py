"""`nvrc metrics`: how good one video is, measured against another."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvrc_cli.json_output import emit
from nvrc_cli.options import AsJson, Device, Frames, Quiet, Threads, flag, parse_rate, parse_size
from nvrc_cli.progress import open_reporter
from nvrc_core.errors import RegressionError, UsageError

if TYPE_CHECKING:
    from nvrc_core.evaluation.quality.compare import Measurement
    from nvrc_core.evaluation.quality.pictures import RawVideo

_RAW = "Raw input"
_VIDEO = "a video, a .nvrc file, or - for standard input"


def metrics(
    reference: Annotated[str, typer.Argument(metavar="REF", help=f"The original: {_VIDEO}.")],
    distorted: Annotated[str, typer.Argument(metavar="DIST", help=f"What is measured: {_VIDEO}.")],
    frames: Frames = ":",
    rgb: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Conversion to RGB, such as bt709-limited-nearest, or ffmpeg601 for bt601-limited-nearest; REF's "
            "colour tags choose if it is not given.",
        ),
    ] = None,
    vmaf: Annotated[bool, flag("--vmaf", help="Also measure VMAF, with an ffmpeg that has libvmaf.")] = False,
    no_ms_ssim: Annotated[bool, flag("--no-ms-ssim", help="Leave MS-SSIM out, which takes most of the time.")] = False,
    per_frame: Annotated[bool, flag("--per-frame", help="Also give the figures of every frame.")] = False,
    min_psnr: Annotated[
        float | None, typer.Option(metavar="DB", help="Fail, with exit code 8, where PSNR-YUV is below.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Frame size of raw input: a .yuv file, or planes in -.", rich_help_panel=_RAW),
    ] = None,
    fps: Annotated[
        str,
        typer.Option(metavar="R", help="Its frames per second; no figure depends on it.", rich_help_panel=_RAW),
    ] = "25",
    pix_fmt: Annotated[
        str,
        typer.Option(metavar="NAME", help="Its pixel format, by FFmpeg's name.", rich_help_panel=_RAW),
    ] = "yuv420p",
    device: Device = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure the quality of DIST against REF: PSNR, MS-SSIM and, if asked for, VMAF.

    Reads what FFmpeg reads, y4m, raw planes and .nvrc files, 4:2:0, 4:2:2 or 4:4:4 in 8 or 10 bits, frame by frame.
    """
    from nvrc_core.evaluation.quality.rgb import RgbConversion
    from nvrc_core.media.selection import FrameRange

    if reference == distorted == "-":
        raise UsageError("only one of REF and DIST can be standard input")
    if min_psnr is not None and not math.isfinite(min_psnr):
        raise UsageError(f"--min-psnr {min_psnr:g} is not a number of decibels")
    wanted = FrameRange.parse(frames)
    conversion = RgbConversion.parse(rgb) if rgb else None
    raw = _raw_video((reference, distorted), size, fps, pix_fmt)
    with open_reporter(as_json=as_json, quiet=quiet, verbose=False) as report:
        from nvrc_core.evaluation.quality.compare import compare

        measured = compare(
            reference,
            distorted,
            frames=wanted,
            raw=raw,
            rgb=conversion,
            ms_ssim=not no_ms_ssim,
            vmaf=vmaf,
            device=device,
            threads=threads,
            on_event=report,
        )
    psnr_yuv = measured.quality.psnr.yuv
    failed = min_psnr is not None and psnr_yuv < min_psnr
    if not as_json:
        if not quiet:
            _print_table(measured)
            if per_frame:
                _print_frames(measured, wanted.start)
    elif not failed:
        emit("done", **_json_fields(measured, per_frame))
    elif not quiet:
        # Whoever set the limit wants to know by how much it was missed, and `done` would mean success.
        emit("figures", **_json_fields(measured, per_frame))
    if failed:
        raise RegressionError(f"PSNR-YUV is {psnr_yuv:.4f} dB, below --min-psnr {min_psnr:g}")


def _raw_video(inputs: tuple[str, str], size: str | None, fps: str, pix_fmt: str) -> "RawVideo | None":
    from nvrc_formats.video import PLANAR_FORMATS

    rate = parse_rate(fps)
    if pix_fmt not in PLANAR_FORMATS:
        raise UsageError(f"--pix-fmt {pix_fmt} is none of {', '.join(PLANAR_FORMATS)}")
    if size is None:
        if any(name.lower().endswith(".yuv") for name in inputs):
            raise UsageError("raw .yuv input needs --size WxH")
        return None
    if not any(name == "-" or name.lower().endswith(".yuv") for name in inputs):
        raise UsageError("--size is for raw input, which neither REF nor DIST is: it is named .yuv, or is -")
    from nvrc_core.evaluation.quality.pictures import RawVideo

    return RawVideo(parse_size(size), rate, PLANAR_FORMATS[pix_fmt])


def _json_fields(measured: "Measurement", per_frame: bool) -> dict[str, Any]:
    video = measured.video
    fields = measured.figures() | {
        "frames": measured.quality.frames,
        "width": video.width,
        "height": video.height,
        "pixel_format": video.pixel_format.name,
        "device": measured.device,
    }
    if per_frame:
        fields["per_frame"] = {name: values.tolist() for name, values in measured.per_frame.items()}
    return fields


def _print_table(measured: "Measurement") -> None:
    from rich.console import Console
    from rich.table import Table

    figures, video = measured.figures(), measured.video
    title = f"{measured.quality.frames} frames of {video.width}x{video.height} {video.pixel_format.name}"
    table = Table("", title=title, title_justify="left")
    table.add_column("mean of frames", justify="right")
    table.add_column("of pooled error", justify="right")
    for plane in ("y", "u", "v", "yuv"):
        mean, pooled = figures[f"psnr_{plane}"], figures[f"psnr_{plane}_pooled"]
        table.add_row(f"PSNR-{plane.upper()}", f"{mean:.4f} dB", f"{pooled:.4f} dB")
    table.add_row(f"PSNR-RGB ({figures['rgb']})", f"{figures['psnr_rgb']:.4f} dB", "")
    for name in ("ms_ssim_y", "ms_ssim_rgb"):
        table.add_row(name.upper().replace("_", "-"), "none" if figures[name] is None else f"{figures[name]:.6f}", "")
    if measured.vmaf:
        table.add_row(f"VMAF ({measured.vmaf.model})", f"{measured.vmaf.score:.4f}", "")
    Console().print(table)


def _print_frames(measured: "Measurement", start: int) -> None:
    """A line a frame. No rich table, which would cut so many columns to the width of a terminal."""
    series = measured.per_frame
    typer.echo("".join(f"{name:>12}" for name in ("frame", *series)))
    for index, values in enumerate(zip(*series.values(), strict=True), start):
        typer.echo(f"{index:>12}" + "".join(f"{value:12.6f}" for value in values))
