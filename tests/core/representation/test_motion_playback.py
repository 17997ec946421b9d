"""Frames of motion-compensated wavelets one after the other: the same pictures, each computed once, few kept."""

from collections import Counter

import pytest
import torch
from nvrc_formats.shapes import MotionWaveletShape
from nvrc_formats.video import VideoFormat

from nvrc_core.representation.motion_wavelet import MotionWavelet

FRAMES, KEYS = 22, (0, 1, 9, 20, 21)
VIDEO = VideoFormat(37, 21)


def model() -> MotionWavelet:
    return MotionWavelet(MotionWaveletShape(KEYS, 5, 1), VIDEO, FRAMES)


def lively(representation: MotionWavelet) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {spec.name: torch.randn(spec.shape, generator=generator) * 0.1 for spec in representation.specs}


def test_they_are_the_frames_that_are_rendered_alone():
    representation = model()
    parameters = lively(representation)
    played = list(representation.render_each(parameters, range(FRAMES)))
    assert len(played) == FRAMES
    for frame, planes in enumerate(played):
        for plane, alone in zip(planes, representation.render(parameters, torch.tensor([frame])), strict=True):
            assert plane.shape == alone.shape
            assert torch.allclose(plane, alone, atol=1e-5)


@pytest.mark.parametrize("frames", [range(0), range(5, 6), range(3, 17), range(20, 22)])
def test_samples_do_not_depend_on_which_frames_are_asked_for(frames: range):
    representation = model()
    parameters = lively(representation)
    everything = list(representation.render_each(parameters, range(FRAMES)))
    some = list(representation.render_each(parameters, frames))
    assert len(some) == len(frames)
    for frame, planes in zip(frames, some, strict=True):
        assert all(torch.equal(plane, full) for plane, full in zip(planes, everything[frame], strict=True))


@pytest.mark.parametrize(
    ("frames", "keys"), [(range(FRAMES), KEYS), (range(12, 15), KEYS), (range(60), tuple(range(60)))]
)
def test_every_picture_is_computed_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch, frames: range, keys):
    representation = MotionWavelet(MotionWaveletShape(keys, 1, 0), VIDEO, keys[-1] + 1)
    computed, kept = Counter(), []
    picture_of = MotionWavelet._picture

    def watched(self, rows, residual, motion, weights, known):
        computed.update(rows)
        kept.append(len(known))
        return picture_of(self, rows, residual, motion, weights, known)

    monkeypatch.setattr(MotionWavelet, "_picture", watched)
    assert sum(1 for _ in representation.render_each(lively(representation), frames)) == len(frames)
    needed = set().union(*(representation.intervals.ancestors(representation.intervals.row_of[t]) for t in frames))
    assert computed == Counter(needed)
    assert max(kept) <= representation.intervals.levels + 1
