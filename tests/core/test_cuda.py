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
from nvrc_core.representation.base import ParameterSpec
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


def test_one_seed_one_file_that_every_device_decodes(tmp_path, moving_disc, write_yuv):
    clip = write_yuv(tmp_path / "clip.yuv", moving_disc(8, 48, 64))
    files = [tmp_path / name for name in ("a.nvrc", "b.nvrc")]
    for file in files:
        config = EncodeConfig(preset="draft", target_bpp=1.0, device="cuda", raw_size=(64, 48), raw_rate=Fraction(25))
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
