"""Cells, steps and inheritance of motion follow from what motion is worth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from nvrc_formats.shapes import MotionWaveletShape

from nvrc_core.fitting.motion_choice import SAMPLE_FRAMES, SAMPLE_SIDE, _middle, choose_motion_coding
from nvrc_core.fitting.motion_coding import FLOW_STEP, MotionCoding
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.warm_start import pad_planes, warm_start
from nvrc_core.representation.intervals import Intervals

HEIGHT, WIDTH, FRAMES = 48, 80, 9


def clip_of(speed: float, waves: float, frames: int = FRAMES) -> list[torch.Tensor]:
    """A pattern of `waves` samples a wave that moves by `speed` samples a frame, no two places alike."""
    generator = np.random.default_rng(1)
    angles = generator.uniform(0, 2 * np.pi, (12, 3))
    time, y, x = np.mgrid[:frames, :HEIGHT, :WIDTH]
    x = x - speed * time
    luma = sum(np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / (waves * (1 + b / 9)) + c) for a, b, c in angles)
    grey = np.full((frames, HEIGHT // 2, WIDTH // 2), 128.0)
    return [torch.from_numpy(plane.round().clip(0, 255).astype(np.uint8)) for plane in (128 + 14 * luma, grey, grey)]


def chosen(planes: list[torch.Tensor], quality_weight: float) -> float:
    return choose_motion_coding(planes, quality_weight=quality_weight, peak=255).flow_step


def test_what_stands_still_keeps_the_usual_step():
    assert chosen([plane[:1].repeat(FRAMES, 1, 1) for plane in clip_of(0, 12)], 400.0) == FLOW_STEP
    assert chosen([plane[:1] for plane in clip_of(0, 12)], 400.0) == FLOW_STEP


def test_fine_detail_at_high_quality_wants_finer_motion_than_plain_things_at_low_quality():
    fine, coarse = chosen(clip_of(0.3, 5), 4000.0), chosen(clip_of(1.7, 40), 5.0)
    assert fine == FLOW_STEP / 2
    assert coarse > fine


def test_motion_that_goes_on_is_inherited_and_shaking_is_not(monkeypatch: pytest.MonkeyPatch):
    """In the smallest cells: of larger ones a picture this small has a handful."""
    monkeypatch.setattr(MotionWaveletShape, "MOTION_CELLS", (16,))
    moving = clip_of(0.6, 12, frames=17)
    shaken = [plane[[0, 5, 1, 9, 3, 12, 6, 2, 8, 4, 16, 11, 7, 15, 10, 14, 13]] for plane in moving]
    assert choose_motion_coding(moving, quality_weight=100.0, peak=255).inherits
    assert not choose_motion_coding(shaken, quality_weight=100.0, peak=255).inherits


def test_large_cells_are_for_large_things_and_low_rates():
    def cell(clip: list[torch.Tensor], quality_weight: float) -> int:
        return choose_motion_coding(clip, quality_weight=quality_weight, peak=255).cell

    pan = clip_of(1.3, 12, frames=17)
    y = torch.arange(HEIGHT).view(1, -1, 1) // 16 % 2
    still = [plane[:1].expand_as(plane) for plane in pan]
    stripes = [torch.where(y[:, :: HEIGHT // p.shape[1]] > 0, p, q) for p, q in zip(pan, still, strict=True)]
    assert cell(pan, 20.0) > cell(stripes, 2000.0) == 16


def test_things_that_pass_each_other_overlap_and_what_stands_still_does_not():
    right, left = (clip_of(speed, 9, frames=17) for speed in (1.7, -1.7))
    halves = ((p[:, : p.shape[1] // 2], q[:, q.shape[1] // 2 :]) for p, q in zip(right, left, strict=True))
    passing, still = [torch.cat(pair, dim=1) for pair in halves], [plane[:1].repeat(17, 1, 1) for plane in right]
    assert choose_motion_coding(passing, quality_weight=300.0, peak=255).overlaps
    assert not choose_motion_coding(still, quality_weight=300.0, peak=255).overlaps


@pytest.mark.parametrize("cell", MotionWaveletShape.MOTION_CELLS)
@pytest.mark.parametrize("coding", [MotionCoding(), MotionCoding(0.25, inherits=True), MotionCoding(1.0)])
def test_search_and_start_agree_on_the_coding(coding: MotionCoding, cell: int):
    planes, coding = clip_of(1.3, 12), replace(coding, cell=cell)
    intervals = Intervals(FRAMES, (0, FRAMES - 1))
    motion = search_motion(pad_planes(planes)[0], intervals, coding=coding)
    assert motion.shape == (FRAMES, -(-HEIGHT // cell), -(-WIDTH // cell), 6)
    flow = motion[..., :4] / coding.flow_step
    assert torch.equal(flow, flow.round())
    start = warm_start(planes, intervals, motion, 400.0, coding=coding)
    assert torch.equal(start.symbols["motion"][..., :4] * start.steps["motion"][0, :4], motion[..., :4])
    assert start.inherits is coding.inherits


@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (31, 17), (401, 517), (720, 1279)])
def test_the_sample_is_the_middle_of_all_planes(height: int, width: int):
    """Planes that tell where a sample lies, in units of luma."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    luma = (y * 2000 + x).repeat(40, 1, 1) + torch.arange(40).view(-1, 1, 1) * 2**24
    sample = _middle([luma, luma[:, ::2, ::2], luma[:, ::2, ::2]])
    assert all(torch.equal(chroma, sample[0][:, ::2, ::2]) for chroma in sample[1:])
    assert sample[0].shape == (SAMPLE_FRAMES, min(height, SAMPLE_SIDE), min(width, SAMPLE_SIDE))
    before, after = int(sample[0][0, 0, 0]) // 2**24, 39 - int(sample[0][-1, 0, 0]) // 2**24
    assert abs(before - after) <= 1
