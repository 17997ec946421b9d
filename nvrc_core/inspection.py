"""What a file says of itself, as plain values. Reads every byte (so damage is found), decodes no symbol."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from nvrc_formats.header import SegmentHeader
from nvrc_formats.video import VideoFormat

from nvrc_core.presets import split_tune
from nvrc_core.stream import Stream, open_stream


def describe(source: str) -> dict[str, Any]:
    """The stream header, the segments and the sizes of a file ("-": standard input), ready for JSON.

    Raises MediaError, FormatError. Imports no torch.
    """
    with open_stream(source) as stream:
        segments = [
            {
                "first_frame": segment.header.first_frame,
                "frames": segment.header.frames,
                "bytes": segment.chunk_bytes,
                "coded_bytes": len(segment.payload),
                "variable_frame_rate": bool(segment.header.durations),
                "seconds": _seconds(segment.header, stream.header.video),
                "representation": {"kind": segment.header.representation.KIND, **asdict(segment.header.representation)},
                "parameters": segment.header.representation.parameter_count(segment.header.frames, stream.header.video),
                "symbol_hash": segment.header.symbol_hash.hex(),
                "picture_hash": segment.header.picture_hash.hex(),
            }
            for segment in stream.segments
        ]
        size = stream.size()
        return _summary(stream, segments, size)


def _summary(stream: Stream, segments: list[dict[str, Any]], size: int) -> dict[str, Any]:
    video, settings = stream.header.video, stream.header.settings
    preset, tune = split_tune(settings.preset)
    frames = sum(segment["frames"] for segment in segments)
    return {
        "format_version": "{}.{}".format(*stream.version),
        "encoder": stream.header.encoder,
        "bytes": size,
        "bpp": 8 * size / (video.pixels * frames),
        "kbps": 8e-3 * size / sum(segment["seconds"] for segment in segments),
        "width": video.width,
        "height": video.height,
        "frames": frames,
        "frame_rate": str(video.frame_rate),
        "pixel_format": video.pixel_format.name,
        "sample_aspect": str(video.sample_aspect),
        "color": asdict(video.color),
        "preset": preset,
        "tune": tune,
        "lambda": settings.quality_weight,
        "target_bpp": settings.target_bpp,
        "seed": settings.seed,
        "segments": segments,
    }


def _seconds(header: SegmentHeader, video: VideoFormat) -> float:
    ticks = sum(header.durations) or (video.frame_duration or 0) * header.frames
    return float(ticks * video.time_base)


def part_sizes(source: str) -> dict[str, float]:
    """Bytes by part of the file: grids by level, layers, side information, container. Decodes all symbols."""
    from nvrc_core.segment import SegmentDecoder  # torch: only where it is needed

    sizes: Counter[str] = Counter()
    coded = 0
    with open_stream(source) as stream:
        for segment in stream.segments:
            decoder = SegmentDecoder(segment.header, segment.payload, stream.header.video)
            sizes.update({part: bits / 8 for part, bits in decoder.encoding.bits.items()})
            coded += len(segment.payload)
        sizes["container"] = stream.size() - coded
    return dict(sizes)
