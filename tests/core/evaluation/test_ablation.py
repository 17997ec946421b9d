"""Ablations: each ingredient can be left out, leaves no trace, and its price is told in bits at equal quality."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvrc_core.config import EncodeConfig
from nvrc_core.encode import EncodeResult
from nvrc_core.evaluation.ablation import INGREDIENTS, WHOLE, Line, encode_without, excess_percent, main, table
from nvrc_core.media.selection import FrameRange

Planes = list[np.ndarray]
OF_REAL_VIDEO = {"fades", "bounded moves", "choice of how motion is coded", "overlapped motion", "network"}
BUNNY = Path(__file__).parents[2] / "data" / "bunny_176x144_32f.mkv"


@pytest.fixture(scope="module")
def clip(tmp_path_factory, moving_disc: Callable[[int, int, int], Planes], write_yuv) -> Path:
    return write_yuv(tmp_path_factory.mktemp("ablation") / "disc.yuv", moving_disc(5, 32, 48))


def encoded(ingredient: str, clip: Path, preset: str) -> EncodeResult:
    config = EncodeConfig(
        preset=preset,
        steps=30,
        quality_weight=3000.0,
        frames=FrameRange(0, 5),
        raw_size=(48, 32),
        raw_rate=Fraction(25),
    )
    return encode_without(ingredient, clip, config)


@pytest.fixture(scope="module")
def whole(clip: Path, tiny_preset: str) -> EncodeResult:
    return encoded(WHOLE, clip, tiny_preset)


@pytest.mark.parametrize("ingredient", sorted(set(INGREDIENTS) - OF_REAL_VIDEO))
def test_each_ingredient_can_be_left_out(ingredient: str, clip: Path, tiny_preset: str, whole: EncodeResult):
    without = encoded(ingredient, clip, tiny_preset)
    assert (without.bytes, without.psnr_yuv) != (whole.bytes, whole.psnr_yuv)
    if ingredient == "motion":
        assert without.parts["motion"] < whole.parts["motion"]
    if ingredient == "warm start":
        assert without.psnr_y < whole.psnr_y - 3


@pytest.mark.parametrize("ingredient", sorted(OF_REAL_VIDEO))
def test_some_count_where_there_is_detail(ingredient: str, tiny_preset: str):
    """A disc on a plain ground has no gradients that are large beside the others, uncovers nothing worth a fade,
    suits the usual motion, and leaves nothing to a network."""
    config = EncodeConfig(preset=tiny_preset, steps=20, quality_weight=300.0, frames=FrameRange(0, 9))
    whole, without = (encode_without(name, BUNNY, config) for name in (WHOLE, ingredient))
    assert (without.bytes, without.psnr_yuv) != (whole.bytes, whole.psnr_yuv)


def test_and_leaves_no_trace(clip: Path, tiny_preset: str, whole: EncodeResult):
    again = encoded(WHOLE, clip, tiny_preset)
    assert (again.bytes, again.psnr_yuv) == (whole.bytes, whole.psnr_yuv)


def test_excess_is_of_bits_at_equal_quality():
    """Twice the bits at every quality, seen at other qualities."""
    whole = Line(((30.0, math.log(0.05)), (36.0, math.log(0.2))))
    without = Line(((28.0, math.log(2 * 0.05) - math.log(4) / 3), (34.0, math.log(2 * 0.2) - math.log(4) / 3)))
    assert excess_percent(whole, without) == pytest.approx(100)
    assert excess_percent(whole, whole) == pytest.approx(0)


@pytest.mark.parametrize("qualities", [(20.0, 20.0), (21.0, 20.0)])
def test_bits_that_bring_no_quality_never_reach_it(qualities: tuple[float, float]):
    whole = Line(((30.0, math.log(0.05)), (36.0, math.log(0.2))))
    without = Line(tuple(zip(qualities, (math.log(0.05), math.log(0.2)), strict=True)))
    assert excess_percent(whole, without) == math.inf


def test_table_means_over_seeds_and_clips():
    excess = {
        ("motion", "a", 0): (10.0, 20.0),
        ("motion", "a", 1): (12.0, 22.0),
        ("motion", "b", 0): (-1.0, 0.0),
        ("motion", "b", 1): (-1.0, 2.0),
    }
    assert table(excess, ["a", "b"], [0, 1]).splitlines() == [
        "| without | a | b | mean |",
        "|---|---|---|---|",
        "| motion | +11.0 / +21.0 (2.0) | -1.0 / +1.0 (0.0) | +5.0 / +11.0 |",
    ]


def test_table_tells_what_no_rate_brings_back():
    excess = {("warm start", "a", seed): (math.inf, 5.0 + seed) for seed in range(2)}
    assert table(excess, ["a"], [0, 1]).splitlines()[-1] == (
        "| warm start | out of reach / +5.5 | out of reach / +5.5 |"
    )


def test_the_command_prints_a_row_for_each_ingredient(tiny_preset: str, capsys: pytest.CaptureFixture):
    names = ["curvature in gradients", "bounded moves"]
    options = ["--preset", tiny_preset, "--frames", "2", "--lambdas", "50,200", "--seeds", "0"]
    main([str(BUNNY), *options, "--without", *names])
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == names


def test_the_command_refuses_what_it_cannot_leave_out(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["clip.mkv", "--without", "luck"])
    assert "luck" in capsys.readouterr().err
