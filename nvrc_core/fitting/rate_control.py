"""Steers the quality weight (lambda) during a fit so that its rate ends at a target."""

import math

INITIAL_QUALITY_WEIGHT = 300.0  # about right at 0.1 bpp; the controller finds the rest
QUALITY_WEIGHT_BOUNDS = (1e-1, 1e7)
# A fit starts at several times its final rate and comes down as its priors learn; the set point leads the way
# down over this share of the fit.
APPROACH = 0.35
# log(lambda) moves by GAIN * log(target / rate) over a whole fit's length.
GAIN = 12.0
MAX_LOG_ERROR = 1.0


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
