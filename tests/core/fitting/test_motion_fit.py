"""Real fits of wavelets to tiny clips: they learn, hit their rate, one seed gives one result, and nothing diverges."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from nvrc_formats.header import MotionWaveletShape, SegmentHeader
from nvrc_formats.video import VideoFormat

from nvrc_core.evaluation.quality.psnr import PsnrMeter
from nvrc_core.events import FitProgress
from nvrc_core.fitting import motion_fit
from nvrc_core.fitting.motion_recipe import MotionRecipe
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.rate_control import QUALITY_WEIGHT_BOUNDS
from nvrc_core.presets import Preset
from nvrc_core.representation.intervals import default_keys
from nvrc_core.representation.profile import MotionProfile
from nvrc_core.segment import SegmentDecoder, fit_segment

CPU = torch.device("cpu")
Planes = list[np.ndarray]
MakeClip = Callable[[int, int, int], Planes]


class Fit:
    """A fit of planes [T, H, W], its payload, and the events on the way."""

    def __init__(
        self,
        planes: Planes,
        *,
        steps: int,
        bpp: float | None = None,
        quality_weight: float | None = None,
        seed: int = 0,
    ) -> None:
        frames, height, width = planes[0].shape
        video = VideoFormat(width, height)
        shape = MotionWaveletShape(default_keys(frames, 8), channels=1, blocks=0)  # what so few bits allow
        recipe = MotionRecipe(visits=0, min_steps=steps, network_steps=100, grid_rate=0.02)
        self.events: list[FitProgress] = []
        fitted = fit_segment(
            shape,
            video,
            planes,
            Preset("tiny", "for tests", MotionProfile(channels=1, blocks=0), recipe),
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
        header = SegmentHeader(0, frames, (), fitted.shape, fitted.encoding.symbol_hash, bytes(8))
        meter = PsnrMeter(255)
        for index, rendered in enumerate(SegmentDecoder(header, self.payload, video).frames(range(frames), CPU)):
            meter.update([plane[index] for plane in planes], rendered)
        self.psnr_yuv_db = meter.result().yuv


def textured(frames: int, height: int, width: int) -> Planes:
    """A pattern that moves by one and a half samples a frame, under a little noise."""
    generator = np.random.default_rng(1)

    def plane(height: int, width: int, scale: int) -> np.ndarray:
        time, y, x = np.mgrid[:frames, : height * scale : scale, : width * scale : scale]
        x = x - 1.5 * time
        pattern = 128 + 50 * np.sin(x / 5) * np.cos(y / 7) + 30 * np.sin((x + y) / 3)
        return np.clip(pattern + generator.standard_normal(pattern.shape), 0, 255).round().astype(np.uint8)

    half = (-(-height // 2), -(-width // 2))
    return [plane(height, width, 1), plane(*half, 2), plane(*half, 2)]


@pytest.fixture(scope="module")
def fit() -> Fit:
    return Fit(textured(17, 48, 64), steps=100, bpp=0.5)


def test_a_fit_hits_its_rate(fit: Fit):
    assert fit.bpp == pytest.approx(0.5, rel=0.05)


def corrected_at(fit: Fit) -> list[int]:
    """The steps before which the rate was measured again."""
    return [event.step - 1 for before, event in pairwise(stages(fit)) if event.bpp != before.bpp]


def stages(fit: Fit) -> list[FitProgress]:
    """The events of all but the network's fit."""
    return [event for event in fit.events if event.phase != "network"]


def test_the_rate_is_corrected_late_where_there_is_time_to_mend_it(fit: Fit):
    assert corrected_at(fit) == [10, 25, 50, 75]
    assert corrected_at(Fit(textured(17, 48, 64), steps=20, bpp=0.5)) == [2, 5, 10]


def test_a_fit_follows_the_motion(fit: Fit):
    assert fit.psnr_yuv_db > 30  # a still picture has less than 20 dB


