"""What goes with each kind of representation that a header can name."""

from nvrc_formats.header import MotionWaveletShape, Shape
from nvrc_formats.video import VideoFormat

from nvrc_core.compression.scheme import Scheme
from nvrc_core.representation.base import Representation
from nvrc_core.representation.hinerv import Hinerv


def representation_for(shape: Shape, video: VideoFormat, frames: int) -> Representation:
    """The representation of `frames` frames of `video` that a header describes."""
    if isinstance(shape, MotionWaveletShape):
        from nvrc_core.representation.motion_wavelet import MotionWavelet

        return MotionWavelet(shape, video, frames)
    return Hinerv(shape, video, frames)


def scheme_for(representation: Representation) -> Scheme:
    """The compression scheme of a representation."""
    return Scheme(representation.specs)
