"""HiNeRV-v2: its parameters, its picture, and a second way to compute what it computes."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from nvrc_formats.header import HinervShape
from nvrc_formats.video import VideoFormat

from nvrc_core.representation.hinerv import Hinerv, covering_grid, level_size

SMALL = HinervShape(
    grid_size=(4, 3, 4),
    grid_channels=2,
    grid_levels=3,
    channels=(12, 6),
    strides=(3, 2),
    depths=(2, 1),
    expansion=2,
    local_grid_channels=(2, 1),
    local_grid_levels=2,
    output_stride=1,
)
PHASES = replace(SMALL, strides=(2, 2), output_stride=2)
FRAMES = 7
SHAPES = pytest.mark.parametrize("shape", [SMALL, PHASES], ids=["stride 1", "stride 2"])

Parameters = dict[str, torch.Tensor]


def whole(shape: HinervShape) -> VideoFormat:
    height, width = shape.rendered_size
    return VideoFormat(width, height)


def parameters_of(model: Hinerv, dtype: torch.dtype = torch.float32, seed: int = 1) -> Parameters:
    """Livelier than a fresh start: grids and biases count."""
    generator = torch.Generator().manual_seed(seed)
    parameters = model.initial_parameters((0.4, 0.5, 0.6), generator)
    for spec in model.specs:
        if spec.init_bound < 0.01:
            parameters[spec.name] = parameters[spec.name] + torch.randn(spec.shape, generator=generator) * 0.5
    return {name: value.to(dtype) for name, value in parameters.items()}


def rendered(model: Hinerv, parameters: Parameters, *frames: int) -> tuple[torch.Tensor, ...]:
    return model.render(parameters, torch.tensor(frames))


# -- parameters -------------------------------------------------------------------------------------------


@st.composite
def shapes(draw: st.DrawFn) -> HinervShape:
    stages = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=stages, max_size=stages)))

    local = each(0, 2)
    return HinervShape(
        grid_size=(draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        grid_channels=draw(st.integers(1, 2)),
        grid_levels=draw(st.integers(1, 3)),
        channels=each(1, 6),
        strides=each(1, 3),
        depths=each(0, 2),
        expansion=draw(st.integers(1, 3)),
        local_grid_channels=local,
        local_grid_levels=draw(st.integers(1 if any(local) else 0, 3)),
        output_stride=2,
    )


@given(shapes(), st.integers(1, 9))
def test_parameters_are_those_of_the_header_and_biases(shape: HinervShape, frames: int):
    video = whole(shape)
    specs = Hinerv(shape, video, frames).specs
    assert len({spec.name for spec in specs}) == len(specs)
    assert sum(spec.size for spec in specs if spec.kind != "bias") == shape.parameter_count(frames, video)
    biases = shape.channels[0] + 6  # stem and head
    width = shape.channels[0]
    for stage, depth in enumerate(shape.depths):
        biases += width if shape.local_grid_channels[stage] else 0
        width = shape.channels[stage] if depth else width
    assert sum(spec.size for spec in specs if spec.kind == "bias") == biases


@given(shapes(), st.integers(1, 5))
@settings(max_examples=40)
def test_every_shape_renders(shape: HinervShape, frames: int):
    model = Hinerv(shape, whole(shape), frames)
    planes = rendered(model, parameters_of(model), *range(frames))
    assert [plane.shape[1:] for plane in planes] == list(model.video.plane_shapes)
    assert all(len(plane) == frames and plane.isfinite().all() for plane in planes)
    assert all(((plane >= 0) & (plane <= 1)).all() for plane in planes)


@SHAPES
def test_every_parameter_has_influence(shape: HinervShape):
    model = Hinerv(shape, whole(shape), FRAMES)
    parameters = {name: value.requires_grad_() for name, value in parameters_of(model, torch.float64).items()}
    planes = rendered(model, parameters, *range(FRAMES))
    weights = [torch.randn(plane.shape, generator=torch.Generator().manual_seed(i)) for i, plane in enumerate(planes)]
    total = sum((plane * weight).sum() for plane, weight in zip(planes, weights, strict=True))
    for name, gradient in zip(parameters, torch.autograd.grad(total, list(parameters.values())), strict=True):
        assert gradient.abs().sum() > 1e-9, name


@SHAPES
def test_a_fresh_start_shows_the_mean_colour(shape: HinervShape):
    model = Hinerv(shape, whole(shape), FRAMES)
    means = (0.2, 0.55, 0.7)
    parameters = model.initial_parameters(means, torch.Generator().manual_seed(1))
    for plane, mean in zip(rendered(model, parameters, 0, 3), means, strict=True):
        assert abs(float(plane.mean()) - mean) < 0.15


def test_starting_parameters_are_the_generators():
    model = Hinerv(SMALL, whole(SMALL), FRAMES)
    starts = [model.initial_parameters((0.5,) * 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    assert not torch.equal(starts[0]["stem0"], starts[2]["stem0"])
    for spec in model.specs:
        assert starts[0][spec.name].shape == spec.shape
        if spec.kind != "bias":
            assert starts[0][spec.name].abs().max() <= spec.init_bound


def test_work_a_pixel_grows_with_the_width():
    widths = [replace(SMALL, channels=(width, width // 2)) for width in (8, 16, 32)]
    macs = [Hinerv(shape, whole(shape), FRAMES).mac_per_pixel for shape in widths]
    assert macs == sorted(macs)
    assert 2 < macs[2] / macs[1] < 4  # towards the square of the width


# -- the picture ------------------------------------------------------------------------------------------


@SHAPES
def test_a_frame_does_not_depend_on_its_batch(shape: HinervShape):
    model = Hinerv(shape, whole(shape), FRAMES)
    parameters = parameters_of(model)
    together = rendered(model, parameters, *range(FRAMES))
    for batch in ((3,), (6, 0), (2, 2, 5)):
        for plane, full in zip(rendered(model, parameters, *batch), together, strict=True):
            assert plane.shape == (len(batch), *full.shape[1:])
            assert torch.allclose(plane, full[list(batch)], atol=1e-5)


@SHAPES
@pytest.mark.parametrize("cut", [(0, 1), (1, 0), (3, 5)])
def test_the_picture_is_the_top_left_part_of_what_is_rendered(shape: HinervShape, cut: tuple[int, int]):
    full = whole(shape)
    part = VideoFormat(full.width - cut[1], full.height - cut[0])
    parameters = parameters_of(Hinerv(shape, full, FRAMES))
    uncut = rendered(Hinerv(shape, full, FRAMES), parameters, 1, 4)
    planes = rendered(Hinerv(shape, part, FRAMES), parameters, 1, 4)
    for plane, larger, (height, width) in zip(planes, uncut, part.plane_shapes, strict=True):
        assert plane.shape == (2, height, width)
        assert torch.equal(plane, larger[:, :height, :width])


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3), (23, 17), (24, 18)])
def test_covering_grids_cover(size: tuple[int, int]):
    width, height = size
    for stride in (1, 8, 24):
        rows, columns = covering_grid(VideoFormat(width, height), stride)
        assert (rows - 1) * stride < height <= rows * stride
        assert (columns - 1) * stride < width <= columns * stride


def test_frames_differ_where_the_grids_do():
    model = Hinerv(SMALL, whole(SMALL), FRAMES)
    parameters = parameters_of(model)
    planes = rendered(model, parameters, *range(FRAMES))[0]
    assert all((planes[i] - planes[i + 1]).abs().max() > 1e-3 for i in range(FRAMES - 1))
    # A local row a frame, and base rows that two frames share.
    changed = dict(parameters)
    changed["stage0.local0"] = parameters["stage0.local0"].clone()
    changed["stage0.local0"][2] += 1
    moved = (rendered(model, changed, *range(FRAMES))[0] - planes).abs().amax(dim=(1, 2)) > 0
    assert moved.tolist() == [index == 2 for index in range(FRAMES)]


# -- a second way to compute it ---------------------------------------------------------------------------


def reference(model: Hinerv, parameters: Parameters, frame: int) -> list[torch.Tensor]:
    """The planes of a frame with the library's convolutions and interpolations, channels first, the stem as a
    convolution of the whole grid."""
    shape, frames = model.shape, model.frames
    height, width = shape.grid_size[1:]
    total = parameters["stem.bias"].view(1, -1, 1, 1)
    for level in range(shape.grid_levels):
        channels = level_size(shape, level)[3]
        grid = parameters[f"grid{level}"].permute(3, 0, 1, 2)[None]  # [1, C, T, H, W]
        kernel = parameters[f"stem{level}"].view(-1, 3, channels, 3, 3).transpose(1, 2)  # taps first in the matrix
        encoded = F.conv3d(grid, kernel, padding=1)
        encoded = F.interpolate(encoded, (frames, height, width), mode="trilinear", align_corners=False)
        total = total + encoded[:, :, frame]
    x = total
    for stage, stride in enumerate(shape.strides):
        x = normed(x)
        x = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
        if shape.local_grid_channels[stage]:
            x = x + tiled_codes(model, parameters, stage, frame, x.shape)
        for block in range(shape.depths[stage]):
            name = f"stage{stage}.block{block}"
            y = F.conv2d(x, parameters[f"{name}.depthwise"].view(-1, 1, 3, 3), padding=1, groups=x.shape[1])
            y = F.conv2d(normed(y), parameters[f"{name}.expand"][:, :, None, None])
            y = 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))
            y = F.conv2d(y, parameters[f"{name}.project"][:, :, None, None])
            x = x + y if x.shape == y.shape else y
    q = torch.sigmoid(F.conv2d(x, parameters["head.weight"][:, :, None, None], parameters["head.bias"]))[0]
    if shape.output_stride == 1:
        planes = [q[0], *((p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4 for p in q[1:])]
    else:
        luma = q.new_empty(2 * q.shape[1], 2 * q.shape[2])
        for phase in range(4):
            luma[phase // 2 :: 2, phase % 2 :: 2] = q[phase]
        planes = [luma, q[4], q[5]]
    return [plane[:h, :w] for plane, (h, w) in zip(planes, model.video.plane_shapes, strict=True)]


def normed(x: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()


def tiled_codes(model: Hinerv, parameters: Parameters, stage: int, frame: int, size: torch.Size) -> torch.Tensor:
    """The local codes of a frame at every position: those of (y mod s, x mod s)."""
    stride = model.shape.strides[stage]
    codes = []
    for level in range(model.shape.local_grid_levels):
        grid = parameters[f"stage{stage}.local{level}"]
        flat = grid.flatten(1).T[None]  # [1, s * s * C, T]
        read = F.interpolate(flat, model.frames, mode="linear", align_corners=False)[0, :, frame]
        codes.append(read.view(stride, stride, -1))
    name = f"stage{stage}.local"
    cell = torch.cat(codes, dim=-1) @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]
    rows, columns = (torch.arange(side) % stride for side in size[2:])
    return cell[rows][:, columns].permute(2, 0, 1)[None]


@pytest.mark.parametrize("frames", [1, 3, FRAMES])
@pytest.mark.parametrize(
    "shape",
    [
        SMALL,
        PHASES,
        replace(SMALL, grid_size=(1, 2, 2), grid_levels=1, local_grid_channels=(0, 0), local_grid_levels=0),
        replace(SMALL, grid_size=(5, 3, 5), grid_levels=4, local_grid_channels=(0, 3)),
        replace(PHASES, channels=(5, 5), depths=(0, 2)),
    ],
)
def test_it_is_the_network_of_the_specification(shape: HinervShape, frames: int):
    full = whole(shape)
    model = Hinerv(shape, VideoFormat(full.width - 1, full.height - 3), frames)
    parameters = parameters_of(model, torch.float64)
    for frame in range(frames):
        for plane, expected in zip(
            rendered(model, parameters, frame), reference(model, parameters, frame), strict=True
        ):
            assert torch.allclose(plane[0], expected, atol=1e-10)
