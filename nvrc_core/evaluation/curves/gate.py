"""A regression gate: fails where the tested codec needs more rate than it may."""

import math
import re

from nvrc_core.errors import RegressionError, UsageError
from nvrc_core.evaluation.curves.comparison import Comparison
from nvrc_core.evaluation.curves.rd_points import listed


def parse_percent(text: str) -> float:
    """Reads "2", "2%" or "2.5 %". Raises `UsageError`."""
    match = re.fullmatch(r"\s*([+-]?[0-9]*\.?[0-9]+)\s*%?\s*", text)
    value = float(match[1]) if match else math.nan
    if not math.isfinite(value):
        raise UsageError(f"{text!r} is no percentage, such as 2% or 0.5")
    return value


def check_gate(comparison: Comparison, max_loss_percent: float, allow_missing: bool = False) -> None:
    """Raises `RegressionError` where the mean BD-rate is above the limit.

    So does a clip of one side only, or one without a figure, unless `allow_missing`: a clip that has vanished, or
    has become too bad to overlap, must not open the gate. Without any figure it is closed in any case.
    """
    if comparison.no_figure is not None:
        raise RegressionError(f"the gate has no BD-rate to judge: {comparison.no_figure}")
    faults = []
    if not allow_missing:
        without = [result.clip for result in comparison.clips if result.bd is None]
        clips = {
            "without a BD-rate": without,
            "only in ANCHOR": comparison.only_in_anchor,
            "only in TEST": comparison.only_in_test,
        }
        faults = [f"{state}: {listed(names)}" for state, names in clips.items() if names]
    if comparison.mean_percent > max_loss_percent:
        faults.insert(0, f"mean BD-rate {comparison.mean_percent:+.2f} %, allowed {max_loss_percent:+.2f} %")
    if faults:
        raise RegressionError("regression gate: " + "; ".join(faults))
