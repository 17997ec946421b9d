"""The quality weight (lambda): its bounds, what it typically costs, and how a fit of HiNeRV steers it to a rate."""

import math

INITIAL_QUALITY_WEIGHT = 300.0  # about right at 0.1 bpp; the controller finds the rest
QUALITY_WEIGHT_BOUNDS = (1e-1, 1e7)
TYPICAL_QUALITY_WEIGHT, TYPICAL_BPP, RATE_EXPONENT = 400.0, 0.08, 0.5
# A fit starts at several times its final rate and comes down as its priors learn; the set point leads the way
# down over this share of the fit.
APPROACH = 0.35
# log(lambda) moves by GAIN * log(target / rate) over a whole fit's length.
GAIN = 12.0
MAX_LOG_ERROR = 1.0


def typical_bpp(quality_weight: float) -> float:
    """About the bits per luma pixel that a quality weight comes to; a clip may take a third, or thrice as many."""
    return TYPICAL_BPP * (quality_weight / TYPICAL_QUALITY_WEIGHT) ** RATE_EXPONENT


def typical_quality_weight(bpp: float) -> float:
    """The inverse of `typical_bpp`."""
    return TYPICAL_QUALITY_WEIGHT * (bpp / TYPICAL_BPP) ** (1 / RATE_EXPONENT)


class RateControl:
    """Holds the quality weight: fixed where there is no target, else corrected at every `update`."""

    def __init__(self, target_bits: float | None, quality_weight: float | None) -> None:
        self.target_bits = target_bits
        self.quality_weight = quality_weight or INITIAL_QUALITY_WEIGHT
        self._start_log_ratio: float | None = None

    def update(self, bits: float, progress: float, elapsed: float) -> None:
        """Takes the rate measured at `progress`; `elapsed`: the share of the fit since the last update."""
        if self.target_bits is None:
            return
        log_ratio = math.log(max(bits, 1.0) / self.target_bits)
        if self._start_log_ratio is None:
            self._start_log_ratio = max(0.0, log_ratio)
        set_point = self._start_log_ratio * max(0.0, 1 - progress / APPROACH)
        error = min(MAX_LOG_ERROR, max(-MAX_LOG_ERROR, set_point - log_ratio))
        low, high = QUALITY_WEIGHT_BOUNDS
        self.quality_weight = min(high, max(low, self.quality_weight * math.exp(GAIN * error * elapsed)))
