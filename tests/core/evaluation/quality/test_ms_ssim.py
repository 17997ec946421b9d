import numpy as np
import pytest

from nvrc_core.evaluation.quality.ms_ssim import MIN_SIDE, is_defined, ms_ssim

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))


def blur(picture: np.ndarray) -> np.ndarray:
    """A Gaussian window wherever it lies inside the picture, axis by axis."""
    weights = WINDOW / WINDOW.sum()
    for _ in range(2):
        windows = np.lib.stride_tricks.sliding_window_view(picture, 11, axis=0)
        picture = (windows @ weights).T
    return picture


def halve(picture: np.ndarray) -> np.ndarray:
    """2x2 means; an odd side gets a zero before and after."""
    picture = np.pad(picture, [(side % 2, side % 2) for side in picture.shape])
    height, width = (side // 2 for side in picture.shape)
    return picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))


def independent_ms_ssim(a: np.ndarray, b: np.ndarray, peak: int) -> float:
    """Of two planes, from the paper's equations 3 to 7."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    product = 1.0
    for scale, exponent in enumerate(EXPONENTS):
        mean_a, mean_b = blur(a), blur(b)
        spread = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
        term = (2 * (blur(a * b) - mean_a * mean_b) + c2) / (spread + c2)
        if scale == len(EXPONENTS) - 1:
            term = term * (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        product *= max(term.mean(), 0) ** exponent
        a, b = halve(a), halve(b)
    return product


def test_agrees_with_the_equations(pair):
    video, reference, test = pair
    peak = video.pixel_format.peak
    for (a, *_), (b, *_) in zip(reference, test, strict=True):
        expected = independent_ms_ssim(a, b, peak)
        assert 0.5 < expected < 0.9999
        assert ms_ssim(a, b, peak) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("peak", [255, 1023])
def test_bright_and_flat_pictures_lose_no_precision(peak):
    """In float32 this is off by almost 1e-4, to above 1."""
    flat = np.full((200, 230), round(0.9 * peak), np.uint16)
    other = flat.copy()
    other[::7, ::5] += 1
    assert ms_ssim(flat, other, peak) == pytest.approx(independent_ms_ssim(flat, other, peak), abs=1e-9)


def test_channels_count_alike():
    a, b = np.random.default_rng(1).integers(0, 256, (2, 165, 170, 3), dtype=np.uint8)
    b[..., 0] = a[..., 0]
    expected = np.mean([independent_ms_ssim(a[..., channel], b[..., channel], 255) for channel in range(3)])
    assert ms_ssim(a, b, 255) == pytest.approx(expected, abs=1e-9)
    assert ms_ssim(a[..., 0], b[..., 0], 255) == pytest.approx(1, abs=1e-12)


def test_the_smallest_pictures_that_have_a_value():
    least = np.random.default_rng(2).integers(0, 256, (MIN_SIDE, MIN_SIDE), dtype=np.uint8)
    assert is_defined(*least.shape)
    assert ms_ssim(least, least, 255) == pytest.approx(1)
    assert not is_defined(MIN_SIDE - 1, 4000)
    with pytest.raises(AssertionError, match="larger than 160"):
        ms_ssim(least[1:], least[1:], 255)


@pytest.mark.cuda
def test_a_gpu_gives_the_same():
    a, b = np.random.default_rng(3).integers(0, 256, (2, 180, 190, 3), dtype=np.uint8)
    assert ms_ssim(a, b, 255, "cuda") == pytest.approx(ms_ssim(a, b, 255), abs=1e-9)
