"""The training loop of wavelets: the loss falls, and a correction of the rate changes no picture."""

import math
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from nvrc_formats.shapes import MotionWaveletShape
from nvrc_formats.video import VideoFormat
from torch.utils._python_dispatch import TorchDispatchMode

from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.fitting.losses import SquaredError
from nvrc_core.fitting.motion_coding import MotionCoding
from nvrc_core.fitting.motion_recipe import MotionRecipe
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.motion_trainer import MotionTrainer
from nvrc_core.fitting.warm_start import WarmStart, pad_planes, warm_start
from nvrc_core.kinds import linear_scheme_for
from nvrc_core.media.selection import FrameRange, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.representation.motion_wavelet import MotionWavelet

CLIP = Path(__file__).parents[2] / "data" / "bunny_176x144_32f.mkv"
FRAMES, HEIGHT, WIDTH = 17, 48, 64
QUALITY_WEIGHT = 800.0
VIDEO = VideoFormat(WIDTH, HEIGHT)
DISTORTION = SquaredError(VIDEO)
REPRESENTATION = MotionWavelet(MotionWaveletShape((0, 8, 16), 4, 1), VIDEO, FRAMES)
SCHEME: Scheme = linear_scheme_for(REPRESENTATION)


@pytest.fixture(scope="module")
def planes() -> list[torch.Tensor]:
    """Two patterns that move apart."""

    def plane(scale: int) -> torch.Tensor:
        time, y, x = np.mgrid[:FRAMES, :HEIGHT:scale, :WIDTH:scale]
        left = 50 * np.sin((x - 1.5 * time) / 5) * np.cos(y / 7)
        right = 50 * np.sin((x + y + 1.0 * time) / 4)
        return torch.from_numpy((128 + np.where(x < WIDTH / 2, left, right)).round().astype(np.uint8))

    return [plane(1), plane(2), plane(2)]


