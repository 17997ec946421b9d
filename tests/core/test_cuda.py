"""What has to hold on an NVIDIA GPU: exact priors, one seed one file, files that other devices decode."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from nvrc_core.compression.grid_prior import PHASES, GridPrior, phase_slices
from nvrc_core.compression.prior import Batch
from nvrc_core.config import EncodeConfig
from nvrc_core.decode import decode
from nvrc_core.encode import encode
from nvrc_core.fitting.step_graphs import StepGraphs
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.warp import warp
from nvrc_core.verify import verify

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_context_prior_is_exact_on_both_devices(dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    specs = (ParameterSpec("grid0", (9, 18, 22, 3), "grid", 1.0), ParameterSpec("grid1", (4, 9, 11, 6), "grid", 1.0))
    prior = GridPrior(specs)
    side = {s.name: torch.randint(-1023, 1024, s.shape, generator=generator).to(dtype) for s in prior.side_specs}
    grids = {s.name: torch.randint(-300, 301, s.shape, generator=generator).to(dtype) for s in specs}
    grids_on_gpu, side_on_gpu = ({name: value.cuda() for name, value in named.items()} for named in (grids, side))
    for parities in PHASES:
        batch = Batch("grid0", phase_slices(parities))
        here = prior.predict(grids, side, batch)
        there = prior.predict(grids_on_gpu, side_on_gpu, batch)
        assert torch.equal(here.mean_eighths, there.mean_eighths.cpu())
        assert torch.equal(here.scale_index, there.scale_index.cpu())


def test_replayed_steps_are_called_ones():
    """Also their noise: the generator goes on where it was."""
    results = []
    for replays in (False, True):
        generator = torch.Generator("cuda").manual_seed(5)
        graphs = StepGraphs(torch.device("cuda"), (generator,))
        state, rate = torch.zeros(3, 4, device="cuda"), torch.ones((), device="cuda")

        def work(state=state, rate=rate, generator=generator) -> torch.Tensor:
            state.add_(torch.rand(state.shape, generator=generator, device="cuda") * rate)
            return state.sum()

        def other(state=state) -> torch.Tensor:
            return state.mul_(0.5).mean()

        seen = []
        for call in range(6):
            rate.fill_(call + 1)
            for name, step in (("work", work), ("other", other)):
                seen.append(float(graphs.run(name, step) if replays else step()))
        results.append((seen, state.cpu()))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("overlapping", [None, 16])
@pytest.mark.parametrize("planes", [1, 2])
def test_the_gradient_of_a_warp_is_the_cpus_and_always_the_same(planes: int, overlapping: int | None):
    generator = torch.Generator().manual_seed(0)
    picture, flow = (
        torch.randn(3, planes, 48, 64, generator=generator),
        torch.randn(3, 2, 3, 4, generator=generator) * 9,
    )
    seeds = torch.randn(3, planes, 48, 64, generator=generator)
    found = []
    for device in ("cpu", "cuda", "cuda"):
        leaves = [values.to(device).requires_grad_() for values in (picture, flow)]
        moved = warp(*leaves, 1, overlapping)
        found.append([values.cpu() for values in (moved, *torch.autograd.grad(moved, leaves, seeds.to(device)))])
    for here, there, again in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-4)
        assert torch.equal(there, again)


@pytest.mark.parametrize("preset", ["draft", "fast"])  # of one, steps are called; of the other, replayed
def test_one_seed_one_file_that_every_device_decodes(preset: str, tmp_path, moving_disc, write_yuv):
    clip = write_yuv(tmp_path / "clip.yuv", moving_disc(8, 48, 64))
    files = [tmp_path / name for name in ("a.nvrc", "b.nvrc")]
    for file in files:
        config = EncodeConfig(preset=preset, target_bpp=1.0, device="cuda", raw_size=(64, 48), raw_rate=Fraction(25))
        encode(str(clip), str(file), config)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert verify(str(files[0]), device="cuda").pixels_exact
    assert verify(str(files[0]), device="cpu").max_difference <= 1
    planes = []
    for device in ("cuda", "cpu"):
        target = tmp_path / f"{device}.yuv"
        decode(str(files[0]), str(target), device=device)
        planes.append(np.frombuffer(target.read_bytes(), np.uint8).astype(int))
    assert np.abs(planes[0] - planes[1]).max() <= 1