def test_a_fit_tells_how_far_it_is(fit: Fit):
    assert [event.step for event in stages(fit)] == list(range(1, 101))
    assert [event.step for event in fit.events[100:]] == [50, 100]
    assert {event.steps for event in fit.events} == {100}
    assert list(dict.fromkeys(event.phase for event in fit.events)) == ["stage 1", "stage 2", "network"]
    elapsed = [event.elapsed_s for event in fit.events]
    assert elapsed == sorted(elapsed)
    assert fit.events[-1].remaining_s == 0
    assert fit.events[-1].quality_weight == fit.quality_weight
    assert fit.events[-1].bpp == pytest.approx(fit.bpp, rel=0.1)


def test_motion_is_searched_at_the_quality_that_it_leaves(monkeypatch: pytest.MonkeyPatch):
    """Where the first guess of the quality is so high that motion takes nearly all bits, and what is left of the
    quality so low that hardly any motion would be worth its bits."""
    searched: list[float] = []

    def search(*args, quality_weight: float, **options) -> torch.Tensor:
        searched.append(quality_weight)
        return search_motion(*args, quality_weight=quality_weight, **options)

    monkeypatch.setattr(motion_fit, "search_motion", search)
    monkeypatch.setattr(motion_fit, "typical_quality_weight", lambda bpp: 3e5)
    fit = Fit(textured(17, 64, 80), steps=10, bpp=0.08)
    assert abs(math.log2(searched[-1] / fit.events[0].quality_weight)) < 1.5
    assert len(searched) <= 1 + motion_fit.MOST_SEARCHES


def test_one_seed_gives_one_result(moving_disc: MakeClip):
    clip = moving_disc(5, 24, 32)
    first, again, other = (Fit(clip, steps=10, bpp=2.0, seed=seed).payload for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_more_weight_buys_quality_for_bits():
    clip = textured(9, 24, 32)
    low, high = (Fit(clip, steps=10, quality_weight=weight) for weight in (100.0, 10_000.0))
    assert (low.quality_weight, high.quality_weight) == (100.0, 10_000.0)
    assert high.bpp > 1.5 * low.bpp
    assert high.psnr_yuv_db > low.psnr_yuv_db + 3


def noise(frames: int, height: int, width: int) -> Planes:
    generator = np.random.default_rng(1)
    half = (frames, -(-height // 2), -(-width // 2))
    return [generator.integers(0, 256, shape, dtype=np.uint8) for shape in ((frames, height, width), half, half)]


def flat(frames: int, height: int, width: int, value: int) -> Planes:
    return [np.full_like(plane, value) for plane in noise(frames, height, width)]


CLIPS = {
    "black": flat(6, 24, 32, 0),
    "white": flat(6, 24, 32, 255),
    "noise": noise(6, 24, 32),
    "one frame": textured(1, 24, 32),
    "two frames": textured(2, 24, 32),
    "three odd frames": textured(3, 17, 33),
    "smaller than a cell": textured(5, 6, 8),
    "one sample": flat(1, 1, 1, 77),
}


@pytest.mark.parametrize("planes", CLIPS.values(), ids=CLIPS)
@pytest.mark.parametrize("asked", [{"bpp": 0.01}, {"bpp": 8.0}, {"quality_weight": 3000.0}], ids=str)
def test_nothing_diverges(planes: Planes, asked: dict[str, float]):
    fit = Fit(planes, steps=10, **asked)
    assert all(np.isfinite([event.psnr_yuv_db, event.bpp, event.quality_weight]).all() for event in fit.events)
    low, high = QUALITY_WEIGHT_BOUNDS
    assert all(low <= event.quality_weight <= high for event in fit.events)
    # No worse than grey, in the mean of the planes, and far better where it is asked for.
    grey = PsnrMeter(255)
    for frame in zip(*planes, strict=True):
        grey.update(frame, [np.full_like(plane, 128) for plane in frame])
    compressible = "quality_weight" in asked and planes is not CLIPS["noise"]
    assert fit.psnr_yuv_db > (30 if compressible else grey.result().yuv - 1)


@pytest.mark.parametrize("value", [0, 77, 255])
@pytest.mark.parametrize("frames", [1, 8])
@pytest.mark.parametrize("bpp", [0.02, 0.5])
def test_flat_frames_are_good_at_rates_that_cannot_be_reached(frames: int, value: int, bpp: float):
    assert Fit(flat(frames, 48, 64, value), steps=10, bpp=bpp).psnr_yuv_db > 40
