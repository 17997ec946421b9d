"""What the codec reports while it works. The command line turns these into a bar, plain lines or JSON.

A consumer is any callable that takes one event. Rates are in bits per luma pixel of the whole file (`_bpp`),
qualities in decibels (`_db`), times in seconds (`_s`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EncodeStarted:
    """The input is read and the representation is sized."""

    width: int
    height: int
    frames: int
    preset: str
    tune: str
    device: str
    parameters: int
    mac_per_pixel: float
    steps: int
    target_bpp: float | None


NETWORK_PHASE = "network"
"""The phase of a fit's last steps where these are the network's alone. It counts them from 1 again."""


@dataclass(frozen=True)
class FitProgress:
    """Some steps of a fit are done. `psnr_yuv_db` and `bpp` are estimates of the running fit."""

    phase: str
    step: int
    steps: int
    psnr_yuv_db: float
    bpp: float
    quality_weight: float
    elapsed_s: float
    remaining_s: float


@dataclass(frozen=True)
class FrameProgress:
    """`done` of `total` frames are rendered (`total` is None where it is not known yet)."""

    action: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Notice:
    """Something that the user should know, in one line."""

    message: str


@dataclass(frozen=True)
class PointStarted:
    """A bench begins with point `number` of `total`; `label` is the point in words."""

    number: int
    total: int
    label: str


@dataclass(frozen=True)
class PointFinished:
    """`done` of `total` points of a bench are made; `point`: the last of them, plain values."""

    done: int
    total: int
    point: dict[str, Any]


Event = EncodeStarted | FitProgress | FrameProgress | Notice | PointStarted | PointFinished
EventHandler = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The handler of a caller that does not listen."""
