"""Differentiable stand-ins for rounding. All work on values in units of their step; x and results have one shape.

Stage 1 uses soft rounding with Kumaraswamy noise (C3, arXiv 2312.02753, section 3.2), stage 2 quantisation noise
(arXiv 2004.07320): each value is rounded with a probability that rises to 1. Unlike NVRC, rounded values
pass their gradient on, so that parameters still move while all of them are rounded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


def round_through(x: Tensor) -> Tensor:
    """round(x), with the gradient of x."""
    return x + (x.round() - x).detach()


def floor_through(x: Tensor) -> Tensor:
    """floor(x), with the gradient of x."""
    return x + (x.floor() - x).detach()


def clamp_through(x: Tensor, low: float, high: float) -> Tensor:
    """clamp(x, low, high), with the gradient of x: a value beyond its range can come back."""
    return x + (x.clamp(low, high) - x).detach()


class _ClampInward(torch.autograd.Function):
    @staticmethod
    def forward(context: FunctionCtx, x: Tensor, low: float, high: float) -> Tensor:
        context.save_for_backward(x)
        context.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = context.saved_tensors
        low, high = context.bounds
        return gradient.masked_fill(((x < low) & (gradient > 0)) | ((x > high) & (gradient < 0)), 0), None, None


def clamp_inward(x: Tensor, low: float, high: float) -> Tensor:
    """clamp(x, low, high), with the gradient of x unless descent along it would lead further out of the range.

    Millions of zeros at the least scale would otherwise ask for a lesser one for ever.
    """
    return _ClampInward.apply(x, low, high)


def soft_round(x: Tensor, temperature: float) -> Tensor:
    """Between x (temperature to infinity) and round(x) (to 0); Agustsson & Theis, arXiv 2006.09952, eq. 6."""
    cell = x.floor()
    return cell + 0.5 + torch.tanh((x - cell - 0.5) / temperature) * _soft_round_gain(temperature)


def soft_round_mean(y: Tensor, temperature: float) -> Tensor:
    """The expected x given y = soft_round(x) + uniform noise; arXiv 2006.09952, section 4.2."""
    shifted = y - 0.5
    cell = shifted.floor()
    fraction = (shifted - cell - 0.5) / _soft_round_gain(temperature)
    inverse = cell + 0.5 + torch.atanh(fraction.clamp(-1 + 1e-6, 1 - 1e-6)) * temperature
    return inverse + 0.5


def _soft_round_gain(temperature: float) -> float:
    return 0.5 / float(torch.tanh(torch.tensor(0.5 / temperature, dtype=torch.float64)))


def kumaraswamy_noise(like: Tensor, shape: float, generator: torch.Generator) -> Tensor:
    """Noise in [-0.5, 0.5] with its mode at 0: uniform for shape 1, narrower above; C3, appendix A."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    second = (2**shape * (shape - 1) + 1) / shape
    return (1 - (1 - uniform) ** (1 / second)) ** (1 / shape) - 0.5


@dataclass(frozen=True)
class SoftRounding:
    """Stage 1: rate and distortion see soft-rounded, noisy values of one distribution, each drawn for itself."""

    temperature: float
    noise_shape: float
    generator: torch.Generator

    def for_distortion(self, x: Tensor) -> Tensor:
        """The values that the representation is rendered from."""
        noisy = soft_round(x, self.temperature) + kumaraswamy_noise(x, self.noise_shape, self.generator)
        return soft_round_mean(noisy, self.temperature)

    for_rate = for_distortion


@dataclass(frozen=True)
class QuantisationNoise:
    """Stage 2: each value is rounded with `probability`; the rate sees uniform noise instead of a hard zero,
    whose rate has no gradient and would let small values walk at random.
    """

    probability: float
    generator: torch.Generator

    def for_distortion(self, x: Tensor) -> Tensor:
        """The values that the representation is rendered from."""
        if self.probability >= 1:
            return round_through(x)
        rounded = torch.rand(x.shape, generator=self.generator, device=x.device) < self.probability
        return torch.where(rounded, round_through(x), x)

    def for_rate(self, x: Tensor) -> Tensor:
        """The values whose bits are counted."""
        return x + torch.rand(x.shape, generator=self.generator, device=x.device) - 0.5


Quantiser = SoftRounding | QuantisationNoise
