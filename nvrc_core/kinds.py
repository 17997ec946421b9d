"""What goes with each kind of representation that a header can name."""

from nvrc_formats.header import HinervShape, MotionWaveletShape, Shape
from nvrc_formats.video import VideoFormat

from nvrc_core.compression.scheme import Scheme
from nvrc_core.representation.base import Representation
from nvrc_core.representation.hinerv import Hinerv
from nvrc_core.representation.motion_wavelet import MotionWavelet

REPRESENTATIONS = {HinervShape: Hinerv, MotionWaveletShape: MotionWavelet}


def representation_for(shape: Shape, video: VideoFormat, frames: int) -> Representation:
    """The representation of `frames` frames of `video` that a header describes."""
    return REPRESENTATIONS[type(shape)](shape, video, frames)


def scheme_for(representation: Representation) -> Scheme:
    """The compression scheme of a representation."""
    intervals = representation.intervals if isinstance(representation, MotionWavelet) else None
    return Scheme(representation.specs, intervals)


def linear_scheme_for(representation: MotionWavelet) -> Scheme:
    """That of its linear pictures: of all but the network."""
    return Scheme(representation.linear_specs, representation.intervals)
