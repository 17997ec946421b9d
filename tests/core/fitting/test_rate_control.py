"""The quality weight moves against the error of the rate, and a fit that answers to it ends at its target."""

import math

import pytest

from nvrc_core.fitting.rate_control import (
    APPROACH,
    INITIAL_QUALITY_WEIGHT,
    QUALITY_WEIGHT_BOUNDS,
    RateControl,
    typical_bpp,
    typical_quality_weight,
)

TARGET = 1000.0
LATE = (APPROACH + 1) / 2


def after(*ratios: float, weight: float | None = None, progress: float = LATE) -> float:
    """The weight after the rates `ratios` times the target."""
    control = RateControl(TARGET, weight)
    for ratio in ratios:
        control.update(ratio * TARGET, progress, 0.01)
    return control.quality_weight


def test_a_weight_without_a_target_stays():
    control = RateControl(None, 123.0)
    control.update(1e9, 0.5, 0.1)
    assert control.quality_weight == 123.0


def test_the_start_without_a_weight():
    assert RateControl(TARGET, None).quality_weight == INITIAL_QUALITY_WEIGHT
    assert RateControl(None, None).quality_weight == INITIAL_QUALITY_WEIGHT


def test_too_many_bits_lower_the_weight_and_too_few_raise_it():
    assert after(1.0) == pytest.approx(INITIAL_QUALITY_WEIGHT)
    assert after(2.0) < after(1.1) < INITIAL_QUALITY_WEIGHT < after(0.9) < after(0.5)


def test_errors_work_symmetrically_and_add_up():
    assert after(1.2) * after(1 / 1.2) == pytest.approx(INITIAL_QUALITY_WEIGHT**2)
    assert after(1.2, 1 / 1.2) == pytest.approx(INITIAL_QUALITY_WEIGHT)


def test_one_bad_measurement_cannot_do_much():
    assert after(1e6) == after(1e3)
    assert after(1e6) > 0.5 * INITIAL_QUALITY_WEIGHT
    assert after(0.0) < 2 * INITIAL_QUALITY_WEIGHT


def test_a_start_at_many_times_the_rate_is_no_error():
    """Priors have to learn first: the set point comes down with them."""
    assert after(5.0, progress=0.0) == INITIAL_QUALITY_WEIGHT
    control = RateControl(TARGET, None)
    control.update(5 * TARGET, 0.0, 0.01)
    control.update(5 * TARGET, APPROACH / 2, 0.01)
    assert control.quality_weight < INITIAL_QUALITY_WEIGHT


def test_the_weight_stays_within_bounds():
    control = RateControl(TARGET, None)
    for _ in range(1000):
        control.update(1e9, LATE, 0.1)
    assert control.quality_weight == QUALITY_WEIGHT_BOUNDS[0]
    for _ in range(1000):
        control.update(1.0, LATE, 0.1)
    assert control.quality_weight == QUALITY_WEIGHT_BOUNDS[1]


@pytest.mark.parametrize("exponent", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("ideal", [20.0, 300.0, 20_000.0])
@pytest.mark.parametrize("updates", [40, 400])
def test_a_fit_that_answers_ends_at_its_target(exponent: float, ideal: float, updates: int):
    """Modelled: the rate follows the weight's power with a lag, from four times what it could be."""
    control = RateControl(TARGET, None)
    log_bits = math.log(4 * TARGET)
    for update in range(updates):
        control.update(math.exp(log_bits), update / updates, 1 / updates)
        wanted = math.log(TARGET) + exponent * math.log(control.quality_weight / ideal)
        log_bits += (wanted - log_bits) * min(1.0, 25 / updates)
    assert math.exp(log_bits) == pytest.approx(TARGET, rel=0.1)


def test_typical_rates_and_quality_weights_tell_each_other():
    assert [typical_quality_weight(typical_bpp(weight)) for weight in (20.0, 5000.0)] == pytest.approx([20.0, 5000.0])
    assert typical_bpp(400.0) < typical_bpp(800.0) < 2 * typical_bpp(400.0)
