"""From a video to a file: read, fit, code, decode what was written, publish."""

import time
from dataclasses import dataclass, replace
from io import BytesIO

from nvrc_formats.checksum import HASH_BYTES, PictureHash
from nvrc_formats.container import ContainerWriter
from nvrc_formats.header import SegmentHeader, Settings, Shape, StreamHeader, pack_segment, pack_stream_header

from nvrc_core import __version__
from nvrc_core.config import EncodeConfig
from nvrc_core.devices import Runtime, runtime
from nvrc_core.errors import TargetMissedError
from nvrc_core.evaluation.quality.psnr import PsnrMeter
from nvrc_core.events import EncodeStarted, EventHandler, FrameProgress, Notice, ignore
from nvrc_core.fitting.rate_control import typical_bpp
from nvrc_core.fitting.scene_cuts import scene_cuts
from nvrc_core.kinds import representation_for
from nvrc_core.media.output import check_output, output_stream, refuse_same_file
from nvrc_core.media.selection import Clip, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.presets import with_tune
from nvrc_core.representation.sizing import most_frames, shape_for
from nvrc_core.segment import SegmentDecoder, fit_segment

TARGET_TOLERANCE = 0.1  # a rate further from its target deserves a word, and is too far for a strict request


@dataclass(frozen=True)
class EncodeResult:
    """Figures of a finished encode.

    `bytes`: of the whole file; `bpp`: 8 * bytes over luma samples; `psnr_*`: mean of per-frame decibels on integer
    samples, of the file's own decode; `parts`: bytes by part of the file.
    """

    bytes: int
    bpp: float
    kbps: float
    psnr_y: float
    psnr_u: float
    psnr_v: float
    psnr_yuv: float
    frames: int
    width: int
    height: int
    encode_s: float
    device: str
    preset: str
    tune: str
    quality_weight: float
    parameters: int
    mac_per_pixel: float
    parts: dict[str, float]


def encode(
    source: str, target: str, config: EncodeConfig, *, overwrite: bool = False, on_event: EventHandler = ignore
) -> EncodeResult:
    """Encodes `source` (a path, or "-" for standard input) to `target` (a path, or "-" for standard output).

    The file appears whole or not at all, and only after its own decode gave the symbols that were meant.
    Raises UsageError, MediaError, ResourceError, SymbolMismatchError, TargetMissedError.
    """
    start = time.monotonic()
    check_output(target, overwrite)
    refuse_same_file(source, target)
    with open_source(source, raw_size=config.raw_size, raw_rate=config.raw_rate) as opened:
        for notice in opened.notices:
            on_event(Notice(notice))
        clip = read_clip(opened, config.frames, most_frames(config.effective_preset.profile, opened.video))
    with runtime(config.device, config.threads, clip.video.pixels) as where:
        data, figures = _encode_clip(clip, config, where, on_event)
    missed = _missed(figures["bpp"], config.wanted_bpp)
    if missed and config.strict:
        raise TargetMissedError(missed)
    with output_stream(target, overwrite) as stream:
        stream.write(data)
    if missed:
        on_event(Notice(missed))
    return EncodeResult(**figures, encode_s=time.monotonic() - start)


def _missed(bpp: float, wanted: float | None) -> str | None:
    """What to say of a rate that is far from its target, and why it may be."""
    if wanted is None or abs(bpp / wanted - 1) <= TARGET_TOLERANCE:
        return None
    reason = (
        "the smallest representation of this preset takes more; give it more frames, or a higher rate"
        if bpp > wanted
        else "this preset cannot use more, with its largest representation or in its steps; choose a slower one"
    )
    return f"the rate is {bpp:.4f} bpp, not {wanted} as asked: {reason}"


