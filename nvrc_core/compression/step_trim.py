"""The last correction of a rate: all steps a little finer or coarser, until the bits meet their target."""

import torch
from nvrc_formats.tables import SCALE_LOG_STEP

from nvrc_core.compression.scheme import Scheme, Symbols, quantise
from nvrc_core.compression.side_information import STEPS_PER_OCTAVE

TOLERANCE = 0.03  # nearer than this, a correction costs more than it mends
MAX_SHIFT = 4 * STEPS_PER_OCTAVE
SCALE_PER_STEP = torch.log(torch.tensor(2.0)).item() / STEPS_PER_OCTAVE / SCALE_LOG_STEP


def trim_steps(scheme: Scheme, symbols: Symbols, target_bits: float) -> Symbols:
    """Symbols whose estimated bits are nearest `target_bits`, or the same ones if they are near enough."""
    bits = _bits(scheme, symbols)
    if abs(bits / target_bits - 1) < TOLERANCE:
        return symbols
    # The rate falls as steps grow: bisect the shift (in eighths of an octave) that brings it under the target.
    low, high = (0, MAX_SHIFT) if bits > target_bits else (-MAX_SHIFT, 0)
    while high - low > 1:
        middle = (low + high) // 2
        if _bits(scheme, shifted(scheme, symbols, middle)) > target_bits:
            low = middle
        else:
            high = middle
    candidates = [shifted(scheme, symbols, shift) for shift in (low, high)]
    return min(candidates, key=lambda candidate: abs(_bits(scheme, candidate) - target_bits))


@torch.no_grad()
def shifted(scheme: Scheme, symbols: Symbols, shift: int) -> Symbols:
    """The same parameters at steps of 2 ** (shift / 8) times their size, hard-rounded anew; scales follow."""
    parameters = scheme.dequantise(symbols)
    side = {name: value.clone() for name, value in symbols.side.items()}
    for spec in scheme.specs:
        side[f"{spec.name}.tensor.step"] += shift
        scale = side[f"{spec.name}.scale" if spec.kind == "grid" else f"{spec.name}.tensor.scale"]
        scale -= round(shift * SCALE_PER_STEP)
    grids = {spec.name: parameters[spec.name] for spec in scheme.grid_prior.specs}
    values = scheme.in_steps(scheme.layer_prior.flatten(parameters), grids, side)
    return quantise(values, torch.round)


def _bits(scheme: Scheme, symbols: Symbols) -> float:
    with torch.no_grad():
        return float(scheme.rate(symbols).total)
