"""Two videos compared frame by frame while they are read: memory does not grow with their length."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from nvrc_formats.rawvideo import Planes
from nvrc_formats.video import VideoFormat

from nvrc_core.devices import runtime
from nvrc_core.errors import MediaError
from nvrc_core.evaluation.quality.meter import Quality, QualityMeter
from nvrc_core.evaluation.quality.pictures import Pictures, RawVideo, open_pictures
from nvrc_core.evaluation.quality.rgb import RgbConversion
from nvrc_core.evaluation.quality.vmaf import Vmaf, VmafMeter
from nvrc_core.events import EventHandler, FrameProgress, Notice, ignore
from nvrc_core.media.selection import ALL_FRAMES, FrameRange


@dataclass(frozen=True)
class Measurement:
    """`video`: of the reference. `vmaf`: None where it was not asked for. `device`: where it was measured, in words."""

    quality: Quality
    vmaf: Vmaf | None
    video: VideoFormat
    device: str

    def figures(self) -> dict[str, float | str | None]:
        """Those of the quality; and `vmaf`, 0 to 100, with what measured it, where it was asked for."""
        figures = self.quality.figures()
        if self.vmaf:
            figures |= {"vmaf": self.vmaf.score, "vmaf_model": self.vmaf.model, "vmaf_tool": self.vmaf.tool}
        return figures

    @property
    def per_frame(self) -> dict[str, np.ndarray]:
        """float64 [T] by the figures' names."""
        return self.quality.per_frame | ({"vmaf": self.vmaf.per_frame} if self.vmaf else {})


def compare(
    reference: str,
    distorted: str,
    *,
    frames: FrameRange = ALL_FRAMES,
    raw: RawVideo | None = None,
    rgb: RgbConversion | None = None,
    ms_ssim: bool = True,
    vmaf: bool = False,
    device: str = "auto",
    threads: int | None = None,
    on_event: EventHandler = ignore,
) -> Measurement:
    """The quality of `distorted` against `reference`, two inputs as `open_pictures` takes them.

    Frames are paired by their order, not by their time; `frames` selects of both. `rgb` None: by the reference's tags.
    Raises MediaError where the two differ in size, pixel format or number of frames; and UsageError, ResourceError,
    FormatError, SymbolMismatchError as opening and decoding do.
    """
    with ExitStack() as opened:
        sides = [opened.enter_context(open_pictures(path, frames, raw)) for path in (reference, distorted)]
        video = sides[0].video
        _check_formats(*sides)
        for notice in (*sides[0].notices, *sides[1].notices, *_range_notices(*sides)):
            on_event(Notice(notice))
        where = opened.enter_context(runtime(device, threads, video.pixels))
        meter = QualityMeter(video, rgb, ms_ssim, where.device)
        vmaf_meter = opened.enter_context(VmafMeter(video, where.threads)) if vmaf else None
        for index, planes in enumerate(_pairs(*sides, frames, where.device)):
            meter.update(*planes)
            if vmaf_meter:
                vmaf_meter.update(*planes)
            on_event(FrameProgress("measure", index + 1, None))
        return Measurement(meter.result(), vmaf_meter.result() if vmaf_meter else None, video, where.name)


def _check_formats(*sides: Pictures) -> None:
    formats = {(side.video.width, side.video.height, side.video.pixel_format) for side in sides}
    if len(formats) > 1:
        found = ", ".join(
            f"{side.name} is {side.video.width}x{side.video.height} {side.video.pixel_format.name}" for side in sides
        )
        raise MediaError(f"{found}: only pictures of one size and pixel format can be compared")


def _range_notices(reference: Pictures, distorted: Pictures) -> Iterator[str]:
    ranges = [side.video.color.full_range for side in (reference, distorted)]
    if set(ranges) == {False, True}:
        words = [
            f"{side.name} is marked as {('limited', 'full')[side.video.color.full_range]} range"
            for side in (reference, distorted)
        ]
        yield f"{' and '.join(words)}; samples are compared as they are"


def _pairs(
    reference: Pictures, distorted: Pictures, frames: FrameRange, device: torch.device
) -> Iterator[tuple[Planes, Planes]]:
    counts = [0, 0]
    for planes in itertools.zip_longest(reference.frames(device), distorted.frames(device)):
        # The longer side is read to its end, because the message says how long it is.
        counts = [count + (side is not None) for count, side in zip(counts, planes, strict=True)]
        if counts[0] == counts[1]:
            yield planes
    selected = "" if frames == ALL_FRAMES else f" in the range {frames}"
    if counts[0] != counts[1]:
        raise MediaError(
            f"{reference.name} has {counts[0]} frames{selected}, {distorted.name} has {counts[1]}; choose the frames "
            "that both have with --frames"
        )
    if not counts[0]:
        raise MediaError(f"{reference.name} and {distorted.name} have no frames{selected}")
