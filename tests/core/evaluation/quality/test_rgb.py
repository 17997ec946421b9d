import math

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from nvrc_formats.video import PLANAR_FORMATS, ColorTags, VideoFormat

from nvrc_core.errors import MediaError, UsageError
from nvrc_core.evaluation.quality.rgb import ALIASES, CHROMA_FILTERS, FULL_RANGE, MATRICES, RgbConversion

NAMES = [f"{matrix}-{levels}-{chroma}" for matrix in MATRICES for levels in FULL_RANGE for chroma in CHROMA_FILTERS]

# Luma's weights of red and blue, from the recommendations.
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}

TAPS = {
    "bilinear": lambda x: max(1 - abs(x), 0),
    "bicubic": lambda x: (
        (1.5 * abs(x) - 2.5) * x**2 + 1
        if abs(x) <= 1
        else ((-0.5 * abs(x) + 2.5) * abs(x) - 4) * abs(x) + 2
        if abs(x) < 2
        else 0
    ),
}


def noise(video: VideoFormat, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    dtype = np.uint8 if video.pixel_format.peak == 255 else np.uint16
    return [rng.integers(0, video.pixel_format.peak + 1, shape, dtype=dtype) for shape in video.plane_shapes]


def stretched(line: np.ndarray, size: int, factor: int, offset: float, chroma: str) -> np.ndarray:
    """A line of samples at luma's positions, one output after the other."""
    if factor == 1:
        return line
    if chroma == "nearest":
        return np.repeat(line, factor, axis=0)[:size]
    weigh, values = TAPS[chroma], []
    for index in range(size):
        position = index / factor + offset
        total = 0.0
        for source in range(math.floor(position) - 3, math.floor(position) + 5):
            total = total + weigh(position - source) * line[min(max(source, 0), len(line) - 1)]
        values.append(total)
    return np.array(values)


def independent_rgb(planes: list[np.ndarray], video: VideoFormat, name: str) -> np.ndarray:
    """[H, W, 3] as real numbers from 0 to peak: the inverse of what turns RGB into YUV."""
    matrix, levels, chroma = name.split("-")
    layout = video.pixel_format
    red, blue = WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    forward = np.stack([luma, ([0, 0, 1] - luma) / (2 - 2 * blue), ([1, 0, 0] - luma) / (2 - 2 * red)])
    step = 2 ** (layout.bit_depth - 8)
    spans, zeros = ([219 * step, 224 * step, 224 * step], [16 * step, 128 * step, 128 * step])
    if levels == "full":
        spans, zeros = [layout.peak] * 3, [0, 128 * step, 128 * step]
    full = [planes[0].astype(float)]
    for plane in planes[1:]:
        rows = stretched(plane.astype(float), video.height, layout.chroma_y, -0.25, chroma)
        full.append(stretched(rows.T, video.width, layout.chroma_x, 0, chroma).T)
    yuv = (np.stack(full, axis=-1) - zeros) / spans
    return np.clip(yuv @ np.linalg.inv(forward).T, 0, 1) * layout.peak


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", PLANAR_FORMATS)
def test_agrees_with_the_inverse_matrix(name, layout):
    for size in ((8, 6), (7, 9), (1, 1)):
        video = VideoFormat(*size, PLANAR_FORMATS[layout])
        planes = noise(video)
        found = RgbConversion.parse(name).to_rgb(planes, video.pixel_format)
        assert (found.shape, found.dtype) == ((video.height, video.width, 3), planes[0].dtype)
        # Rounded to the nearest: half a code value away, but for the last bits of float64.
        assert np.abs(found - independent_rgb(planes, video, name)).max() <= 0.5 + 1e-9


def test_halves_are_rounded_up():
    # Full range black with the smallest blue difference: B = 1.772 * 1 and R = 0 exactly; grey stays grey.
    video = VideoFormat(1, 1, PLANAR_FORMATS["yuv444p"])
    planes = [np.array([[value]], np.uint8) for value in (100, 128, 128)]
    assert RgbConversion("bt601", True).to_rgb(planes, video.pixel_format).tolist() == [[[100, 100, 100]]]
    # Luma 89 of limited range is 255 * 73 / 219 = 85 exactly; 162 is 170.
    for luma, grey in ((16, 0), (89, 85), (162, 170), (235, 255), (255, 255), (0, 0)):
        planes[0][...] = luma
        assert RgbConversion().to_rgb(planes, video.pixel_format).tolist() == [[[grey] * 3]]


def by_swscale(planes: list[np.ndarray], video: VideoFormat, target: str, matrix: int, full_range: bool) -> np.ndarray:
    picture = av.VideoFrame(video.width, video.height, video.pixel_format.name)
    for plane, samples in zip(picture.planes, planes, strict=True):
        lines = np.frombuffer(plane, samples.dtype).reshape(-1, plane.line_size // samples.itemsize)
        lines[: samples.shape[0], : samples.shape[1]] = samples
    rgb = picture.reformat(
        format=target,
        interpolation=Interpolation.POINT,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    if target == "rgb24":
        return rgb.to_ndarray().astype(int)
    lines = [np.frombuffer(p, np.uint16).reshape(-1, p.line_size // 2)[:, : video.width] for p in rgb.planes]
    return np.stack([lines[2], lines[0], lines[1]], axis=-1).astype(int)


@pytest.mark.parametrize(
    ("layout", "largest", "mean"),
    [
        # swscale truncates table entries in its 8-bit path for subsampled chroma: up to 3 values, 1 on average.
        ("yuv420p", 3, 1.1),
        ("yuv422p", 3, 1.1),
        # Elsewhere it has 14-bit coefficients, which misround a value now and then.
        ("yuv444p", 1, 0.01),
        # At 10 bits it takes white for 4 * 255 in limited range, where H.273 has 1023.
        ("yuv420p10le", 4, 2),
        ("yuv444p10le", 4, 2),
    ],
)
@pytest.mark.parametrize("name", ["bt601-limited-nearest", "bt709-limited-nearest", "bt601-full-nearest"])
def test_agrees_with_swscale_but_for_its_rounding(make_pair, layout, largest, mean, name):
    video = VideoFormat(64, 48, PLANAR_FORMATS[layout])
    (planes,), _ = make_pair(video, 1)
    # Half of the range: swscale's sums overflow far outside of RGB's cube.
    planes = [plane // 2 + video.pixel_format.peak // 4 for plane in planes]
    conversion = RgbConversion.parse(name)
    matrix = Colorspace.ITU709 if conversion.matrix == "bt709" else Colorspace.ITU601
    target = "rgb24" if video.pixel_format.peak == 255 else "gbrp10le"
    theirs = by_swscale(planes, video, target, matrix, conversion.full_range)
    difference = np.abs(theirs - conversion.to_rgb(planes, video.pixel_format))
    assert difference.max() <= largest
    assert difference.mean() <= mean


def test_names():
    for name in NAMES:
        assert RgbConversion.parse(name).name == name
    assert RgbConversion.parse("ffmpeg601").name == ALIASES["ffmpeg601"] == "bt601-limited-nearest"
    for name in ("", "bt709", "bt709-nearest-limited", "bt709-limited-lanczos", "BT709-limited-nearest"):
        with pytest.raises(UsageError, match=r"unknown RGB conversion .* use bt601\|bt709\|bt2020-limited\|full-"):
            RgbConversion.parse(name)


def test_tags_choose_the_conversion():
    chosen = {
        (2, None): "bt601-limited-nearest",
        (1, None): "bt709-limited-nearest",
        (5, False): "bt601-limited-nearest",
        (6, True): "bt601-full-nearest",
        (9, False): "bt2020-limited-nearest",
    }
    for (matrix, full_range), name in chosen.items():
        assert RgbConversion.of_tags(ColorTags(matrix=matrix, full_range=full_range)).name == name
    for matrix in (0, 8, 10, 14):
        with pytest.raises(MediaError, match=f"colour matrix {matrix} "):
            RgbConversion.of_tags(ColorTags(matrix=matrix))
