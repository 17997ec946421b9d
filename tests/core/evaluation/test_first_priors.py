"""The constants that priors start from can be made again from clips."""

import ast
from pathlib import Path

import pytest
import torch

from nvrc_core.compression import band_prior, motion_prior
from nvrc_core.evaluation.first_priors import CONSTANTS, main, typical

CLIP = Path(__file__).parents[2] / "data" / "bunny_176x144_32f.mkv"


def constant(name: str) -> torch.Tensor:
    return torch.tensor(getattr(band_prior, name, None) or getattr(motion_prior, name))


def test_each_constant_comes_out_in_its_own_shape_and_alike(capsys: pytest.CaptureFixture):
    """One clip is not the five that the constants are of; but what is large there is large here."""
    main([str(CLIP), "--frames", "25", "--lambdas", "400"])
    printed = dict(line.split(" = ") for line in capsys.readouterr().out.splitlines())
    assert set(printed) == set(CONSTANTS.values())
    for name, text in printed.items():
        found, known = torch.tensor(ast.literal_eval(text)), constant(name)
        assert found.shape == known.shape
        assert torch.equal(found, found.round())
        assert float(torch.cosine_similarity(found.flatten(), known.flatten(), dim=0)) > 0.7, name


def test_typical_is_the_mean_over_fits():
    def fit(value: float) -> dict[str, torch.Tensor]:
        return {name: torch.full((3,), value) for name in CONSTANTS}

    values = typical([fit(2.0), fit(6.0)])
    assert values["INITIAL_SLOPES"] == [4.0] * 3
    assert values["INITIAL_SLOPE"] == 4.0
