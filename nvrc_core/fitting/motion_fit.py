"""A whole fit of motion-compensated wavelets: search, warm start at the right quality, training, the network."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from nvrc_formats.header import MotionWaveletShape
from nvrc_formats.video import VideoFormat
from torch import Tensor

from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.events import NETWORK_PHASE, FitProgress
from nvrc_core.fitting.losses import Distortion
from nvrc_core.fitting.motion_choice import choose_motion_coding
from nvrc_core.fitting.motion_coding import USUAL, MotionCoding
from nvrc_core.fitting.motion_recipe import MotionRecipe
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.motion_trainer import MotionTrainer
from nvrc_core.fitting.network_fit import NetworkFit
from nvrc_core.fitting.rate_control import QUALITY_WEIGHT_BOUNDS, typical_quality_weight
from nvrc_core.fitting.trainer import Fitted
from nvrc_core.fitting.warm_start import WarmStart, pad_planes, warm_start
from nvrc_core.kinds import linear_scheme_for
from nvrc_core.representation.motion_channels import MOTION
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.profile import WEIGHT_BITS

SEARCH_TOLERANCE = 0.03  # of the bits
MOST_TRIES = 8
MOST_SEARCHES, NEAR_WEIGHT = 3, 1.0
"""Motion is searched, and its coding chosen, at most so often: again where the quality weight that its cost leaves is
at least so many octaves away from the one it was searched with. The first search is in the usual cells, of which motion
alone can take more than all bits."""
SETTLED = 0.92
"""Of the bits of a warm start, about what is left when its priors have settled (`MotionTrainer`)."""
EXPONENT = 0.8  # bits grow a little slower than lambda
FLAT_STRIDE = math.log(16)  # of lambda, where bits hardly grow


def fit_motion(
    shape: MotionWaveletShape,
    video: VideoFormat,
    planes: Sequence[Tensor],
    recipe: MotionRecipe,
    *,
    target_bits: float | None,
    quality_weight: float | None,
    distortion: Distortion,
    seed: int,
    on_progress: Callable[[FitProgress], None],
) -> tuple[MotionWaveletShape, Fitted]:
    """Fits integer planes Y, U, V [T, H, W] at a rate or at a quality weight, in the given shape, but for how motion is
    given, which is what suits the video."""
    luma, peak = pad_planes(planes)[0], video.pixel_format.peak
    network_bits = _network_bits(shape, video, len(luma))

    def start_in(coding: MotionCoding, weight: float) -> tuple[MotionWavelet, Scheme, WarmStart, float]:
        """A start from motion searched at a quality weight; and the one it ends with, to meet the rate."""
        of_coding = replace(shape, motion_cell=coding.cell, overlaps=coding.overlaps)
        representation = MotionWavelet(of_coding, video, len(luma))
        scheme, intervals = linear_scheme_for(representation), representation.intervals
        motion = search_motion(luma, intervals, coding=coding, quality_weight=weight, peak=peak)
        start_at = partial(
            warm_start,
            planes,
            intervals,
            motion,
            peak=peak,
            luma_shift=distortion.luma_shift,
            coding=coding,
        )
        if target_bits is None:
            return representation, scheme, start_at(weight), weight
        bits_of = partial(_bits_of, representation, scheme, network_bits)
        return representation, scheme, *_start_with_bits(start_at, bits_of, target_bits / SETTLED, weight)

    weight = quality_weight
    if weight is None:  # what motion may cost follows from a quality that is known after a first search
        *_, weight = start_in(USUAL, typical_quality_weight(target_bits / planes[0].numel()))
    for _ in range(MOST_SEARCHES):
        searched = weight
        coding = choose_motion_coding(planes, quality_weight=searched, peak=peak)
        representation, scheme, start, weight = start_in(coding, searched)
        if abs(math.log2(weight / searched)) < NEAR_WEIGHT:
            break
    network_bpp, start_s = network_bits / planes[0].numel(), time.monotonic()
    fitted = MotionTrainer(
        representation,
        scheme,
        planes,
        start,
        recipe,
        # The smallest network may take more than is asked for.
        target_bits=None if target_bits is None else max(target_bits - network_bits, target_bits / 2),
        quality_weight=weight,
        distortion=distortion,
        peak=peak,
        seed=seed,
    ).run(lambda progress: on_progress(replace(progress, bpp=progress.bpp + network_bpp)))
    weight, steps, network_start_s = fitted.quality_weight, recipe.network_steps_for(len(luma)), time.monotonic()
    bpp = float(scheme.rate(fitted.symbols).total) / planes[0].numel() + network_bpp

    def on_network_step(step: int, quality_db: float) -> None:
        now_s = time.monotonic()
        remaining_s = (now_s - network_start_s) / step * (steps - step)
        elapsed_s = now_s - start_s
        on_progress(FitProgress(NETWORK_PHASE, step, steps, quality_db, bpp, weight, elapsed_s, remaining_s))

    network_fit = NetworkFit(
        representation,
        planes,
        quality_weight=weight,
        distortion=distortion,
        peak=peak,
        draw=torch.Generator().manual_seed(seed),
        on_step=on_network_step,
    )
    return representation.shape, Fitted(network_fit.run(fitted.symbols, steps), weight)


def _network_bits(shape: MotionWaveletShape, video: VideoFormat, frames: int) -> float:
    """About what the network will take."""
    return WEIGHT_BITS * sum(spec.size for spec in MotionWavelet(shape, video, frames).network_specs)


def _bits_of(representation: MotionWavelet, scheme: Scheme, network_bits: float, start: WarmStart) -> float:
    """What a start takes with a filter that is zero, and the network."""
    parameters = representation.initial_parameters((0.5, 0.5, 0.5), torch.Generator())
    device = start.symbols[MOTION].device
    side = {name: values.to(device) for name, values in scheme.initial_motion_side(parameters, start).items()}
    layers = torch.zeros_like(scheme.layer_prior.flatten(parameters), device=device)
    return float(scheme.rate(Symbols(side, layers, start.symbols)).total) + network_bits


def _start_with_bits(
    start_at: Callable[[float], WarmStart],
    bits_of: Callable[[WarmStart], float],
    wanted_bits: float,
    first_weight: float,
) -> tuple[WarmStart, float]:
    """The warm start whose bits are nearest to those wanted, and its quality weight: a search by secants of log(bits)
    over log(weight)."""
    low, high = (math.log(bound) for bound in QUALITY_WEIGHT_BOUNDS)
    tried: dict[float, float] = {}
    kept: dict[float, WarmStart] = {}  # the nearest, alone: they are large

    def error_at(log_weight: float) -> float:
        start = start_at(math.exp(log_weight))
        error = math.log(max(bits_of(start), 1.0) / wanted_bits)
        tried[log_weight] = abs(error)
        if tried[log_weight] == min(tried.values()):
            kept.clear()
            kept[log_weight] = start
        return error

    log_weight, slope = math.log(first_weight), EXPONENT
    last: tuple[float, float] | None = None
    for _ in range(MOST_TRIES):
        error = error_at(log_weight)
        if abs(error) < SEARCH_TOLERANCE:
            break
        if last is not None and log_weight != last[0]:
            slope = min(2.0, max(0.3, (error - last[1]) / (log_weight - last[0])))
        last = (log_weight, error)
        log_weight = min(high, max(low, log_weight - error / slope))
        if log_weight in tried:
            break
    best = min(tried, key=tried.get)
    if tried[best] > SEARCH_TOLERANCE:  # frames so flat that all qualities take about the same get the best of them
        most, best = tried[best] + SEARCH_TOLERANCE, max(tried)
        while best < high and tried[best] <= most:
            best = min(high, best + FLAT_STRIDE)
            error_at(best)
        best = max(position for position, error in tried.items() if error <= most)
    return kept.get(best) or start_at(math.exp(best)), math.exp(best)
