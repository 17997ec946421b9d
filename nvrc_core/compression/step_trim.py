"""The correction of a rate: all steps a little finer or coarser, until the bits meet their target."""

import torch

from nvrc_core.compression.scheme import Scheme, Symbols, quantise
from nvrc_core.compression.side_information import STEPS_PER_OCTAVE

TOLERANCE = 0.03  # nearer than this, a correction is not worth its disturbance
MAX_SHIFT = 4 * STEPS_PER_OCTAVE
RIPPLE = 3


@torch.no_grad()
def trim_shift(scheme: Scheme, symbols: Symbols, target_bits: float, tolerance: float = TOLERANCE) -> int:
    """The shift of all step indices that brings the estimated bits nearest `target_bits`; 0 if they already are
    within the (relative) tolerance.
    """

    def bits(shift: int) -> float:
        return float(scheme.rate(shifted(scheme, symbols, shift)).total)

    current = bits(0)
    if abs(current / target_bits - 1) < tolerance:
        return 0
    # On the whole the rate falls as steps grow, so bisect; rounding twice adds ripples, so look around as well.
    low, high = (0, MAX_SHIFT) if current > target_bits else (-MAX_SHIFT, 0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bits(middle) > target_bits else (low, middle)
    return min(range(low - RIPPLE, high + RIPPLE + 1), key=lambda shift: abs(bits(shift) - target_bits))


def trim_steps(scheme: Scheme, symbols: Symbols, target_bits: float, tolerance: float = TOLERANCE) -> Symbols:
    """Symbols trimmed to `target_bits` by `trim_shift`."""
    shift = trim_shift(scheme, symbols, target_bits, tolerance)
    return shifted(scheme, symbols, shift) if shift else symbols


@torch.no_grad()
def shifted(scheme: Scheme, symbols: Symbols, shift: int) -> Symbols:
    """The same parameters at steps of 2 ** (shift / 8) times their size, hard-rounded anew."""
    parameters = scheme.dequantise(symbols)
    side = {name: value.round() for name, value in scheme.shifted_side(symbols.side, shift).items()}
    return quantise(scheme.in_steps(scheme.layer_prior.flatten(parameters), parameters, side), torch.round)
