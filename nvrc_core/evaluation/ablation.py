"""What each main ingredient of the default representation gives: fits that go without it, one at a time.

    python -m nvrc_core.evaluation.ablation CLIP... [--preset fast] [--frames 33] [--lambdas 100,1000] [--seeds 0,1]

Every fit is a whole encode at a fixed lambda with the same number of optimiser steps, and its file is decoded as ever;
but nobody else could decode the files made without a part of the decoder. Printed is a Markdown table: bits relative to
those of the whole codec at equal PSNR-YUV and at equal PSNR-Y, on the line through the logarithms of two rates.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from nvrc_core.compression import band_prior
from nvrc_core.compression.band_prior import BandPrior
from nvrc_core.compression.motion_prior import MotionPrior
from nvrc_core.config import EncodeConfig
from nvrc_core.encode import EncodeResult, encode
from nvrc_core.fitting import motion_coding, motion_fit, motion_trainer, row_adam, warm_start
from nvrc_core.fitting.motion_trainer import MotionTrainer
from nvrc_core.fitting.network_fit import NetworkFit
from nvrc_core.fitting.row_adam import EPSILON, RowAdam
from nvrc_core.fitting.warm_start import WarmStart
from nvrc_core.media.selection import FrameRange
from nvrc_core.representation import motion_wavelet, sizing
from nvrc_core.representation.motion_channels import FADE, MOTION
from nvrc_core.representation.prediction_filter import WEIGHTS

WHOLE = "nothing"
QUALITIES = ("psnr_yuv", "psnr_y")


# -- ingredients ------------------------------------------------------------------------------------------


@contextmanager
def _motion() -> Iterator[None]:
    """Everything stands still, and stays so."""
    search, step = motion_fit.search_motion, RowAdam.step

    def still(*arguments: Any, **options: Any) -> Tensor:
        return torch.zeros_like(search(*arguments, **options))

    def others(self: RowAdam, rows: Tensor, gradients: Mapping[str, Tensor], rate: float) -> None:
        step(self, rows, {name: gradient for name, gradient in gradients.items() if name != MOTION}, rate)

    with patch.object(motion_fit, "search_motion", still), patch.object(RowAdam, "step", others):
        yield


def _motion_coding() -> AbstractContextManager:
    """Motion as it is, in the smallest cells and in half samples, whatever suits the clip."""
    return patch.object(motion_fit, "choose_motion_coding", lambda *_, **__: motion_coding.USUAL)


def _overlaps() -> AbstractContextManager:
    """Flow is interpolated, also where it jumps."""
    choose = motion_fit.choose_motion_coding
    return patch.object(motion_fit, "choose_motion_coding", lambda *a, **b: replace(choose(*a, **b), overlaps=False))


@contextmanager
def _fades() -> Iterator[None]:
    """Every prediction counts in full."""
    choose, step = warm_start.choose_fade, RowAdam.step

    def none(*arguments: Any) -> Tensor:
        return torch.zeros_like(choose(*arguments))

    def others(self: RowAdam, rows: Tensor, gradients: Mapping[str, Tensor], rate: float) -> None:
        of_motion = gradients[MOTION].clone()
        of_motion[..., FADE] = 0
        step(self, rows, {**gradients, MOTION: of_motion}, rate)

    with patch.object(warm_start, "choose_fade", none), patch.object(RowAdam, "step", others):
        yield


@contextmanager
def _filter() -> Iterator[None]:
    """Predictions as they are; the weights, of no effect, stay zero."""
    with ExitStack() as stack:
        for module in (warm_start, motion_wavelet):
            stack.enter_context(patch.object(module, "filtered", lambda luma, _: luma))
        stack.enter_context(patch.object(warm_start, "choose_filter", lambda luma, _: luma.new_zeros(WEIGHTS)))
        yield


def _hierarchy() -> AbstractContextManager:
    """Every frame is predicted from the one before it, as far as that goes: all are keys."""
    return patch.object(sizing, "default_keys", lambda frames, *_: tuple(range(frames)))


def _warm_start() -> AbstractContextManager:
    """Mid-grey, with the motion that was found."""
    start = motion_fit.warm_start

    def cold(*arguments: Any, **options: Any) -> WarmStart:
        warm = start(*arguments, **options)
        values = {name: grid if name == MOTION else torch.zeros_like(grid) for name, grid in warm.values.items()}
        return replace(warm, values=values)

    return patch.object(motion_fit, "warm_start", cold)


def _network() -> AbstractContextManager:
    """Linear pictures; all weights are zero."""

    def none(self: NetworkFit, weights: Tensor, *_: Any) -> tuple[Tensor, dict[str, Tensor]]:
        nothing = torch.zeros_like(weights)
        return nothing, self._side_of(nothing)

    return patch.object(NetworkFit, "_trained", none)


@contextmanager
def _context() -> Iterator[None]:
    """One scale for each channel of a level and phase, whatever lies around a value."""
    with ExitStack() as stack:
        for prior in (BandPrior, MotionPrior):
            stack.enter_context(patch.object(prior, "_activity", _nothing_of(prior._activity)))
        yield


def _nothing_of(activity: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *arguments: activity(*arguments) * 0


@contextmanager
def _first_priors() -> Iterator[None]:
    """Weights of contexts start from zero, and do not settle before the fit."""
    with ExitStack() as stack:
        for name in ("INITIAL_CLASS_WEIGHTS", "INITIAL_OUTER_WEIGHTS", "INITIAL_MEAN_WEIGHTS"):
            nothing = (torch.tensor(getattr(band_prior, name)) * 0).tolist()
            stack.enter_context(patch.object(band_prior, name, nothing))
        stack.enter_context(patch.object(motion_trainer, "settle", lambda scheme, side, *_: side))
        yield


def _curvature() -> AbstractContextManager:
    """Plain straight-through rounding."""
    return patch.object(MotionTrainer, "_measure_curvature", lambda self, order: None)


def _shared_moments() -> AbstractContextManager:
    """Adam as it was published: a second moment for each value, and moves as they come."""

    @torch.no_grad()
    def step(self: RowAdam, rows: Tensor, gradients: Mapping[str, Tensor], rate: float | Tensor) -> None:
        self._row_visits[rows] += 1
        first_bias, second_bias = ((1 - beta ** self._row_visits[rows]).view(-1, 1, 1, 1) for beta in self._betas)
        for name, gradient in gradients.items():
            first = self._first[name][rows].lerp_(gradient, 1 - self._betas[0])
            second = self._nearby[name][rows].lerp_(gradient.square(), 1 - self._betas[1])
            self._first[name][rows], self._nearby[name][rows] = first, second
            move = first / first_bias / (second / second_bias).sqrt_().add_(EPSILON)
            self.grids[name].index_add_(0, rows, move.mul_(-rate))

    return patch.object(RowAdam, "step", step)


def _bounded_moves() -> AbstractContextManager:
    return patch.object(row_adam, "MAX_MOVE", math.inf)


INGREDIENTS: dict[str, Callable[[], AbstractContextManager]] = {
    "motion": _motion,
    "choice of how motion is coded": _motion_coding,
    "overlapped motion": _overlaps,
    "fades": _fades,
    "filter of predictions": _filter,
    "hierarchy of references": _hierarchy,
    "warm start": _warm_start,
    "network": _network,
    "context modelling": _context,
    "first values of priors": _first_priors,
    "curvature in gradients": _curvature,
    "shared second moments": _shared_moments,
    "bounded moves": _bounded_moves,
}
"""What can be left out, by names for a table: context managers within which an encode goes without."""


# -- fits and the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """log(bpp) over decibels, through two or more points."""

    points: tuple[tuple[float, float], ...]  # (quality, log of bpp)

    @property
    def middle(self) -> float:
        return fmean(quality for quality, _ in self.points)

    def at(self, quality: float) -> float:
        """log(bpp), by least squares, also beyond the points; infinite where more bits do not bring more quality."""
        mean = fmean(rate for _, rate in self.points)
        spread = sum((x - self.middle) ** 2 for x, _ in self.points)
        together = sum((x - self.middle) * (y - mean) for x, y in self.points)
        return mean + together / spread * (quality - self.middle) if together > 0 else math.inf


def line_of(results: Iterable[EncodeResult], quality: str) -> Line:
    """The line of a fit's results, by one of QUALITIES."""
    return Line(tuple((getattr(result, quality), math.log(result.bpp)) for result in results))


