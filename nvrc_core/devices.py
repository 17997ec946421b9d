"""Where tensors live and how many threads work on them. Everything global is set for a while and then restored."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from nvrc_core.errors import ResourceError, UsageError


@dataclass(frozen=True)
class Runtime:
    """A device and the number of CPU threads. `name` is what reports call it."""

    device: torch.device
    threads: int

    @property
    def name(self) -> str:
        """For example "cpu (2 threads)" or "cuda:0 (NVIDIA H100)"."""
        if self.device.type == "cpu":
            return f"cpu ({self.threads} thread{'s' * (self.threads > 1)})"
        return f"{self.device} ({torch.cuda.get_device_name(self.device)})"


# Threads share the work on one picture. On small ones they wait for each other more than they work.
PIXELS_PER_THREAD = 100_000
MAX_DEFAULT_THREADS = 8


def default_threads(pixels: int) -> int:
    """CPU threads for pictures of so many luma samples."""
    return max(1, min(torch.get_num_threads(), MAX_DEFAULT_THREADS, pixels // PIXELS_PER_THREAD))


@contextmanager
def runtime(device: str, threads: int | None, pixels: int) -> Iterator[Runtime]:
    """The runtime of a request, active inside the block: threads set, reduced-precision float32 off.

    `threads`: None for the default at pictures of `pixels` luma samples.

    `device`: "auto", "cpu", "cuda" or "cuda:i". Raises UsageError for another name, ResourceError for a device
    that is not there, and turns running out of memory into ResourceError.
    """
    chosen = _device(device)
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads} is not a positive number")
    before = torch.get_num_threads()
    count = threads or default_threads(pixels)
    torch.set_num_threads(count)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield Runtime(chosen, count)
    except torch.OutOfMemoryError as error:
        raise ResourceError(f"out of memory on {chosen}: choose fewer frames or a smaller preset") from error
    except MemoryError as error:
        raise ResourceError("out of memory: choose fewer frames or a smaller preset") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # how torch says that malloc failed
            raise
        raise ResourceError("out of memory: choose fewer frames or a smaller preset") from error
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index):
        raise UsageError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count() or "no"
        raise ResourceError(f"device {name} is not there: {found} CUDA device{'s' * (found != 1)} found")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def processor_name() -> str:
    """The processor's name where the system tells, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
