"""The training loop of one segment: rate and distortion together, from fresh parameters to symbols."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from nvrc_formats.header import HinervShape
from nvrc_formats.video import VideoFormat
from torch import Tensor

from nvrc_core.compression.grid_prior import CONTEXT_GROUPS
from nvrc_core.compression.scheme import Scheme, Symbols, quantise
from nvrc_core.compression.side_information import SideSpec, join_side, round_side, split_side
from nvrc_core.compression.step_trim import trim_shift, trim_steps
from nvrc_core.events import FitProgress
from nvrc_core.fitting.losses import Distortion, psnr_yuv_db
from nvrc_core.fitting.rate_control import RateControl
from nvrc_core.fitting.recipe import Recipe
from nvrc_core.fitting.schedule import quantiser_at
from nvrc_core.kinds import scheme_for
from nvrc_core.representation.base import Representation
from nvrc_core.representation.hinerv import Hinerv

ADAM_BETAS = (0.9, 0.99)  # short fits: the second moment has to follow within a hundred steps
MAX_SIDE_RATE = 1.5  # indices an optimiser step: more overshoots
CHECK_FRAMES = 8  # frames that a candidate state is judged by
CHECKS = 5  # candidate states, in the second half of stage 2
# Steps that move after the fit cost quality: the rate has to be this far off before they do.
LAST_TRIM_TOLERANCE = 0.07


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit: symbols (hard-rounded) and the quality weight that the fit ended with."""

    symbols: Symbols
    quality_weight: float


