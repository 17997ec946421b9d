"""One segment, from samples to bytes and from bytes to pictures: the unit of fitting, file and failure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from nvrc_formats.header import MotionWaveletShape, SegmentHeader, Shape
from nvrc_formats.video import VideoFormat

from nvrc_core.compression.segment_codec import Encoding, decode_symbols, encode_symbols
from nvrc_core.errors import SymbolMismatchError
from nvrc_core.events import FitProgress
from nvrc_core.fitting.losses import DISTORTIONS
from nvrc_core.fitting.motion_fit import fit_motion
from nvrc_core.fitting.trainer import fit_hinerv
from nvrc_core.kinds import representation_for, scheme_for
from nvrc_core.presets import DEFAULT_TUNE, Preset
from nvrc_core.rendering import Planes, render_frames


@dataclass(frozen=True)
class FittedSegment:
    """The shape that a segment took, its bytes, and the quality weight that its fit ended with."""

    shape: Shape
    encoding: Encoding
    quality_weight: float


def fit_segment(
    shape: Shape,
    video: VideoFormat,
    planes: list[np.ndarray],
    preset: Preset,
    *,
    tune: str = DEFAULT_TUNE,
    target_bits: float | None,
    quality_weight: float | None,
    device: torch.device,
    seed: int,
    on_progress: Callable[[FitProgress], None],
) -> FittedSegment:
    """Fits and codes integer planes [T, H, W] (Y, U, V) at a rate of `target_bits` or at a quality weight, in about the
    given shape: what follows from the pictures is found here.

    `tune`: the name of the distortion, one of the preset's. Raises MediaError where it needs RGB and the tags name none
    that is known.
    """
    fit = fit_motion if isinstance(shape, MotionWaveletShape) else fit_hinerv
    shape, fitted = fit(
        shape,
        video,
        [torch.from_numpy(plane).to(device) for plane in planes],
        preset.recipe,
        target_bits=target_bits,
        quality_weight=quality_weight,
        distortion=DISTORTIONS[tune](video),
        seed=seed,
        on_progress=on_progress,
    )
    scheme = scheme_for(representation_for(shape, video, len(planes[0])))
    return FittedSegment(shape, encode_symbols(scheme, fitted.symbols), fitted.quality_weight)


class SegmentDecoder:
    """Decodes the symbols of a segment at once (raises PayloadError, SymbolMismatchError), its frames on demand."""

    def __init__(self, header: SegmentHeader, payload: bytes, video: VideoFormat) -> None:
        self._representation = representation_for(header.representation, video, header.frames)
        self._peak = video.pixel_format.peak
        scheme = scheme_for(self._representation)
        symbols, self.encoding = decode_symbols(scheme, payload)
        if self.encoding.symbol_hash != header.symbol_hash:
            raise SymbolMismatchError(
                f"the symbols of the segment at frame {header.first_frame} are not those that were written"
            )
        self._parameters = scheme.dequantise(symbols)

    def frames(self, frames: range, device: torch.device, dtype: torch.dtype = torch.float32) -> Iterator[Planes]:
        """Integer planes [H, W] of the frames, counted from the segment's first."""
        return render_frames(
            self._representation, self._parameters, frames, peak=self._peak, device=device, dtype=dtype
        )
