"""Named benches: what to compare on which kind of clips, the same for everyone who runs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nvrc_core.errors import MediaError, UsageError
from nvrc_core.evaluation.bench.clip import frame_count, frame_size


@dataclass(frozen=True)
class Suite:
    """The options of a bench by name, and which clips of a folder it takes.

    Presets fix the work of a fit, not its time, so that two versions are compared at equal work. `clips`: at most so
    many, whole ones of `frames` (least, most) and of a frame size between `pixels` (least, most, luma samples).
    """

    name: str
    summary: str
    presets: tuple[str, ...]
    bpp: tuple[float, ...]
    anchors: tuple[str, ...]
    device: str
    threads: int | None
    minutes: float | None
    clips: int
    frames: tuple[int, int]
    pixels: tuple[int, int]


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            name="pocket",
            summary="three small clips on one processor core, under half an hour",
            presets=("fast",),
            bpp=(0.03, 0.1, 0.3),
            anchors=("x265:veryslow@16/22/28/34/40/46/51",),
            device="cpu",
            threads=1,
            minutes=None,
            clips=3,
            frames=(33, 132),
            pixels=(1, 352 * 288),
        ),
        Suite(
            name="studio",
            summary="1280x720 on one CUDA device, nine minutes",
            presets=("medium",),
            bpp=(0.01, 0.03, 0.1),
            anchors=("x265:veryslow@22/28/34/40/46",),
            device="cuda",
            threads=None,
            minutes=9,
            clips=2,
            frames=(33, 132),
            pixels=(1280 * 720, 1280 * 720),
        ),
    )
}


def suite_named(name: str) -> Suite:
    """Raises UsageError for a name that there is not."""
    if name not in SUITES:
        raise UsageError(f"unknown suite {name!r}: use one of {', '.join(SUITES)}")
    return SUITES[name]


def choose_clips(suite: Suite, videos: Sequence[Path]) -> list[Path]:
    """The suite's clips among `videos`, chosen by shape alone.

    Of the frame sizes that suit it the smallest, the largest and those evenly between them, and of each size the
    longest clip (of equal ones the first by name). Where there are too few sizes, the longest of the other clips
    follow. Raises UsageError where none suits.
    """
    suitable = []  # (luma samples a frame, -frames, path)
    least, most = suite.frames
    for path in videos:
        try:
            width, height = frame_size(path)
        except MediaError:  # of a kind that cannot be coded: a folder may hold anything
            continue
        if suite.pixels[0] <= width * height <= suite.pixels[1]:
            frames = frame_count(path, most)
            if least <= frames <= most:
                suitable.append((width * height, -frames, path))
    if not suitable:
        wanted = f"{least} to {most} frames and {suite.pixels[0]} to {suite.pixels[1]} luma samples a frame"
        raise UsageError(f"no clip suits the {suite.name} suite, which takes clips of {wanted}")
    suitable.sort()
    longest = {size: next(clip for clip in suitable if clip[0] == size) for size, _, _ in suitable}
    sizes = sorted(longest)
    count = min(suite.clips, len(sizes))
    chosen = [longest[sizes[step * (len(sizes) - 1) // max(count - 1, 1)]] for step in range(count)]
    others = sorted((clip for clip in suitable if clip not in chosen), key=lambda clip: clip[1:])
    return [path for _, _, path in sorted(chosen + others[: suite.clips - count])]
