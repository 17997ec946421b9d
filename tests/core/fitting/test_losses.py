"""Distortions, against numbers done by hand and against the meter that reports use."""

import numpy as np
import pytest
import torch

from nvrc_core.evaluation.quality.psnr import PsnrMeter
from nvrc_core.fitting.losses import plane_errors, psnr_yuv_db, weighted_mse


def planes(seed: int) -> list[torch.Tensor]:
    """Two frames of 8-bit samples in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (2, h, w), generator=generator) / 255 for h, w in ((6, 8), (3, 4), (3, 4))]


def test_equal_planes_have_no_error():
    assert torch.equal(plane_errors(planes(1), planes(1)), torch.zeros(2, 3))
    assert float(weighted_mse(torch.zeros(2, 3))) == 0


def test_luma_counts_six_of_eight():
    assert float(weighted_mse(torch.tensor([[4.0, 0.0, 0.0]]))) == 3.0
    assert float(weighted_mse(torch.tensor([[0.0, 4.0, 0.0], [0.0, 0.0, 8.0]]))) == 0.75


def test_decibels_are_those_of_the_meter():
    a, b = planes(1), planes(2)
    meter = PsnrMeter(255)
    for frame in range(2):
        meter.update(*([np.uint8((plane[frame] * 255).round().numpy()) for plane in side] for side in (a, b)))
    assert psnr_yuv_db(plane_errors(a, b)) == pytest.approx(meter.result().yuv, abs=1e-3)


def test_errors_have_gradients():
    rendered = [plane.requires_grad_() for plane in planes(1)]
    gradients = torch.autograd.grad(weighted_mse(plane_errors(rendered, planes(2))), rendered)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
