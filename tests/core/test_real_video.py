"""What a user gets: the fastest preset on a real clip reaches its rate and a quality worth having."""

from pathlib import Path

import pytest

from nvrc_core.config import EncodeConfig
from nvrc_core.encode import encode
from nvrc_core.media.selection import FrameRange
from nvrc_core.verify import verify

CLIP = Path(__file__).parents[1] / "data" / "bunny_176x144_32f.mkv"


def test_a_draft_of_a_real_clip(tmp_path: Path):
    config = EncodeConfig(preset="draft", target_bpp=0.2, frames=FrameRange(0, 17), device="cpu", threads=1)
    result = encode(str(CLIP), str(tmp_path / "a.nvrc"), config)
    assert result.bpp == pytest.approx(0.2, rel=0.1)
    assert result.psnr_yuv > 34
    assert verify(str(tmp_path / "a.nvrc"), device="cpu", threads=1).pixels_exact
