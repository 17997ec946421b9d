"""A fit takes place where it is told to: on a device that is emulated, as no test may need one."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from emulated_device import ELSEWHERE, HERE, RecordedSteps, RemoteTensor, emulation

from nvrc_core.compression.segment_codec import decode_symbols
from nvrc_core.fitting import motion_fit, motion_trainer
from nvrc_core.kinds import representation_for, scheme_for
from nvrc_core.media.source import open_source
from nvrc_core.presets import PRESETS
from nvrc_core.rendering import render_frames
from nvrc_core.representation.sizing import shape_for
from nvrc_core.segment import FittedSegment, fit_segment

FRAMES, HEIGHT, WIDTH = 5, 16, 16


def test_tensors_of_two_devices_do_not_meet():
    with emulation():
        there, here = torch.ones(3, device=ELSEWHERE), torch.ones(3)
        assert isinstance(there, RemoteTensor)
        with pytest.raises(RuntimeError, match=r"two devices meet in aten\.add"):
            there + here
        assert torch.equal((there + torch.tensor(2.0) + here.to(ELSEWHERE)).cpu(), torch.full((3,), 4.0))
        assert there[torch.tensor([0, 2])].device == ELSEWHERE
        with pytest.raises(RuntimeError, match=r"two devices meet in aten\.index"):
            here[torch.tensor([0, 2]).to(ELSEWHERE)]
        with pytest.raises(RuntimeError):
            there.numpy()


def test_recorded_steps_do_not_wait():
    with emulation():
        there, steps = torch.ones(3, device=ELSEWHERE), RecordedSteps(ELSEWHERE, ())
        for work in (lambda: there[there > 0], lambda: there.cpu(), lambda: torch.ones(3).to(ELSEWHERE), there.tolist):
            steps.run(work, work)
            with pytest.raises(RuntimeError, match="the host waits"):
                steps.run(work, work)
        for _ in range(2):
            assert float(steps.run("sum", there.sum)) == 3


@pytest.fixture
def video(tmp_path: Path, moving_disc, write_yuv):
    clip = write_yuv(tmp_path / "clip.yuv", moving_disc(FRAMES, HEIGHT, WIDTH))
    with open_source(str(clip), raw_size=(WIDTH, HEIGHT), raw_rate=Fraction(25)) as source:
        return source.video


@pytest.mark.parametrize("kind", ["tiny_preset", "tiny_hinerv_preset"])
def test_a_fit_elsewhere_gives_the_file_of_a_fit_here(kind: str, request, video, moving_disc, monkeypatch):
    monkeypatch.setattr(motion_fit, "MOST_TRIES", 2)
    monkeypatch.setattr(motion_fit, "MOST_SEARCHES", 1)
    choose = motion_fit.choose_motion_coding
    monkeypatch.setattr(motion_fit, "choose_motion_coding", lambda *a, **b: replace(choose(*a, **b), overlaps=True))
    preset, planes = PRESETS[request.getfixturevalue(kind)], moving_disc(FRAMES, HEIGHT, WIDTH)
    bits = 3.0 * FRAMES * HEIGHT * WIDTH
    shape = shape_for(preset.profile, video, FRAMES, bits, ())

    def fitted(device: torch.device) -> tuple[FittedSegment, list[np.ndarray]]:
        segment = fit_segment(
            shape,
            video,
            planes,
            preset,
            target_bits=bits,
            quality_weight=None,
            device=device,
            seed=0,
            on_progress=lambda _: None,
        )
        representation = representation_for(segment.shape, video, FRAMES)
        scheme = scheme_for(representation)
        parameters = scheme.dequantise(decode_symbols(scheme, segment.encoding.payload)[0])
        pictures = render_frames(representation, parameters, range(FRAMES), peak=255, device=device)
        return segment, [plane for frame in pictures for plane in frame]

    here, pictures_here = fitted(HERE)
    monkeypatch.setattr(motion_trainer, "StepGraphs", RecordedSteps)
    with emulation():
        there, pictures_there = fitted(ELSEWHERE)
    assert there.encoding.payload == here.encoding.payload
    assert all(np.array_equal(*pair) for pair in zip(pictures_here, pictures_there, strict=True))
