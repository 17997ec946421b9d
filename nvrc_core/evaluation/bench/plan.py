"""What a bench compares, and the points that come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nvrc_core.config import EncodeConfig
from nvrc_core.errors import UsageError
from nvrc_core.evaluation.anchors.catalogue import parse_anchor
from nvrc_core.evaluation.bench.anchor import AnchorTask
from nvrc_core.evaluation.bench.clip import BenchClip
from nvrc_core.evaluation.bench.fit import FitTask
from nvrc_core.media.selection import ALL_FRAMES, FrameRange
from nvrc_core.presets import DEFAULT_TUNE

Task = FitTask | AnchorTask


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """The request. `bpp` or `weights` (lambdas): the rates of every preset, one of the two; `anchors`: texts for
    `parse_anchor`; the others as in `EncodeConfig`.
    """

    presets: tuple[str, ...]
    bpp: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    tune: str = DEFAULT_TUNE
    steps: int | None = None
    anchors: tuple[str, ...] = ()
    frames: FrameRange = ALL_FRAMES
    device: str = "auto"
    threads: int | None = None
    seed: int = 0


def plan(paths: Sequence[Path], config: BenchConfig) -> list[Task]:
    """All points, clip by clip: nvrc first, then the other encoders.

    Raises UsageError for a request that makes no sense, ResourceError for an encoder that is not there, and MediaError
    for a clip that cannot be read: before anything is encoded.
    """
    requests = [_fit_config(config, preset, bpp=bpp) for preset in config.presets for bpp in config.bpp]
    requests += [_fit_config(config, preset, weight=weight) for preset in config.presets for weight in config.weights]
    anchors = [parse_anchor(text) for text in config.anchors]
    if not requests and not anchors:
        raise UsageError("there is nothing to compare: give a rate of nvrc or another encoder")
    clips = [BenchClip(path, config.frames) for path in paths]
    names = [clip.name for clip in clips]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two clips are called {name}: results tell clips by file name")
    tasks: list[Task] = []
    for clip in clips:
        tasks += [FitTask(clip, request) for request in requests]
        tasks += [AnchorTask(clip, anchor, q) for anchor, qs in anchors for q in qs]
    identities = [task.identity for task in tasks]
    for index, identity in enumerate(identities):
        if identity in identities[:index]:
            raise UsageError(f"the same point is asked for twice: {tasks[index].label}")
    return tasks


def _fit_config(
    config: BenchConfig, preset: str, bpp: float | None = None, weight: float | None = None
) -> EncodeConfig:
    return EncodeConfig(
        preset=preset,
        target_bpp=bpp,
        quality_weight=weight,
        tune=config.tune,
        steps=config.steps,
        frames=config.frames,
        device=config.device,
        threads=config.threads,
        seed=config.seed,
    )
