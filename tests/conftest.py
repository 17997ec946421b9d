"""What holds for all tests: no deadlines, one order of events, one thread; and small clips to work on."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from nvrc_core.presets import Preset

# Tensors of tests are so small that threads would wait for each other. Set before torch is imported, and handed on
# to the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A failure has to come from a change, not from the load of a machine or from the day's random numbers.
settings.register_profile("nvrc", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("nvrc")

Planes = list[np.ndarray]
NOBODY = 65534  # a user without rights of its own


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of CUDA belong to machines that have it; elsewhere they are not part of the run."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if marked and not _has_cuda():
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if item not in marked]


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture
def own_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder of the test's user, who is not root: to root, permissions mean nothing."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
        try:
            yield Path(folder)
        finally:
            os.setresuid(0, 0, 0)


@pytest.fixture(scope="session")
def moving_disc() -> Callable[[int, int, int], Planes]:
    """Makes planes Y, U, V (4:2:0, [T, H, W]) of a bright disc that moves over a slope, two pixels a frame."""

    def make(frames: int, height: int, width: int) -> Planes:
        time, row, column = np.mgrid[:frames, :height, :width]
        inside = (row - height / 2) ** 2 + (column - 4 - 2 * time) ** 2 < (height / 5) ** 2
        luma = np.where(inside, 210, 60 + 2.0 * row + 1.5 * column)
        chroma = 0.3 * luma[:, ::2, ::2] + 80
        return [np.clip(plane.round(), 0, 255).astype(np.uint8) for plane in (luma, chroma, 255 - chroma)]

    return make


@pytest.fixture(scope="session")
def write_yuv() -> Callable[[Path, Planes], Path]:
    """Writes planes [T, H, W] as a raw file, frame by frame."""

    def write(path: Path, planes: Planes) -> Path:
        path.write_bytes(b"".join(plane.tobytes() for frame in zip(*planes, strict=True) for plane in frame))
        return path

    return write


@pytest.fixture(scope="module")
def tiny_preset() -> Iterator[str]:
    """The name of a preset of wavelets that fits in a fraction of a second, badly."""
    from nvrc_core.fitting.motion_recipe import MotionRecipe
    from nvrc_core.presets import Preset
    from nvrc_core.representation.profile import MotionProfile

    profile, recipe = MotionProfile(channels=4, blocks=1), MotionRecipe(visits=1, min_steps=4, grid_rate=0.01)
    yield from _with_preset(Preset("tiny", "for tests", profile, recipe))


@pytest.fixture(scope="module")
def tiny_hinerv_preset() -> Iterator[str]:
    """The name of a preset of HiNeRV that fits as fast and as badly."""
    from nvrc_core.fitting.recipe import Recipe
    from nvrc_core.presets import Preset
    from nvrc_core.representation.profile import Profile

    profile = Profile(
        width=8,
        strides=(2, 2),
        depths=(1, 1),
        output_stride=2,
        frames_per_grid_row=2,
        grid_channels=1,
        local_channels=1,
        bits_per_parameter=4.0,
        expansion=2,
        grid_levels=2,
        local_levels=1,
    )
    yield from _with_preset(Preset("tiny-hinerv", "for tests", profile, Recipe(visits=1, min_steps=16, batch_frames=2)))


def _with_preset(preset: "Preset") -> Iterator[str]:
    from nvrc_core.presets import PRESETS

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, preset.name, preset)
        yield preset.name
