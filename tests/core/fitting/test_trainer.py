"""Real fits of tiny clips: they learn, they hit their rate, one seed gives one result, and nothing diverges."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from nvrc_formats.header import HinervShape, SegmentHeader
from nvrc_formats.video import VideoFormat

from nvrc_core.evaluation.quality.psnr import PsnrMeter
from nvrc_core.events import FitProgress
from nvrc_core.fitting.recipe import Recipe
from nvrc_core.presets import PRESETS, Preset
from nvrc_core.segment import SegmentDecoder, fit_segment

CPU = torch.device("cpu")
MakeClip = Callable[[int, int, int], list[np.ndarray]]

SHAPE = HinervShape(
    grid_size=(4, 3, 4),
    grid_channels=2,
    grid_levels=2,
    channels=(12, 8),
    strides=(2, 2),
    depths=(1, 1),
    expansion=2,
    local_grid_channels=(2, 1),
    local_grid_levels=2,
    output_stride=2,
)


class Fit:
    """A fit of planes [T, H, W] with `SHAPE`, its payload, and the events on the way."""

    def __init__(
        self,
        planes: list[np.ndarray],
        *,
        steps: int,
        bpp: float | None = None,
        quality_weight: float | None = None,
        seed: int = 0,
    ) -> None:
        frames, height, width = planes[0].shape
        video = VideoFormat(width, height)
        recipe = Recipe(visits=1, min_steps=steps, batch_frames=4)
        self.events: list[FitProgress] = []
        fitted = fit_segment(
            SHAPE,
            video,
            planes,
            Preset("tiny", "for tests", PRESETS["nvrc-s1"].profile, recipe),
            target_bits=None if bpp is None else bpp * planes[0].size,
            quality_weight=quality_weight,
            device=CPU,
            seed=seed,
            on_progress=self.events.append,
        )
        self.payload = fitted.encoding.payload
        self.quality_weight = fitted.quality_weight
        self.bpp = 8 * len(self.payload) / planes[0].size
        # On integer samples, of what the payload decodes to.
        header = SegmentHeader(0, frames, (), SHAPE, fitted.encoding.symbol_hash, bytes(8))
        meter = PsnrMeter(255)
        for index, rendered in enumerate(SegmentDecoder(header, self.payload, video).frames(range(frames), CPU)):
            meter.update([plane[index] for plane in planes], rendered)
        self.psnr_yuv_db = meter.result().yuv


@pytest.fixture(scope="module")
def fit(moving_disc: MakeClip) -> Fit:
    return Fit(moving_disc(8, 24, 32), steps=200, bpp=3.0)


def test_a_fit_learns(fit: Fit):
    assert fit.psnr_yuv_db > 32  # the mean colour has 15 dB


def test_a_fit_hits_its_rate(fit: Fit):
    assert fit.bpp == pytest.approx(3.0, rel=0.1)


def test_a_fit_tells_how_far_it_is(fit: Fit):
    assert [event.step for event in fit.events] == list(range(1, 201))
    assert {event.steps for event in fit.events} == {200}
    assert [event.phase for event in fit.events] == sorted(event.phase for event in fit.events)
    assert {event.phase for event in fit.events} == {"stage 1", "stage 2"}
    elapsed = [event.elapsed_s for event in fit.events]
    assert elapsed == sorted(elapsed)
    assert fit.events[-1].remaining_s == 0
    first, last = fit.events[0], fit.events[-1]
    assert last.psnr_yuv_db > first.psnr_yuv_db + 10
    assert last.quality_weight == fit.quality_weight


def test_one_seed_gives_one_result(moving_disc: MakeClip):
    clip = moving_disc(5, 24, 32)
    first, again, other = (Fit(clip, steps=20, bpp=2.0, seed=seed).payload for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_more_weight_buys_quality_for_bits(moving_disc: MakeClip):
    clip = moving_disc(8, 24, 32)
    low, high = (Fit(clip, steps=120, quality_weight=weight) for weight in (30.0, 30_000.0))
    assert low.quality_weight == 30.0
    assert high.bpp > 1.2 * low.bpp
    assert high.psnr_yuv_db > low.psnr_yuv_db + 3


def noise(frames: int, height: int, width: int) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    half = (frames, -(-height // 2), -(-width // 2))
    return [generator.integers(0, 256, shape, dtype=np.uint8) for shape in ((frames, height, width), half, half)]


def flat(frames: int, height: int, width: int, value: int) -> list[np.ndarray]:
    return [np.full_like(plane, value) for plane in noise(frames, height, width)]


@pytest.mark.parametrize(
    ("planes", "decibels"),
    [
        (flat(6, 24, 32, 0), 30),
        (flat(6, 24, 32, 255), 30),
        (noise(6, 24, 32), 8),
        (noise(1, 23, 31), 8),
        (noise(3, 2, 2), 5),
        (noise(2, 1, 1), 5),
        (flat(1, 1, 1, 77), 5),
    ],
    ids=["black", "white", "noise", "one odd frame", "2x2", "1x1", "one sample"],
)
@pytest.mark.parametrize("bpp", [0.5, 8.0])
def test_nothing_diverges(planes: list[np.ndarray], decibels: float, bpp: float):
    fit = Fit(planes, steps=40, bpp=bpp)
    assert all(np.isfinite([event.psnr_yuv_db, event.bpp, event.quality_weight]).all() for event in fit.events)
    assert fit.psnr_yuv_db > decibels