def excess_percent(whole: Line, without: Line) -> float:
    """How many more bits it takes without, at the middle quality of the whole."""
    return 100 * (math.exp(without.at(whole.middle) - whole.at(whole.middle)) - 1)


def encode_without(ingredient: str, clip: Path, config: EncodeConfig) -> EncodeResult:
    """The figures of an encode that goes without an ingredient (a key of INGREDIENTS, or WHOLE)."""
    with ExitStack() as stack:
        if ingredient != WHOLE:
            stack.enter_context(INGREDIENTS[ingredient]())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        return encode(str(clip), str(Path(folder) / "out.nvrc"), config)


def table(excess: Mapping[tuple[str, str, int], tuple[float, float]], clips: list[str], seeds: list[int]) -> str:
    """Markdown of `excess`, percent on both QUALITIES by (ingredient, clip, seed); infinite where no rate brings the
    quality back."""
    lines = [f"| without | {' | '.join(clips)} | mean |", "|---" * (len(clips) + 2) + "|"]
    for ingredient in dict.fromkeys(name for name, _, _ in excess):
        cells, means = [], []
        for clip in clips:
            of_seeds = [excess[ingredient, clip, seed] for seed in seeds]
            mean = tuple(map(fmean, zip(*of_seeds, strict=True)))
            spread = max(values[0] for values in of_seeds) - min(values[0] for values in of_seeds)
            cells.append(f"{_both(mean)} ({spread:.1f})" if math.isfinite(spread) else _both(mean))
            means.append(mean)
        lines.append(f"| {ingredient} | {' | '.join(cells)} | {_both(tuple(map(fmean, zip(*means, strict=True))))} |")
    return "\n".join(lines)


