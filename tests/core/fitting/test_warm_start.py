"""First symbols: what the closed loop saw is what the decoder shows, at a rate that follows the quality weight."""

import math

import pytest
import torch
from nvrc_formats.shapes import MotionWaveletShape
from nvrc_formats.video import VideoFormat

import nvrc_core.fitting.warm_start as warm_start_module
from nvrc_core.fitting.motion_coding import USUAL, MotionCoding
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.warm_start import WarmStart, estimate_bits, first_steps, pad_planes, warm_start
from nvrc_core.representation.inherited_motion import with_inherited
from nvrc_core.representation.intervals import Intervals
from nvrc_core.representation.motion_channels import FADE, MOTION
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.prediction_filter import FILTER
from nvrc_core.representation.wavelet import BANDS

HEIGHT, WIDTH = 45, 62
OVERLAPS = MotionCoding(overlaps=True)
Planes = tuple[torch.Tensor, ...]


def video(frames: int, speed: float = 1.5, below: float | None = None) -> Planes:
    """A moving pattern with some noise, Y, U, V [T, H, W]; its lower half may have a speed of its own."""
    generator = torch.Generator().manual_seed(1)

    def plane(height: int, width: int, scale: int) -> torch.Tensor:
        y, x = torch.meshgrid(torch.arange(height) * scale, torch.arange(width) * scale, indexing="ij")
        speeds = torch.where(y < HEIGHT // 2, speed, speed if below is None else below)
        x = x - speeds * torch.arange(frames).view(-1, 1, 1)
        pattern = 128 + 50 * torch.sin(x / 5) * torch.cos(y / 7) + 30 * torch.sin((x + y) / 3)
        return (pattern + torch.randn(pattern.shape, generator=generator)).round().clamp(0, 255).byte()

    half = (HEIGHT + 1) // 2, (WIDTH + 1) // 2
    return plane(HEIGHT, WIDTH, 1), plane(*half, 2), plane(*half, 2)


def still(frames: int) -> Planes:
    return tuple(plane[:1].repeat(frames, 1, 1) for plane in video(1))


def started(
    planes: Planes, keys: tuple[int, ...], quality_weight: float = 400.0, coding: MotionCoding = USUAL
) -> tuple[Intervals, WarmStart]:
    intervals = Intervals(len(planes[0]), keys)
    motion = search_motion(pad_planes(planes)[0], intervals, coding=coding)
    return intervals, warm_start(planes, intervals, motion, quality_weight, coding=coding)


def rendered(intervals: Intervals, start: WarmStart, coding: MotionCoding = USUAL) -> torch.Tensor:
    """The six half-resolution planes of all rows [F, 6, h, w], by the representation."""
    shape = MotionWaveletShape(intervals.keys, 4, 0, coding.cell, coding.overlaps)
    model = MotionWavelet(shape, VideoFormat(WIDTH, HEIGHT), intervals.frames)
    levels = torch.tensor(intervals.level)
    values = {name: symbols * start.steps[name][levels][:, None, None] for name, symbols in start.symbols.items()}
    rows = range(intervals.frames)
    values[MOTION] = with_inherited(values[MOTION], float(start.inherits), torch.tensor(rows), intervals)
    return model.features({**values, FILTER: start.filter}, rows)[:, :6]


def error(planes: Planes, intervals: Intervals, start: WarmStart) -> float:
    """Mean squared error of luma."""
    luma = torch.nn.functional.pixel_shuffle(rendered(intervals, start)[:, :4], 2)[:, 0, :HEIGHT, :WIDTH] + 0.5
    return float((luma - planes[0][list(intervals.frame)] / 255).square().mean())


def test_padding_repeats_the_border():
    planes = video(2)
    luma, first, second = pad_planes(planes)
    assert luma.shape == (2, 48, 64)
    assert first.shape == second.shape == (2, 24, 32)
    assert torch.equal(luma[:, :HEIGHT, :WIDTH], planes[0])
    assert torch.equal(luma[:, -1, :WIDTH], planes[0][:, -1])
    assert torch.equal(luma[:, :, -1], luma[:, :, WIDTH - 1])


@pytest.mark.parametrize("coding", [USUAL, MotionCoding(0.25, inherits=True), MotionCoding(cell=32), OVERLAPS])
@pytest.mark.parametrize("keys", [(0, 9), (0, 3, 4, 9)])
def test_the_loop_sees_what_is_decoded(keys: tuple[int, ...], coding: MotionCoding, monkeypatch: pytest.MonkeyPatch):
    seen = {}
    code = warm_start_module._ClosedLoop._code

    def watching(loop: warm_start_module._ClosedLoop, rows: list[int]) -> None:
        code(loop, rows)
        seen.update((row, loop.decoded[row]) for row in rows)

    monkeypatch.setattr(warm_start_module._ClosedLoop, "_code", watching)
    intervals, start = started(video(10, below=-1.5), keys, coding=coding)
    luma = torch.cat([seen[row][0] for row in range(10)])
    chroma = torch.cat([seen[row][1] for row in range(10)])
    saw = torch.cat([torch.nn.functional.pixel_unshuffle(luma, 2), chroma], dim=1)
    torch.testing.assert_close(rendered(intervals, start, coding), saw, atol=1e-5, rtol=0)


def test_symbols_are_integers_of_the_right_shape():
    intervals, start = started(video(10), (0, 9))
    shapes = {name: tuple(symbols.shape) for name, symbols in start.symbols.items()}
    assert shapes == {
        "band16": (10, 3, 4, 12),
        "band8": (10, 6, 8, 9),
        "band4": (10, 12, 16, 9),
        "band2": (10, 24, 32, 3),
        "motion": (10, 3, 4, 6),
    }
    assert all(torch.equal(symbols, symbols.round()) for symbols in start.symbols.values())
    assert all(start.steps[name].shape == (intervals.levels, shapes[name][-1]) for name in shapes)


def test_a_higher_quality_weight_buys_quality_with_bits():
    planes = video(10)
    outcomes = [started(planes, (0, 9), weight) for weight in (50.0, 400.0, 3200.0)]
    errors = [error(planes, *outcome) for outcome in outcomes]
    bits = [sum(estimate_bits(start.symbols, intervals).values()) for intervals, start in outcomes]
    assert errors[0] > 1.5 * errors[1] > 2.25 * errors[2]
    assert bits[0] < bits[1] < bits[2]
    first, *others = (start.symbols[MOTION][..., : FADE.start] for _, start in outcomes)
    assert all(torch.equal(first, motion) for motion in others)


LONG = Intervals(257, (0, 256))


def test_later_levels_are_coarser_and_steps_follow_the_weight():
    steps = first_steps(LONG, 400.0)
    assert steps["band16"][0, 0] == pytest.approx(0.04, rel=0.05)  # the nearest that an index can name
    assert torch.equal(steps["band2"][:, 0], steps["band2"][:, 0].sort().values)
    torch.testing.assert_close(first_steps(LONG, 1600.0)["band8"] * 2, steps["band8"])
    assert torch.equal(first_steps(LONG, 1600.0)[MOTION], steps[MOTION])


@pytest.mark.parametrize("frames", [3, 5, 9, 17, 33, 65])
def test_keys_are_finer_the_more_frames_follow_from_them(frames: int):
    fewer, more = (
        first_steps(Intervals(count, (0, count - 1)), 400.0)["band2"][:, 0] for count in (frames // 2 + 1, frames)
    )
    assert fewer[0] >= more[0]
    assert torch.equal(more, more.sort().values)
    assert (fewer[0] > more[0]) == (frames <= 17)  # from about eight frames a key on they are as fine as they get


def test_a_shift_moves_lumas_steps_and_no_others():
    intervals = Intervals(4, (0, 3))
    steps, shifted = first_steps(intervals, 400.0), first_steps(intervals, 400.0, (-8, 0, 8, 16))
    for name, factor in zip(BANDS, (0.5, 1, 2, 4), strict=True):
        ratio = shifted[name] / steps[name]
        luma = [0, 3, 4, 5] if name == "band16" else [0, 1, 2]
        others = sorted(set(range(ratio.shape[1])) - set(luma))
        assert torch.equal(ratio[:, luma], torch.full_like(ratio[:, luma], factor))
        assert torch.equal(ratio[:, others], torch.ones_like(ratio[:, others]))
    assert torch.equal(shifted[MOTION], steps[MOTION])


def test_a_still_video_costs_its_first_key():
    intervals, start = started(still(9), (0, 4, 8))
    assert start.symbols[MOTION].abs().max() == 0
    first, others = (sum(int((start.symbols[name][rows] != 0).sum()) for name in BANDS) for rows in ([0], range(1, 9)))
    assert others < 0.05 * first  # the filter takes noise away, and a value may cross its threshold
    assert estimate_bits(start.symbols, intervals)[MOTION] == pytest.approx(0, abs=0.01)


def test_a_moving_video_is_cheaper_with_motion():
    planes = video(9, speed=2.5)
    intervals, start = started(planes, (0, 8))
    without = warm_start(planes, intervals, torch.zeros_like(start.symbols[MOTION]), 400.0)
    bits, bits_without = (sum(estimate_bits(of.symbols, intervals).values()) for of in (start, without))
    assert bits < 0.6 * bits_without
    assert error(planes, intervals, start) < 1.1 * error(planes, intervals, without)


@pytest.mark.parametrize(("frames", "keys"), [(1, (0,)), (2, (0, 1)), (3, (0, 2))])
@pytest.mark.parametrize("level", [0, 255, None])
def test_short_flat_and_noisy_clips(frames: int, keys: tuple[int, ...], level: int | None):
    generator = torch.Generator().manual_seed(3)
    planes = tuple(torch.randint(0, 256, (frames, *size), generator=generator) for size in ((18, 20), (9, 10), (9, 10)))
    if level is not None:
        planes = tuple(torch.full_like(plane, level) for plane in planes)
    intervals, start = started(planes, keys)
    assert all(symbols.isfinite().all() for symbols in start.symbols.values())
    assert all(math.isfinite(bits) for bits in estimate_bits(start.symbols, intervals).values())


def test_intervals_are_coded_in_chunks(monkeypatch: pytest.MonkeyPatch):
    planes = video(10)
    intervals, whole = started(planes, (0, 9))
    monkeypatch.setattr(warm_start_module, "CHUNK_PIXELS", 1)
    parts = warm_start(planes, intervals, whole.symbols[MOTION] * whole.steps[MOTION][0], 400.0)
    differing = sum(int((parts.symbols[name] != whole.symbols[name]).sum()) for name in whole.symbols)
    assert differing <= 3  # sums in another order


def test_estimated_bits_are_the_entropy():
    ratio = 0.4
    generator = torch.Generator().manual_seed(4)
    magnitude = torch.log(torch.rand(2, 40000, generator=generator)).div_(math.log(ratio)).floor()
    symbols = magnitude[0] - magnitude[1]  # P(k) = (1 - t) / (1 + t) * t ** |k|
    counts = torch.unique(symbols, return_counts=True)[1] / symbols.numel()
    entropy = float(-(counts * counts.log2()).sum()) * symbols.numel()
    start = {name: torch.zeros(1, 2, 2, 3) for name in BANDS} | {MOTION: torch.zeros(1, 2, 2, 6)}
    bits = estimate_bits(start | {"band2": symbols.view(1, 200, 200, 1)}, Intervals(1, (0,)))
    assert bits["band2"] == pytest.approx(entropy, rel=0.01)
    assert bits["band16"] == pytest.approx(0, abs=1e-6)


def test_motion_like_its_neighbours_is_cheap():
    intervals = Intervals(9, (0, 8))
    empty = {name: torch.zeros(9, 2, 2, 3) for name in BANDS}
    generator = torch.Generator().manual_seed(5)
    rough = torch.randint(-6, 7, (9, 16, 16, 6), generator=generator).float()
    smooth = rough[:, :1, :1].expand_as(rough)
    bits = [estimate_bits(empty | {MOTION: motion}, intervals)[MOTION] for motion in (rough, smooth)]
    assert bits[1] < bits[0] / 2
