"""The fit of the network, when that of all else is finished.

Linear pictures do not depend on the network, and a step on one of them takes about a fiftieth of what a step of the
other fit takes, of which weights would need far more than symbols do. They are trained as real numbers first, then
rounded, at steps that suit what they have come to.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from nvrc_core.compression.layer_prior import LayerPrior
from nvrc_core.compression.quantise import round_through
from nvrc_core.compression.scheme import Symbols
from nvrc_core.compression.side_information import step_size
from nvrc_core.fitting.losses import Distortion, psnr_yuv_db
from nvrc_core.fitting.recipe import warm_up_cosine
from nvrc_core.kinds import linear_scheme_for, scheme_for
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.profile import WEIGHT_BITS

BETAS = (0.9, 0.99)
RATE, WARM_UP, FINAL_RATE = 1e-2, 0.03, 0.1  # of real weights; the last is a share of the first
ROUNDED_RATE, ROUNDED_SHARE = 2e-3, 1 / 3  # of rounded weights, which take so much of all steps
MOST_SAMPLES = 2**25
"""Luma samples of the frames that are trained on, at 18 bytes each; of more, some frames are left out."""
REPORT_EVERY = 50


class NetworkFit:
    """Fits the network of `representation` to finished linear pictures.

    `planes`: integer samples [T, H, W] of Y, U, V on the device, at most `peak`. `on_step`: is told
    the number of steps that are done and the PSNR-YUV of the last, now and then.
    """

    def __init__(
        self,
        representation: MotionWavelet,
        planes: Sequence[Tensor],
        *,
        quality_weight: float,
        distortion: Distortion,
        peak: int,
        draw: torch.Generator,
        on_step: Callable[[int, float], None],
    ) -> None:
        self.representation, self.planes, self.peak = representation, planes, peak
        self.quality_weight, self.distortion = quality_weight, distortion
        self._linear, self._whole = linear_scheme_for(representation), scheme_for(representation)
        self._prior = LayerPrior(representation.network_specs)
        self._draw, self._on_step = draw, on_step

    def run(self, symbols: Symbols, steps: int) -> Symbols:
        """All symbols of a file, from those of its linear pictures. Weights are zero where others do not lower the
        loss, bits per luma pixel + lambda * distortion. `steps`: one or more."""
        features = self._features_of(symbols)
        fresh = self.representation.initial_parameters((0.5, 0.5, 0.5), self._draw)
        weights = self._prior.flatten(fresh).to(symbols.layers)
        candidates = [self._with_network(symbols, *self._trained(weights, features, steps))]
        nothing = torch.zeros_like(weights)
        candidates.append(self._with_network(symbols, nothing, self._side_of(nothing)))
        return min(candidates, key=lambda candidate: self._loss(candidate, features))

    @torch.no_grad()
    def _features_of(self, symbols: Symbols) -> dict[int, Tensor]:
        """By frame."""
        frames = self.representation.frames
        some = range(0, frames, math.ceil(self.planes[0].numel() / MOST_SAMPLES))
        features = self.representation.features_each(self._linear.dequantise(symbols), range(frames))
        return {frame: of_frame for frame, of_frame in enumerate(features) if frame in some}

    def _trained(self, weights: Tensor, features: Mapping[int, Tensor], steps: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Weights, and the side information that tells at which steps they are rounded."""
        weights = weights.clone().requires_grad_()
        optimiser = torch.optim.Adam([weights], betas=BETAS)
        frames = _epochs(list(features), self._draw)
        real_steps = steps - math.ceil(steps * ROUNDED_SHARE)
        side, sizes = {}, None
        for step in range(steps):
            if step == real_steps:
                side = self._side_of(weights.detach())
                sizes = step_size(self._prior.step_indices(side))
            optimiser.param_groups[0]["lr"] = _rate(step, real_steps, steps)
            frame = next(frames)
            used = weights if sizes is None else round_through(weights / sizes) * sizes
            rendered, wanted = self._rendered(features[frame], used), self._wanted(frame)
            optimiser.zero_grad()
            self.distortion(rendered, wanted).mean().backward()
            optimiser.step()
            if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
                self._on_step(step + 1, float(psnr_yuv_db(rendered, wanted)))
        return weights.detach(), side

    def _side_of(self, weights: Tensor) -> dict[str, Tensor]:
        """Steps and scales for weights that come to about what these are."""
        side = self._prior.initial_side(self._prior.unflatten(weights), WEIGHT_BITS)
        return {name: values.round().to(weights) for name, values in side.items()}

    def _with_network(self, symbols: Symbols, weights: Tensor, side: Mapping[str, Tensor]) -> Symbols:
        of_network = (weights / step_size(self._prior.step_indices(side))).round() + 0.0  # no negative zeros
        return Symbols({**symbols.side, **side}, torch.cat([symbols.layers, of_network]), symbols.grids)

    @torch.no_grad()
    def _loss(self, symbols: Symbols, features: Mapping[int, Tensor]) -> float:
        """Without the bits of grids."""
        steps = step_size(self._whole.layer_prior.step_indices(symbols.side))
        weights = (symbols.layers * steps)[-sum(spec.size for spec in self._prior.specs) :]
        distortion = sum(
            self.distortion(self._rendered(of_frame, weights), self._wanted(frame)).sum()
            for frame, of_frame in features.items()
        )
        bits = self._whole.shared_bits(symbols.layers, symbols.side)
        return float(bits / self.planes[0].numel() + self.quality_weight * distortion / len(features))

    def _rendered(self, features: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        return self.representation.planes(features, self._prior.unflatten(weights))

    def _wanted(self, frame: int) -> list[Tensor]:
        return [plane[frame : frame + 1].float() / self.peak for plane in self.planes]


def _rate(step: int, real_steps: int, steps: int) -> float:
    if step < real_steps:
        return RATE * warm_up_cosine(step / real_steps, WARM_UP, FINAL_RATE)
    return ROUNDED_RATE * warm_up_cosine((step - real_steps) / (steps - real_steps), 0.0, 0.0)


def _epochs(frames: list[int], draw: torch.Generator) -> Iterator[int]:
    """Every frame once an epoch, in random order, without end."""
    while True:
        for number in torch.randperm(len(frames), generator=draw).tolist():
            yield frames[number]
