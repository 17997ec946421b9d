"""Fades: predictions are kept where they help, and go where they would mislead."""

import torch

from nvrc_core.fitting.fade_choice import MOST, choose_fade
from nvrc_core.representation.wavelet import BANDS, analyse

HEIGHT, WIDTH, STEP = 64, 96, 0.05
STEPS = {name: torch.full((), STEP) for name in BANDS}


def texture(seed: int) -> torch.Tensor:
    """Luma [1, 1, H, W] around zero with detail of all scales."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(HEIGHT >> level, WIDTH >> level) for level in range(5)]
    layers = [torch.randn(1, 1, *size, generator=generator) for size in sizes]
    return 0.06 * sum(torch.nn.functional.interpolate(layer, (HEIGHT, WIDTH), mode="bilinear") for layer in layers)


def bands_of(luma: torch.Tensor) -> dict[str, torch.Tensor]:
    return analyse(luma, torch.nn.functional.avg_pool2d(luma, 2).repeat(1, 2, 1, 1) / 4)


def fade_of(wanted: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    return choose_fade(bands_of(wanted), bands_of(predicted), STEPS)[0]


def test_a_good_prediction_stays():
    picture = texture(1)
    assert not fade_of(picture, picture).any()
    assert not fade_of(picture, picture + 0.2 * STEP * texture(2)).any()


def test_an_unrelated_prediction_goes():
    fades = fade_of(texture(1), texture(2))
    assert fades.shape == (HEIGHT // 16, WIDTH // 16)
    assert fades.mean() > 0.8 * MOST
    assert fades.max() == MOST


def test_a_part_that_is_uncovered_fades_by_itself():
    """The right half shows something else."""
    picture, other = texture(1), texture(2)
    half = WIDTH // 2
    fades = fade_of(torch.cat([picture[..., :half], other[..., half:]], dim=-1), picture)
    assert not fades[:, :2].any()
    assert fades[:, 4:].mean() > 0.7 * MOST


def test_large_cells_are_judged_as_a_whole():
    """Four by six cells in two by three, where the pictures of two columns of three are unrelated."""
    picture, other = texture(1), texture(2)
    wanted = torch.cat([picture[..., :32], other[..., 32:]], dim=-1)
    fades = choose_fade(bands_of(wanted), bands_of(picture), STEPS, 2)[0]
    assert fades.shape == (2, 3)
    assert fades[:, 2:].mean() > 0.7 * MOST
    assert not fades[:, 0].any()
    assert choose_fade(bands_of(wanted), bands_of(picture), STEPS, 4)[0].shape == (1, 2)


def test_a_prediction_of_half_the_contrast_is_not_faded_and_one_of_twice_is_halved():
    picture = texture(1)
    assert not fade_of(picture, picture / 2).any()
    assert (fade_of(picture, picture * 2) == MOST / 2).float().mean() > 0.9


def test_where_there_is_nothing_to_save_nothing_fades():
    flat = torch.zeros(1, 1, HEIGHT, WIDTH)
    assert not fade_of(flat, flat).any()
    assert not fade_of(0.1 * STEP * texture(1), 0.1 * STEP * texture(2)).any()