def _encode_clip(clip: Clip, config: EncodeConfig, where: Runtime, on_event: EventHandler) -> tuple[bytes, dict]:
    """The file's bytes, and all figures of `EncodeResult` but the time."""
    video, preset = clip.video, config.effective_preset
    pixels = video.pixels * clip.frame_count
    bpp = config.wanted_bpp or typical_bpp(config.quality_weight)
    cuts = scene_cuts(clip.planes[0], video.pixel_format.peak)
    shape = shape_for(preset.profile, video, clip.frame_count, bpp * pixels, cuts)
    blank = _segment_header(clip, shape, bytes(HASH_BYTES), bytes(HASH_BYTES))
    overhead = len(_write_file(clip, blank, b"", config, quality_weight=1.0))
    representation = representation_for(shape, video, clip.frame_count)
    figures = {
        "frames": clip.frame_count,
        "width": video.width,
        "height": video.height,
        "device": where.name,
        "preset": preset.name,
        "tune": config.tune,
        "parameters": sum(spec.size for spec in representation.specs),
        "mac_per_pixel": representation.mac_per_pixel,
    }
    on_event(EncodeStarted(**figures, steps=preset.recipe.steps_for(clip.frame_count), target_bpp=config.wanted_bpp))
    fitted = fit_segment(
        shape,
        video,
        clip.planes,
        preset,
        tune=config.tune,
        target_bits=_payload_bits(config.wanted_bpp, pixels, overhead),
        quality_weight=config.quality_weight,
        device=where.device,
        seed=config.seed,
        on_progress=on_event,
    )
    coded = fitted.encoding
    # The encoder's last look is a decoder's first: from the coded bytes alone.
    header = replace(blank, representation=fitted.shape, symbol_hash=coded.symbol_hash)
    decoder = SegmentDecoder(header, coded.payload, video)
    meter, picture_hash = PsnrMeter(video.pixel_format.peak), PictureHash()
    for index, planes in enumerate(decoder.frames(range(clip.frame_count), where.device)):
        meter.update([plane[index] for plane in clip.planes], planes)
        picture_hash.update(planes)
        on_event(FrameProgress("measure", index + 1, clip.frame_count))
    header = replace(header, picture_hash=picture_hash.digest())
    data = _write_file(clip, header, coded.payload, config, fitted.quality_weight)
    psnr = meter.result()
    parts = {part: bits / 8 for part, bits in coded.bits.items()}
    parts["container"] = len(data) - len(coded.payload)
    figures |= {
        "parameters": sum(spec.size for spec in representation_for(fitted.shape, video, clip.frame_count).specs),
        "bytes": len(data),
        "bpp": 8 * len(data) / pixels,
        "kbps": 8e-3 * len(data) / _seconds(clip),
        "psnr_y": psnr.y,
        "psnr_u": psnr.u,
        "psnr_v": psnr.v,
        "psnr_yuv": psnr.yuv,
        "quality_weight": fitted.quality_weight,
        "parts": parts,
    }
    return data, figures


def _payload_bits(wanted_bpp: float | None, pixels: int, overhead_bytes: int) -> float | None:
    """What a rate target leaves for the coded symbols: at least something, however low the target."""
    return None if wanted_bpp is None else max(wanted_bpp * pixels - 8 * overhead_bytes, 8 * overhead_bytes)


def _segment_header(clip: Clip, shape: Shape, symbol_hash: bytes, picture_hash: bytes) -> SegmentHeader:
    constant = all(duration == clip.video.frame_duration for duration in clip.durations)
    header = SegmentHeader(
        first_frame=0,
        frames=clip.frame_count,
        durations=() if constant else clip.durations,
        representation=shape,
        symbol_hash=symbol_hash,
        picture_hash=picture_hash,
    )
    header.check_against(clip.video, 0)
    return header


def _seconds(clip: Clip) -> float:
    return float(sum(clip.durations) * clip.video.time_base)


def _write_file(
    clip: Clip, segment: SegmentHeader, payload: bytes, config: EncodeConfig, quality_weight: float
) -> bytes:
    wanted = config.wanted_bpp
    target = None if wanted is None else float(wanted)  # the wire tells whole numbers from floats
    settings = Settings(with_tune(config.preset, config.tune), float(quality_weight), target, config.seed)
    stream = BytesIO()
    writer = ContainerWriter(stream)
    writer.write_header(pack_stream_header(StreamHeader(clip.video, f"nvrc {__version__}", settings)))
    writer.write_segment(pack_segment(segment, payload), clip.frame_count)
    writer.finish()
    return stream.getvalue()