@pytest.fixture(scope="module")
def grass() -> list[torch.Tensor]:
    """A piece of a real clip in which many symbols are undecided."""
    with open_source(str(CLIP)) as source:
        clip = read_clip(source, FrameRange(0, FRAMES))
    return [
        torch.from_numpy(plane[:, 80 // scale : (80 + HEIGHT) // scale, 16 // scale : (16 + WIDTH) // scale].copy())
        for plane, scale in zip(clip.planes, (1, 2, 2), strict=True)
    ]


@pytest.fixture(scope="module")
def start(planes: list[torch.Tensor]) -> WarmStart:
    return first_start(planes)


def first_start(planes: list[torch.Tensor]) -> WarmStart:
    motion = search_motion(pad_planes(planes)[0], REPRESENTATION.intervals)
    return warm_start(planes, REPRESENTATION.intervals, motion, QUALITY_WEIGHT)


def trainer(planes: list[torch.Tensor], start: WarmStart, steps: int, seed: int = 0) -> MotionTrainer:
    return MotionTrainer(
        REPRESENTATION,
        SCHEME,
        planes,
        start,
        MotionRecipe(visits=0, min_steps=steps, grid_rate=0.03),
        target_bits=None,
        quality_weight=QUALITY_WEIGHT,
        distortion=DISTORTION,
        peak=255,
        seed=seed,
    )


def rendered(symbols: Symbols) -> tuple[torch.Tensor, ...]:
    """Linear pictures, in the order of rows, within the range of samples."""
    with torch.no_grad():
        planes = REPRESENTATION.linear_planes(SCHEME.dequantise(symbols), range(FRAMES))
        return tuple(plane.clamp(0, 1) for plane in planes)


def in_rows(planes: list[torch.Tensor]) -> list[torch.Tensor]:
    return [plane[list(REPRESENTATION.intervals.frame)] / 255 for plane in planes]


def loss(planes: list[torch.Tensor], symbols: Symbols) -> float:
    distortion = DISTORTION(rendered(symbols), in_rows(planes)).mean()
    bits = float(SCHEME.rate(symbols).total)
    return bits / planes[0].numel() + QUALITY_WEIGHT * float(distortion)


def test_the_loss_falls_below_the_warm_starts(planes: list[torch.Tensor], start: WarmStart):
    fresh = trainer(planes, start, steps=60)
    before = loss(planes, fresh.hard_rounded())
    fitted = fresh.run(lambda progress: None)
    assert fitted.quality_weight == QUALITY_WEIGHT
    assert loss(planes, fitted.symbols) < 0.9 * before


def test_a_fit_starts_from_the_given_symbols(planes: list[torch.Tensor], start: WarmStart):
    symbols = trainer(planes, start, steps=10).hard_rounded()
    for name, values in start.symbols.items():
        assert torch.equal(symbols.grids[name], values)


def test_what_is_inherited_stays_so(planes: list[torch.Tensor]):
    coding, intervals = MotionCoding(inherits=True), REPRESENTATION.intervals
    motion = search_motion(pad_planes(planes)[0], intervals, coding=coding)
    start = warm_start(planes, intervals, motion, QUALITY_WEIGHT, coding=coding)
    fresh = trainer(planes, start, steps=30)
    first = fresh.hard_rounded()
    seen = DISTORTION(rendered(first), in_rows(planes)).mean()
    assert float(seen) == pytest.approx(start.squared_error, rel=0.02)  # but for samples that are clamped
    last = fresh.run(lambda progress: None).symbols
    assert first.side["motion.share"] == last.side["motion.share"] == 8
    assert loss(planes, last) < loss(planes, first)


def test_settling_saves_bits_and_changes_nothing_that_is_seen(planes: list[torch.Tensor], start: WarmStart):
    fresh = trainer(planes, start, steps=10)
    before = fresh.hard_rounded()
    fresh._settle(fresh.sets.order(fresh._draw))
    after = fresh.hard_rounded()
    assert float(SCHEME.rate(after).total) < 0.97 * float(SCHEME.rate(before).total)
    for old, new in zip(rendered(before), rendered(after), strict=True):
        assert torch.equal(old, new)


def test_the_curvature_of_rounding_pays(grass: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch):
    """Without it, straight-through gradients let symbols wander around the thresholds between integers."""
    start = first_start(grass)

    def typical_loss() -> float:
        fits = [trainer(grass, start, steps=120, seed=seed).run(lambda progress: None) for seed in range(3)]
        return median(loss(grass, fit.symbols) for fit in fits)

    with_it = typical_loss()
    monkeypatch.setattr(MotionTrainer, "_measure_curvature", lambda self, order: None)
    assert with_it < typical_loss()


def test_what_is_fitted_is_integers(planes: list[torch.Tensor], start: WarmStart):
    symbols = trainer(planes, start, steps=10).run(lambda progress: None).symbols
    for value in (*symbols.side.values(), symbols.layers, *symbols.grids.values()):
        assert torch.equal(value, value.round())


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.05, 1.5])
def test_a_correction_of_the_rate_changes_steps_and_no_picture(
    planes: list[torch.Tensor], start: WarmStart, factor: float
):
    """Real values go to where the new steps have them, so that only their rounding differs; motion keeps its own."""
    fresh = trainer(planes, start, steps=10)
    bits = float(SCHEME.rate(fresh.hard_rounded()).total)
    fresh.target_bits = factor * bits

    def unrounded() -> Symbols:
        symbols = fresh.hard_rounded()
        return Symbols(symbols.side, symbols.layers, dict(fresh.grids.grids))

    before = unrounded()
    pictures, motion = rendered(before), before.grids["motion"].clone()
    fresh._correct()
    after = unrounded()
    for old, new in zip(pictures, rendered(after), strict=True):
        assert float((old - new).square().mean()) < 1e-5
    assert torch.equal(after.grids["motion"], motion)
    assert torch.equal(after.side["motion.step"], before.side["motion.step"])
    # Finer steps for a higher rate, and the weight that belongs to them.
    shift = (after.side["band2.step"] - before.side["band2.step"]).mean() / 8
    assert math.copysign(1, shift) == math.copysign(1, 1 - factor)
    assert math.log2(fresh.quality_weight / QUALITY_WEIGHT) == pytest.approx(-2 * float(shift), abs=0.15)
    assert (float(SCHEME.rate(fresh.hard_rounded()).total) - bits) * (factor - 1) > 0


class _Operations(TorchDispatchMode):
    """The names of operations whose results or shapes a host has to wait for, or whose inputs it has to bring."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "lift_fresh", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        on_mask = name.startswith("index") and any(
            index is not None and index.dtype == torch.bool for index in (args[1] if isinstance(args[1], list) else [])
        )
        if on_mask or any(name.startswith(prefix) for prefix in self.WAITING):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("hard", [False, True])
def test_a_step_never_waits_for_its_device(planes: list[torch.Tensor], start: WarmStart, hard: bool, monkeypatch):
    """What cannot be recorded as a CUDA graph shows on any device. Adam is the library's own affair."""
    fresh = trainer(planes, start, steps=10)
    monkeypatch.setattr(fresh._optimiser, "step", lambda: None)
    seen = fresh.sets.sets[0]
    fresh.update(seen, hard)  # makes constants
    with _Operations() as operations:
        fresh.update(seen, hard)
    assert not operations.names