class Trainer:
    """Fits a representation to one segment.

    `planes`: integer samples [T, H, W] of Y, U, V on `device`, at most `peak`. One seed gives one result on one
    machine. `rate_control` holds lambda: the loss is bits per luma pixel + lambda * distortion (of samples in
    [0, 1]).
    """

    def __init__(
        self,
        representation: Representation,
        scheme: Scheme,
        planes: Sequence[Tensor],
        recipe: Recipe,
        rate_control: RateControl,
        *,
        distortion: Distortion,
        peak: int,
        seed: int,
    ) -> None:
        self.representation, self.scheme, self.planes, self.recipe = representation, scheme, planes, recipe
        self.rate_control, self.peak, self.distortion = rate_control, peak, distortion
        self.device = planes[0].device
        self.frames, self.pixels = len(planes[0]), planes[0].numel()
        self.steps = recipe.steps_for(self.frames)
        self._noise = torch.Generator(device=self.device).manual_seed(seed)
        self._draw = torch.Generator().manual_seed(seed)

        means = tuple(float(plane.float().mean()) / peak for plane in planes)
        parameters = representation.initial_parameters(means, self._draw)
        side = scheme.initial_side(parameters, recipe.layer_bits, recipe.grid_step, self._draw)
        self.layers = self._leaf(scheme.layer_prior.flatten(parameters))
        self.grids = {spec.name: self._leaf(parameters[spec.name]) for spec in scheme.grid_specs}
        # Side information is one vector, learned in units of its own learning rates.
        self._side_units = torch.cat([self._side_unit(spec) for spec in scheme.side_specs]).to(self.device)
        self.side = self._leaf(join_side(scheme.side_specs, side).to(self.device) / self._side_units)
        self._leaves = [self.layers, self.side, *self.grids.values()]
        rates = [recipe.layer_rate, 1.0, *[recipe.grid_rate] * len(self.grids)]
        self._optimiser = torch.optim.Adam(
            [{"params": [leaf], "lr": rate, "peak": rate} for leaf, rate in zip(self._leaves, rates, strict=True)],
            betas=ADAM_BETAS,
            eps=1e-15,
            foreach=True,
        )
        self._rate_gradients: list[Tensor] = []
        self._bits = 0.0

    def _leaf(self, values: Tensor) -> Tensor:
        return values.to(self.device).clone().requires_grad_()

    def _side_unit(self, spec: SideSpec) -> Tensor:
        recipe = self.recipe
        if spec.group.endswith("step"):
            travel = recipe.step_travel
        else:
            travel = recipe.context_travel if spec.group in CONTEXT_GROUPS else recipe.prior_travel
        return torch.full(spec.shape, min(MAX_SIDE_RATE, travel / self.steps)).flatten()

    # -- the loop -----------------------------------------------------------------------------------------

    def run(self, on_progress: Callable[[FitProgress], None]) -> Fitted:
        """All steps; the best state of the end by the hard-rounded loss."""
        start = time.monotonic()
        batches = self._batches()
        checks = self._check_steps()
        best_loss, best, judging_weight = float("inf"), None, None
        second_stage = round(self.steps * (1 - self.recipe.second_stage))
        for step in range(self.steps):
            if step == second_stage:
                self._trim()
            quality_db = self._step(step, next(batches))
            if step + 1 in checks:
                # One lambda for all of them: the rate control moves its own, and with it the scale of the loss.
                judging_weight = judging_weight or self.rate_control.quality_weight
                candidate = self.hard_rounded()
                loss = self._hard_loss(candidate, judging_weight)
                if best is None or loss < best_loss:
                    best_loss, best = loss, candidate
            elapsed = time.monotonic() - start
            on_progress(
                FitProgress(
                    phase=f"stage {self.recipe.stage(step / self.steps)[0]}",
                    step=step + 1,
                    steps=self.steps,
                    psnr_yuv_db=quality_db,
                    bpp=self._bits / self.pixels,
                    quality_weight=self.rate_control.quality_weight,
                    elapsed_s=elapsed,
                    remaining_s=elapsed / (step + 1) * (self.steps - step - 1),
                )
            )
        assert best is not None
        return Fitted(best, self.rate_control.quality_weight)

    def _step(self, step: int, frames: Tensor) -> float:
        """One optimiser step on the frames [B]; their PSNR-YUV."""
        recipe, progress = self.recipe, step / self.steps
        quantiser = quantiser_at(recipe, progress, self._noise)
        values = self._values()
        if step % recipe.rate_interval == 0:
            rate = self.scheme.rate(quantise(values, quantiser.for_rate)).total
            self._rate_gradients = list(
                torch.autograd.grad(rate / self.pixels, self._leaves, retain_graph=True, materialize_grads=True)
            )
            self._bits = float(rate.detach())
            self.rate_control.update(self._bits, progress, recipe.rate_interval / self.steps)
        parameters = self.scheme.dequantise(quantise(values, quantiser.for_distortion))
        rendered, wanted = self._pictures(parameters, frames)
        loss = self.rate_control.quality_weight * self.distortion(rendered, wanted).mean()
        gradients = torch.autograd.grad(loss, self._leaves)
        for leaf, distortion, rate in zip(self._leaves, gradients, self._rate_gradients, strict=True):
            leaf.grad = distortion + rate
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * recipe.learning_rate(progress)
        self._optimiser.step()
        return float(psnr_yuv_db(rendered, wanted))

    def _values(self) -> Symbols:
        """The learned values in units of their steps."""
        side = split_side(self.scheme.side_specs, round_side(self.side * self._side_units))
        return self.scheme.in_steps(self.layers, self.grids, side)

    def _pictures(self, parameters: dict[str, Tensor], frames: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Rendered and wanted planes."""
        frames = frames.to(self.device)
        wanted = [plane[frames].float() / self.peak for plane in self.planes]
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            rendered = self.representation.render(parameters, frames)
        return [plane.float() for plane in rendered], wanted

    def _batches(self) -> Iterator[Tensor]:
        """Every frame once an epoch, in random order."""
        batch = min(self.recipe.batch_frames, self.frames)
        queue = torch.empty(0, dtype=torch.long)
        while True:
            if len(queue) < batch:
                queue = torch.cat([queue, torch.randperm(self.frames, generator=self._draw)])
            yield queue[:batch]
            queue = queue[batch:]

    @torch.no_grad()
    def _trim(self) -> None:
        """Brings the hard-rounded rate to its target, while there is time to adapt to the new steps."""
        target_bits = self.rate_control.target_bits
        if target_bits is None:
            return
        shift = trim_shift(self.scheme, self.hard_rounded(), target_bits)
        specs = self.scheme.side_specs
        moved = self.scheme.shifted_side(split_side(specs, self.side * self._side_units), shift)
        self.side.copy_(join_side(specs, moved) / self._side_units)

    # -- hard rounding ------------------------------------------------------------------------------------

    @torch.no_grad()
    def hard_rounded(self) -> Symbols:
        """The symbols of the current state."""
        symbols = quantise(self._values(), torch.round)
        side = {name: value.clone() for name, value in symbols.side.items()}
        return Symbols(side, symbols.layers, symbols.grids)

    @torch.no_grad()
    def _hard_loss(self, symbols: Symbols, quality_weight: float) -> float:
        frames = torch.linspace(0, self.frames - 1, min(CHECK_FRAMES, self.frames)).round().long()
        parameters = self.scheme.dequantise(symbols)
        distortions = [self.distortion(*self._pictures(parameters, frame)) for frame in frames.split(1)]
        rate = self.scheme.rate(symbols).total / self.pixels
        return float(rate + quality_weight * torch.cat(distortions).mean())

    def _check_steps(self) -> set[int]:
        span = self.steps * self.recipe.second_stage / 2
        return {round(self.steps - span * check / CHECKS) for check in range(CHECKS)}


def fit_hinerv(
    shape: HinervShape,
    video: VideoFormat,
    planes: Sequence[Tensor],
    recipe: Recipe,
    *,
    target_bits: float | None,
    quality_weight: float | None,
    distortion: Distortion,
    seed: int,
    on_progress: Callable[[FitProgress], None],
) -> tuple[HinervShape, Fitted]:
    """Fits integer planes Y, U, V [T, H, W] at a rate or at a quality weight, in the given shape."""
    representation = Hinerv(shape, video, len(planes[0]))
    scheme, control = scheme_for(representation), RateControl(target_bits, quality_weight)
    peak = video.pixel_format.peak
    trainer = Trainer(representation, scheme, planes, recipe, control, distortion=distortion, peak=peak, seed=seed)
    fitted = trainer.run(on_progress)
    if target_bits is not None:
        fitted = replace(fitted, symbols=trim_steps(scheme, fitted.symbols, target_bits, LAST_TRIM_TOLERANCE))
    return shape, fitted
