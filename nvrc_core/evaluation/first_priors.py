"""The first values of wavelets' priors, made again from clips.

    python -m nvrc_core.evaluation.first_priors CLIP... [--frames 33] [--lambdas 50,400,3000]

For each clip and lambda the priors settle on the symbols of the warm start; printed are the means of what they come to,
rounded, under the names of the constants in `compression/band_prior.py` and `compression/motion_prior.py`.
"""

import argparse
from collections.abc import Iterable
from itertools import product, repeat
from pathlib import Path

import torch
from nvrc_formats.header import MotionWaveletShape
from torch import Tensor

from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.settling import settle
from nvrc_core.fitting.warm_start import pad_planes, warm_start
from nvrc_core.kinds import linear_scheme_for
from nvrc_core.media.selection import FrameRange, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.representation.intervals import default_keys
from nvrc_core.representation.motion_wavelet import MotionWavelet

CONSTANTS = {
    "band.neighbours": "INITIAL_CLASS_WEIGHTS",
    "band.outer": "INITIAL_OUTER_WEIGHTS",
    "band.slope": "INITIAL_SLOPES",
    "band.mean": "INITIAL_MEAN_WEIGHTS",
    "motion.weight": "INITIAL_ACTIVITY_WEIGHTS",
    "motion.slope": "INITIAL_SLOPE",
}
"""Constants by the side information that starts from them."""

STEPS = 100


def settled_priors(clip: Path, frames: int, quality_weight: float) -> dict[str, Tensor]:
    """Side information, learned, of the first frames of a clip (two at least) at a lambda."""
    with open_source(str(clip)) as source:
        read = read_clip(source, FrameRange(0, frames))
    planes, peak = [torch.from_numpy(plane) for plane in read.planes], read.video.pixel_format.peak
    shape = MotionWaveletShape(default_keys(read.frame_count), channels=4, blocks=1)
    representation = MotionWavelet(shape, read.video, read.frame_count)
    scheme, intervals = linear_scheme_for(representation), representation.intervals
    motion = search_motion(pad_planes(planes)[0], intervals, quality_weight=quality_weight, peak=peak)
    start = warm_start(planes, intervals, motion, quality_weight, peak=peak)
    parameters = representation.initial_parameters((0.5, 0.5, 0.5), torch.Generator().manual_seed(0))
    side = scheme.initial_motion_side(parameters, start)
    everything, once = torch.arange(intervals.frames), torch.ones(intervals.frames)
    context = torch.tensor(intervals.context)
    return settle(scheme, side, start.symbols, context, repeat(everything), once, STEPS)


def typical(priors: Iterable[dict[str, Tensor]]) -> dict[str, list]:
    """Constants, as nested lists of whole numbers, from the side information of several fits."""
    of_fits = list(priors)
    means = {name: torch.stack([side[name] for side in of_fits]).mean(0) for name in CONSTANTS}
    means["motion.slope"] = means["motion.slope"].mean()
    # Adding zero makes negative zeros positive.
    return {constant: (means[name].round() + 0.0).tolist() for name, constant in CONSTANTS.items()}


def main(arguments: list[str] | None = None) -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(
        prog="python -m nvrc_core.evaluation.first_priors", description=__doc__.split("\n")[0]
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--frames", type=int, default=33, help="of each clip, from its first")
    parser.add_argument("--lambdas", default="50,400,3000")
    given = parser.parse_args(arguments)
    lambdas = [float(text) for text in given.lambdas.split(",")]
    priors = (settled_priors(clip, given.frames, weight) for clip, weight in product(given.clips, lambdas))
    for constant, values in typical(priors).items():
        print(f"{constant} = {values}")


if __name__ == "__main__":
    main()
