"""The training loop of motion-compensated wavelets: trees of linear pictures, from a warm start to symbols.

The network, which has no part in these, is fitted afterwards (`network_fit`).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from nvrc_core.compression.quantise import round_through
from nvrc_core.compression.row_symbols import known_symbols
from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.compression.side_information import (
    STEPS_PER_OCTAVE,
    SideSpec,
    SideValues,
    join_side,
    round_side,
    split_side,
    step_size,
)
from nvrc_core.events import FitProgress
from nvrc_core.fitting.curvature import mean_curvature
from nvrc_core.fitting.losses import Distortion, psnr_yuv_db
from nvrc_core.fitting.motion_recipe import FRAMES_A_STEP, MotionRecipe
from nvrc_core.fitting.rate_control import QUALITY_WEIGHT_BOUNDS
from nvrc_core.fitting.row_adam import RowAdam
from nvrc_core.fitting.settling import settle
from nvrc_core.fitting.step_graphs import StepGraphs
from nvrc_core.fitting.trainer import Fitted
from nvrc_core.fitting.training_sets import RowSet, TrainingSets
from nvrc_core.fitting.warm_start import WarmStart
from nvrc_core.representation.motion_channels import MOTION
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.prediction_filter import FILTER

ADAM_BETAS = (0.7, 0.99)
# The rate is brought to its target a few times, early, as each time training has to get used to other steps: once more
# where a frame will still be seen so often.
CORRECTIONS, LATE_CORRECTION, LATE_VISITS = (0.1, 0.25, 0.5), 0.75, 12
TOLERANCE = (-0.06, 0.02)  # octaves of the rate: finer steps bring more bits than one sees at once
MAX_CORRECTION = 1.0  # octaves of the steps
RATE_EXPONENT = 1.1  # octaves of rate in an octave of all steps, about
DRIFT = 1.5  # times what is missing is added, as training goes on to save bits
TO_GAIN = 0.2  # share of the bits that bands must have for coarser steps to help where the rest alone is too much

SETTLING_STEPS = 40  # before the fit, on the symbols of the warm start
MAX_STEP_RATE = 0.05  # indices an optimiser step: the next index changes whole pictures, which takes time to mend
# Indices as well: priors of grids are settled before, and a short fit cannot mend an overshoot. Weights of motion's
# predictions count by far the most where all of the picture moves, and start at their best.
MAX_PRIOR_RATE, MAX_MEAN_RATE = 2.0, 0.02
SHARE_RATE = 1e-6  # as good as nothing: all that inherits would have to be coded anew
CURVATURE_SETS = 4  # at most, for an estimate
STEPS_A_CURVATURE_SET = 64  # of the fit, so that estimates take a small share of a short one


class MotionTrainer:
    """Fits the linear pictures of motion-compensated wavelets to one segment.

    `scheme`: that of all but the network. `planes`: integer samples [T, H, W] of Y, U, V on the device, at most `peak`.
    A step takes one set of frames (`TrainingSets`); its loss is an estimate of the whole segment's: bits per luma
    pixel + lambda * distortion.
    """

    def __init__(
        self,
        representation: MotionWavelet,
        scheme: Scheme,
        planes: Sequence[Tensor],
        start: WarmStart,
        recipe: MotionRecipe,
        *,
        target_bits: float | None,
        quality_weight: float,
        distortion: Distortion,
        peak: int,
        seed: int,
    ) -> None:
        self.representation, self.scheme, self.recipe = representation, scheme, recipe
        self.target_bits, self.quality_weight = target_bits, quality_weight
        self.planes, self.peak, self.distortion = planes, peak, distortion
        self.device = planes[0].device
        intervals = self.intervals = representation.intervals
        self.pixels = planes[0].numel()
        self._times = torch.tensor(intervals.frame, device=self.device)
        self._context = torch.tensor(intervals.context, device=self.device)
        self.sets = TrainingSets(intervals, self.device)
        self._weights = self.sets.weights
        self.steps = recipe.steps_for(intervals.frames)
        self._draw = torch.Generator().manual_seed(seed)
        self._noise = torch.Generator(device=self.device).manual_seed(seed)

        parameters = representation.initial_parameters((0.5, 0.5, 0.5), self._draw)
        parameters[FILTER] = start.filter.cpu()
        side = scheme.initial_motion_side(parameters, start)
        self._levels = torch.tensor(intervals.level, device=self.device)
        grids = {name: grid.to(self.device) for name, grid in start.values.items()}
        self.grids = RowAdam(grids, self._levels, ADAM_BETAS)
        self.layers = scheme.layer_prior.flatten(parameters).to(self.device).clone().requires_grad_()
        # Side information is one vector, learned in units of its own learning rates.
        self._side_units = torch.cat([self._side_unit(spec) for spec in scheme.side_specs]).to(self.device)
        self.side = (join_side(scheme.side_specs, side).to(self.device) / self._side_units).requires_grad_()
        self._optimiser = torch.optim.Adam(
            [
                {"params": [values], "lr": torch.zeros((), device=self.device), "peak": peak_rate}
                for values, peak_rate in ((self.layers, recipe.layer_rate), (self.side, 1.0))
            ],
            betas=ADAM_BETAS,
            eps=1e-15,
            foreach=False,
            capturable=self.device.type == "cuda",
        )
        levels = intervals.levels
        self._curvature = {name: grid.new_zeros(levels, grid.shape[-1]) for name, grid in self.grids.grids.items()}
        # What changes from step to step is where a recorded step finds it.
        self._rate, self._lambda = (torch.ones((), device=self.device) for _ in range(2))
        self._graphs = StepGraphs(self.device, (self._noise,))
        self._bits = 0.0

    def _side_unit(self, spec: SideSpec) -> Tensor:
        recipe, is_step = self.recipe, spec.group.endswith("step")
        if spec.group.startswith(("band.", "motion.")):
            travel, most = (recipe.step_travel, MAX_STEP_RATE) if is_step else (recipe.prior_travel, MAX_PRIOR_RATE)
            most = {"motion.mean": MAX_MEAN_RATE, "motion.share": SHARE_RATE}.get(spec.group, most)
        else:
            travel, most = (recipe.layer_step_travel if is_step else recipe.layer_prior_travel), math.inf
        return torch.full(spec.shape, min(most, travel / self.steps)).flatten()

    def run(self, on_progress: Callable[[FitProgress], None]) -> Fitted:
        """All steps; the hard-rounded end state."""
        order = self.sets.order(self._draw)
        self._lambda.fill_(self.quality_weight)
        corrections = self._corrections()
        self._settle(order)
        self._correct()
        self._measure_curvature(order)
        start = time.monotonic()
        for step in range(self.steps):
            if step in corrections:
                self._correct()
                self._measure_curvature(order)
            quality_db = self.step(step, next(order))
            elapsed = time.monotonic() - start
            on_progress(
                FitProgress(
                    phase="stage 2" if self._is_hard(step) else "stage 1",
                    step=step + 1,
                    steps=self.steps,
                    psnr_yuv_db=quality_db,
                    bpp=self._bits / self.pixels,
                    quality_weight=self.quality_weight,
                    elapsed_s=elapsed,
                    remaining_s=elapsed / (step + 1) * (self.steps - step - 1),
                )
            )
        return Fitted(self.hard_rounded(), self.quality_weight)

    def _corrections(self) -> set[int]:
        """The steps before which the rate is corrected."""
        visits_left = (1 - LATE_CORRECTION) * self.steps * FRAMES_A_STEP / self.intervals.frames
        late = (LATE_CORRECTION,) if visits_left >= LATE_VISITS else ()
        return {round(self.steps * progress) for progress in (*CORRECTIONS, *late)} - {0}

    def _is_hard(self, step: int) -> bool:
        return step >= self.steps * (1 - self.recipe.hard_share)

    def step(self, step: int, seen: RowSet) -> float:
        """One optimiser step; the PSNR-YUV of its rows."""
        hard = self._is_hard(step)
        self._rate.fill_(self.recipe.learning_rate(step / self.steps))
        for group in self._optimiser.param_groups:
            torch.mul(self._rate, group["peak"], out=group["lr"])
        return float(self._graphs.run((seen.rows, hard), partial(self.update, seen, hard)))

    def update(self, seen: RowSet, hard: bool) -> Tensor:
        """A step without what the host has to do for it."""
        rows, leaves = seen.index, self.grids.leaves(seen.index)
        side = self._rounded_side()
        layers = self.layers / step_size(self.scheme.layer_prior.step_indices(side))
        rounded_layers = round_through(layers)
        symbols = {name: round_through(leaf) for name, leaf in leaves.items()}
        rendered, wanted = self._rendered(rounded_layers, symbols, side, seen), self._wanted(rows)
        distortion = self._total(self.distortion(rendered, wanted), rows) + self._bending(leaves, rows)

        layers = rounded_layers if hard else layers + self._uniform(layers)  # a hard zero's rate has no gradient
        known = known_symbols(self.grids.grids, rows, self._context)
        row_bits = self.scheme.row_bits(leaves, known, rows, side)
        bits = (row_bits * self._weights[rows]).sum() + self.scheme.shared_bits(layers, side)
        loss = bits / self.pixels + self._lambda * distortion
        shared = (self.layers, self.side)
        gradients = torch.autograd.grad(loss, [*shared, *leaves.values()])
        for parameter, gradient in zip(shared, gradients, strict=False):
            parameter.grad = gradient
        self._optimiser.step()
        of_grids = dict(zip(leaves, gradients[len(shared) :], strict=True))
        self.grids.step(rows, of_grids, self.recipe.grid_rate * self._rate)
        return psnr_yuv_db(rendered, wanted)

    def _rendered(
        self, layers: Tensor, symbols: Mapping[str, Tensor], side: SideValues, seen: RowSet
    ) -> tuple[Tensor, ...]:
        parameters = self.scheme.dequantise_rows(layers, symbols, side, seen.index)
        return self.representation.linear_planes(parameters, seen.rows)

    def _total(self, by_row: Tensor, rows: Tensor) -> Tensor:
        """An estimate of the segment's mean over frames from some rows' values [N]."""
        return (by_row * self._weights[rows]).sum() / self.intervals.frames

    # -- before and between steps -------------------------------------------------------------------------

    def _settle(self, order: Iterator[RowSet]) -> None:
        specs, grids = self.scheme.side_specs, self.grids.grids
        side = split_side(specs, self.side.detach() * self._side_units)
        sets = (seen.index for seen in order)
        settled = settle(self.scheme, side, grids, self._context, sets, self._weights, SETTLING_STEPS)
        with torch.no_grad():
            self.side.copy_(join_side(specs, settled) / self._side_units)

    def _measure_curvature(self, order: Iterator[RowSet]) -> None:
        """See `curvature`: of the distortion, without lambda."""
        side = self._rounded_side()
        layers = (self.layers.detach() / step_size(self.scheme.layer_prior.step_indices(side))).round()

        def gradients(seen: RowSet, symbols: Mapping[str, Tensor]) -> dict[str, Tensor]:
            leaves = {name: values.detach().requires_grad_() for name, values in symbols.items()}
            by_row = self.distortion(self._rendered(layers, leaves, side, seen), self._wanted(seen.index))
            total = self._total(by_row, seen.index)
            found = torch.autograd.grad(total, list(leaves.values()), materialize_grads=True)
            return dict(zip(leaves, found, strict=True))

        sets = min(CURVATURE_SETS, len(self.sets.sets), max(1, self.steps // STEPS_A_CURVATURE_SET))
        found = mean_curvature(
            gradients,
            self.grids.grids,
            (tuple(name for name in self.grids.grids if name != MOTION), (MOTION,)),
            [next(order) for _ in range(sets)],
            self._levels,
            self._weights,
            self._draw,
        )
        for name, curvature in found.items():
            self._curvature[name].copy_(curvature)

    def _bending(self, leaves: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """What adds to straight-through gradients that rounding took the symbols elsewhere: see `curvature`."""
        levels, total = self._levels[rows], self.side.new_zeros(())
        for name, curvature in self._curvature.items():
            squares = (leaves[name] - leaves[name].detach().round()).square().sum(dim=(1, 2))
            total = total + (squares * curvature[levels] * self._weights[rows].unsqueeze(1)).sum() / 2
        return total

    @torch.no_grad()
    def _correct(self) -> None:
        """Brings the rate to its target, as far as it can be told by now: lambda, within its bounds, and the steps that
        belong to it; motion keeps those that it was found in."""
        rate = self.scheme.rate(self.hard_rounded())
        bits = self._bits = float(rate.total)
        if self.target_bits is None:
            return
        excess = math.log2(bits / self.target_bits)
        in_bands = float(sum(grid for name, grid in rate.grids.items() if name != MOTION))
        in_vain = bits - in_bands > self.target_bits and in_bands < TO_GAIN * bits
        if TOLERANCE[0] < excess < TOLERANCE[1] or in_vain:
            return
        low, high = QUALITY_WEIGHT_BOUNDS
        wanted = min(MAX_CORRECTION, max(-MAX_CORRECTION, min(excess, excess * DRIFT) / RATE_EXPONENT))
        quality_weight = min(high, max(low, self.quality_weight * 4**-wanted))
        octaves = math.log(self.quality_weight / quality_weight, 4)
        specs = self.scheme.side_specs
        side = split_side(specs, self.side * self._side_units)
        moved = self.scheme.shifted_side(side, octaves * STEPS_PER_OCTAVE)
        before = self._grid_steps()
        self.side.copy_(join_side(specs, moved) / self._side_units)
        after = self._grid_steps()
        self.grids.scale({name: steps / after[name] for name, steps in before.items()})
        self.quality_weight = quality_weight
        self._lambda.fill_(quality_weight)

    def _grid_steps(self) -> dict[str, Tensor]:
        """Step sizes in force, by grid: side information counts as it is rounded."""
        return dict(self.scheme.grid_steps(self._rounded_side()))

    def _rounded_side(self) -> dict[str, Tensor]:
        return split_side(self.scheme.side_specs, round_side(self.side * self._side_units))

    def _uniform(self, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=self._noise, device=like.device) - 0.5

    def _wanted(self, rows: Tensor) -> list[Tensor]:
        times = self._times[rows]
        return [plane[times].float() / self.peak for plane in self.planes]

    @torch.no_grad()
    def hard_rounded(self) -> Symbols:
        """The symbols of the current state."""
        side = self._rounded_side()
        layers = (self.layers / step_size(self.scheme.layer_prior.step_indices(side))).round()
        grids = {name: grid.round() for name, grid in self.grids.grids.items()}
        return Symbols({name: value.clone() for name, value in side.items()}, layers, grids)