def _both(percent: tuple[float, ...]) -> str:
    return " / ".join(f"{value:+.1f}" if math.isfinite(value) else "out of reach" for value in percent)


def main(arguments: list[str] | None = None) -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(prog="python -m nvrc_core.evaluation.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--without", nargs="+", default=list(INGREDIENTS), choices=INGREDIENTS, metavar="INGREDIENT")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--frames", type=int, default=33, help="of each clip, from its first")
    parser.add_argument("--lambdas", default="100,1000", help="two or more")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    lambdas, seeds = [float(text) for text in given.lambdas.split(",")], [int(text) for text in given.seeds.split(",")]
    excess = {}
    for clip, seed in product(given.clips, seeds):
        whole = {}
        for ingredient in (WHOLE, *given.without):
            configs = (
                EncodeConfig(
                    preset=given.preset,
                    quality_weight=weight,
                    frames=FrameRange(0, given.frames),
                    seed=seed,
                    threads=given.threads,
                )
                for weight in lambdas
            )
            results = [encode_without(ingredient, clip, config) for config in configs]
            lines = {quality: line_of(results, quality) for quality in QUALITIES}
            whole = whole or lines
            percent = tuple(excess_percent(whole[quality], lines[quality]) for quality in QUALITIES)
            points = ", ".join(f"{r.bpp:.4f} bpp {r.psnr_yuv:.2f} dB {r.encode_s:.0f} s" for r in results)
            print(f"{clip.stem}, seed {seed}, without {ingredient}: {points}", file=sys.stderr, flush=True)
            if ingredient != WHOLE:
                excess[ingredient, clip.stem, seed] = percent
    print(table(excess, [clip.stem for clip in given.clips], seeds))


if __name__ == "__main__":
    main()
