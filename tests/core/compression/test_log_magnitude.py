"""The integer logarithm, and the clamp that lets no gradient out."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from nvrc_core.compression.log_magnitude import WEIGHT_ONE, log_eighths
from nvrc_core.compression.quantise import clamp_inward


def specified(total: int) -> int:
    octave = total.bit_length() - 1
    return 8 * octave + (8 * total >> octave) - 48


@given(st.integers(WEIGHT_ONE, 2**24 - 1))
def test_it_is_the_logarithm_of_the_specification(total: int):
    for dtype in (torch.float32, torch.float64):
        assert int(log_eighths(torch.tensor([float(total)], dtype=dtype))) == specified(total)
    assert -1.7 < specified(total) - 8 * math.log2(total / WEIGHT_ONE) < 0.001


def test_it_starts_at_zero_and_never_falls():
    totals = torch.arange(WEIGHT_ONE, 2**12, dtype=torch.float32)
    logarithms = log_eighths(totals)
    assert logarithms[0] == 0
    assert (logarithms.diff() >= 0).all()
    assert logarithms.diff().max() == 1


def test_its_gradient_is_that_of_a_logarithm():
    total = torch.tensor([32.0, 100.0, 4000.0], requires_grad=True)
    log_eighths(total).sum().backward()
    assert torch.allclose(total.grad, 8 / math.log(2) / total.detach())


def test_a_clamp_lets_no_value_go_further_out():
    x = torch.tensor([-5.0, -5.0, 1.0, 1.0, 9.0, 9.0], requires_grad=True)
    clamped = clamp_inward(x, 0, 4)
    assert clamped.tolist() == [0, 0, 1, 1, 4, 4]
    clamped.backward(torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))  # descent goes against the sign
    assert x.grad.tolist() == [0, -1, 1, -1, 1, 0]
