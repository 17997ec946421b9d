"""How fast a device fits and renders the default representation, beside what it could do at best.

    python -m nvrc_core.evaluation.step_speed CLIP... [--preset medium] [--device auto] [--threads 1] [--steps 40]

Prints a Markdown table. A step, in which the network has no part, has its arithmetic counted from motion, wavelets and
filter (backward as twice forward), its traffic as all that its operations read and write: caches may serve a part of
that, so that a rate above the device's is possible. The device's own rates are those of a large copy and of a large
float32 matrix product.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nvrc_core.devices import Runtime, runtime
from nvrc_core.fitting.losses import DISTORTIONS
from nvrc_core.fitting.motion_search import search_motion
from nvrc_core.fitting.motion_trainer import MotionTrainer
from nvrc_core.fitting.warm_start import pad_planes, warm_start
from nvrc_core.kinds import linear_scheme_for, representation_for
from nvrc_core.media.selection import Clip, FrameRange, read_clip
from nvrc_core.media.source import open_source
from nvrc_core.presets import PRESETS, Preset
from nvrc_core.rendering import render_frames
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.sizing import shape_for

QUALITY_WEIGHT, BPP = 300.0, 0.1  # of the fit, which decide next to nothing here
COPY_BYTES, MATRIX_SIDE, REPETITIONS = 2**28, 4096, 10
FORWARD_AND_BACKWARD = 3


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write, views apart."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs, outputs = ([x for x in tree_leaves(values) if isinstance(x, Tensor)] for values in (args, result))
        places = {x.untyped_storage().data_ptr() for x in inputs}
        is_view = not func._schema.is_mutable and any(x.untyped_storage().data_ptr() in places for x in outputs)
        if not is_view:
            self.operations += 1
            self.bytes += sum(x.numel() * x.element_size() for x in (*inputs, *outputs))
        return result


@dataclass(frozen=True)
class Speed:
    """Seconds of a step and of what surrounds the steps; what a step computes and moves; bytes of memory at most."""

    search_s: float
    start_s: float
    step_s: float
    pixels: int  # luma samples that a step renders
    operations: int
    floating_point: float
    bytes: int
    memory: int | None
    decoded_frames_s: float


def measure(clip: Clip, preset: Preset, where: Runtime, steps: int) -> Speed:
    """Of the first steps of a fit, once what is made at first is made."""
    video, frames = clip.video, clip.frame_count
    shape = shape_for(preset.profile, video, frames, BPP * video.pixels * frames)
    representation = representation_for(shape, video, frames)
    assert isinstance(representation, MotionWavelet)
    scheme = linear_scheme_for(representation)
    planes = [torch.from_numpy(plane).to(where.device) for plane in clip.planes]
    distortion, peak = DISTORTIONS["psnr"](video), video.pixel_format.peak
    luma = pad_planes(planes)[0]
    if where.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where.device)

    def search() -> Tensor:
        return search_motion(luma, representation.intervals, quality_weight=QUALITY_WEIGHT, peak=peak)

    search_s, motion = _timed(search, where)
    start_s, start = _timed(
        lambda: warm_start(planes, representation.intervals, motion, QUALITY_WEIGHT, peak=peak), where
    )
    trainer = MotionTrainer(
        representation,
        scheme,
        planes,
        start,
        preset.recipe,
        target_bits=None,
        quality_weight=QUALITY_WEIGHT,
        distortion=distortion,
        peak=peak,
        seed=0,
    )
    seen = trainer.sets.sets[-1]
    for _ in range(2):  # a step is made ready, and recorded where that pays
        trainer.step(0, seen)
    step_s = _timed(lambda: [trainer.step(0, seen) for _ in range(steps)], where)[0] / steps
    with Traffic() as traffic:
        trainer.update(seen, hard=False)
    memory = torch.cuda.max_memory_allocated(where.device) if where.device.type == "cuda" else None
    parameters = representation.initial_parameters((0.5, 0.5, 0.5), torch.Generator())
    parameters |= scheme.dequantise(trainer.hard_rounded())
    pictures = render_frames(representation, parameters, range(frames), peak=peak, device=where.device)
    decode_s = _timed(lambda: list(islice(pictures, frames)), where)[0]
    pixels = len(seen.rows) * video.pixels
    return Speed(
        search_s,
        start_s,
        step_s,
        pixels,
        traffic.operations,
        2 * FORWARD_AND_BACKWARD * representation.linear_mac_per_pixel * pixels,
        traffic.bytes,
        memory,
        frames / decode_s,
    )


def limits(device: torch.device) -> tuple[float, float]:
    """Bytes a second, read plus written, of a copy; floating-point operations a second of a float32 matrix product."""
    source = torch.rand(COPY_BYTES // 4, device=device)
    target, matrix = torch.empty_like(source), torch.rand(MATRIX_SIDE, MATRIX_SIDE, device=device)
    where = Runtime(device, 1)

    def repeated(work: Callable[[], Tensor]) -> float:
        work()
        return _timed(lambda: [work() for _ in range(REPETITIONS)], where)[0] / REPETITIONS

    copy_s, product_s = repeated(lambda: target.copy_(source)), repeated(lambda: matrix @ matrix)
    return 2 * COPY_BYTES / copy_s, 2 * MATRIX_SIDE**3 / product_s


def _timed(work: Callable[[], Any], where: Runtime) -> tuple[float, Any]:
    """Seconds until the device is done, and the result."""
    _wait(where)
    start = time.perf_counter()
    result = work()
    _wait(where)
    return time.perf_counter() - start, result


def _wait(where: Runtime) -> None:
    if where.device.type == "cuda":
        torch.cuda.synchronize(where.device)


def row(name: str, speed: Speed) -> str:
    """A line of the table."""
    memory = "" if speed.memory is None else f"{speed.memory / 2**30:.1f}"
    cells = (
        name,
        f"{1e3 * speed.step_s:.1f}",
        f"{1e9 * speed.step_s / speed.pixels:.0f}",
        f"{speed.operations}",
        f"{1e-12 * speed.floating_point / speed.step_s:.3f}",
        f"{1e-9 * speed.bytes / speed.step_s:.0f}",
        memory,
        f"{speed.search_s:.1f}",
        f"{speed.start_s:.1f}",
        f"{speed.decoded_frames_s:.1f}",
    )
    return f"| {' | '.join(cells)} |"


HEADINGS = (
    "clip", "ms a step", "ns a luma sample", "operations", "TFLOP/s", "GB/s", "GiB at most", "motion search s",
    "warm start s", "frames rendered a second",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(
        prog="python -m nvrc_core.evaluation.step_speed", description=__doc__.split("\n")[0]
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=100, help="of each clip at most, from its first")
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args(arguments)
    rows = []
    for path in given.clips:
        with open_source(str(path)) as source:
            clip = read_clip(source, FrameRange(0, given.frames))
        with runtime(given.device, given.threads, clip.video.pixels) as where:
            rows.append(row(path.stem, measure(clip, PRESETS[given.preset], where, given.steps)))
            name, (copied, multiplied) = where.name, limits(where.device)
    print(f"{name}: a copy at {1e-9 * copied:.0f} GB/s, float32 products at {1e-12 * multiplied:.2f} TFLOP/s\n")
    print(f"| {' | '.join(HEADINGS)} |\n{'|---' * len(HEADINGS)}|", *rows, sep="\n")


if __name__ == "__main__":
    main()
