"""Motion-compensated wavelets: parameters, references, the picture, and a second way to compute it."""

import pytest
import torch
import torch.nn.functional as F
from nvrc_formats.shapes import MotionWaveletShape
from nvrc_formats.video import VideoFormat

from nvrc_core.representation.intervals import default_keys
from nvrc_core.representation.motion_wavelet import MotionWavelet
from nvrc_core.representation.prediction_filter import NEAR_PLACES, PLACES
from nvrc_core.representation.warp import warp
from nvrc_core.representation.wavelet import BANDS, synthesise

GRIDS = (*BANDS, "motion")
FRAMES = 11
KEYS = (0, 8, 10)

Parameters = dict[str, torch.Tensor]


def model_of(
    width: int = 45,
    height: int = 29,
    frames: int = FRAMES,
    keys: tuple[int, ...] = KEYS,
    blocks: int = 2,
    overlaps: bool = False,
) -> MotionWavelet:
    shape = MotionWaveletShape(keys=keys, channels=4, blocks=blocks, overlaps=overlaps)
    return MotionWavelet(shape, VideoFormat(width, height), frames)


def lively(model: MotionWavelet, dtype: torch.dtype = torch.float32) -> Parameters:
    """Parameters that are all of consequence."""
    generator = torch.Generator().manual_seed(1)
    spread = {"band": 0.1, "motion": 2.0, "layer": 0.2, "bias": 0.2, "filter": 0.03}
    parameters = model.initial_parameters((0.5,) * 3, generator)
    for spec in model.specs:
        noise = torch.randn(spec.shape, generator=generator, dtype=torch.float64)
        parameters[spec.name] = (parameters[spec.name] + noise * spread[spec.kind]).to(dtype)
    return parameters


def rows_of(model: MotionWavelet, parameters: Parameters, rows: torch.Tensor) -> Parameters:
    return {
        spec.name: parameters[spec.name][rows] if spec.name in GRIDS else parameters[spec.name] for spec in model.specs
    }


# -- parameters -------------------------------------------------------------------------------------------


def test_specs_are_bands_from_coarse_to_fine_motion_filter_and_network():
    model = model_of()
    shapes = {spec.name: (spec.kind, spec.shape) for spec in model.specs}
    assert list(shapes.items())[:6] == [
        ("band16", ("band", (11, 2, 3, 12))),
        ("band8", ("band", (11, 4, 6, 9))),
        ("band4", ("band", (11, 8, 12, 9))),
        ("band2", ("band", (11, 16, 24, 3))),
        ("motion", ("motion", (11, 2, 3, 6))),
        ("filter", ("filter", (model.intervals.levels, 18))),
    ]
    assert all(name.startswith("net.") and kind in ("layer", "bias") for name, (kind, _) in list(shapes.items())[6:])
    assert sum(spec.size for spec in model.specs if spec.kind == "band") == FRAMES * 32 * 48 * 3 // 2
    weights = sum(spec.size for spec in model.specs if spec.kind != "bias")
    assert weights == model.shape.parameter_count(FRAMES, model.video)


def test_a_fresh_start_is_grey_and_its_network_adds_nothing():
    model = model_of()
    parameters = model.initial_parameters((0.2, 0.3, 0.4), torch.Generator().manual_seed(1))
    assert {name: tuple(value.shape) for name, value in parameters.items()} == {
        spec.name: spec.shape for spec in model.specs
    }
    for plane in model.render(parameters, torch.tensor([0, 3])):
        assert torch.equal(plane, torch.full_like(plane, 0.5))
    features = torch.randn(2, 18, 8, 12)
    assert not model.network(features, parameters).any()
    parameters["net.head"] += 0.1
    assert model.network(features, parameters).std() > 0.01


def test_work_a_pixel_counts_the_network_once_for_four_samples():
    small, large = (model_of(48, 32, blocks=blocks).mac_per_pixel for blocks in (1, 3))
    assert large - small == pytest.approx(2 * (9 * 4 + 2 * 8 * 4) / 4)
    assert model_of(40, 32).mac_per_pixel == pytest.approx(model_of(48, 32).mac_per_pixel * 48 / 40)


# -- the picture ------------------------------------------------------------------------------------------


def lifted(lattice: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(lattice, size=size, mode="bilinear", align_corners=False)


def moved(planes: torch.Tensor, flow: torch.Tensor, luma_samples: int, overlapping: int | None) -> torch.Tensor:
    if overlapping:  # has tests of its own
        return warp(planes, flow, luma_samples, overlapping)
    flow, (height, width) = flow / luma_samples, planes.shape[-2:]
    ys, xs = torch.meshgrid(torch.arange(height).to(planes), torch.arange(width).to(planes), indexing="ij")
    dx, dy = lifted(flow, planes.shape[-2:])[0]
    places = torch.stack([(xs + dx + 0.5) * 2 / width - 1, (ys + dy + 0.5) * 2 / height - 1], dim=-1)
    return F.grid_sample(planes, places[None], mode="bicubic", padding_mode="border", align_corners=False)


def reference(model: MotionWavelet, parameters: Parameters, frame: int) -> list[torch.Tensor]:
    """Planes of a frame by recursion, one frame at a time, with the library's interpolation and convolutions."""
    overlapping = 16 if model.shape.overlaps else None

    def motion_of(row: int) -> tuple[torch.Tensor, ...]:
        return parameters["motion"][row : row + 1].permute(0, 3, 1, 2).split([2, 2, 1, 1], dim=1)

    def filtered(luma: torch.Tensor, level: int) -> torch.Tensor:
        weights = parameters["filter"][level]
        padded, result = F.pad(luma, (3,) * 4, mode="replicate"), luma
        for index, (dy, dx) in enumerate((*PLACES, *NEAR_PLACES)):
            for sign in (-1, 1):
                kernel = luma.new_zeros(1, 1, 7, 7)
                kernel[0, 0, 3, 3] -= 1
                kernel[0, 0, 3 + sign * dy, 3 + sign * dx] += 1
                difference = F.conv2d(padded, kernel)
                result = result + weights[index] * (difference if index < 12 else difference.clamp(-0.02, 0.02))
        return result

    def linear(row: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Y and UV, and the differences that the network sees."""
        planes = list(synthesise({name: parameters[name][row : row + 1] for name in BANDS}))
        none = torch.zeros(1, 12, planes[1].shape[2], planes[1].shape[3], dtype=planes[0].dtype)
        rows = (model.intervals.reference0[row], model.intervals.reference1[row])
        if rows[0] < 0:
            return planes, [none]
        flows = motion_of(row)
        kept = (1 - lifted(flows[3], planes[0].shape[-2:])).clamp(0, 1)
        shares_kept = kept, F.avg_pool2d(kept, 2)
        if row < len(model.shape.keys):
            before = linear(rows[0])[0]
            predicted = [shares_kept[i] * moved(before[i], flows[0], 1 + i, overlapping) for i in range(2)]
            return [planes[0] + filtered(predicted[0], 0), planes[1] + predicted[1]], [none]
        low, high = (model.intervals.frame[row] for row in rows)
        share = torch.tensor((high - model.intervals.frame[row]) / (high - low)).clamp(0.02, 0.98)
        weight = torch.sigmoid(lifted(flows[2] + torch.log(share / (1 - share)), planes[0].shape[-2:]))
        pair = [[moved(linear(rows[k])[0][i], flows[k], 1 + i, overlapping) for i in range(2)] for k in range(2)]
        for i, share_of_first in enumerate((weight, F.avg_pool2d(weight, 2))):
            blended = share_of_first * pair[0][i] + (1 - share_of_first) * pair[1][i]
            faded = shares_kept[i] * blended
            planes[i] = planes[i] + (faded if i else filtered(faded, model.intervals.level[row]))
        halves = [half(*planes), half(*pair[0]), half(*pair[1])]
        return planes, [halves[1] - halves[0], halves[2] - halves[0]]

    def half(luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
        return torch.cat([luma[:, :, i::2, j::2] for i in range(2) for j in range(2)] + [chroma], dim=1)

    planes, differences = linear(model.intervals.row_of[frame])
    width = model.shape.channels
    maps = F.conv2d(4 * torch.cat([half(*planes), *differences], dim=1), parameters["net.input"].view(width, 18, 1, 1))
    for block in range(model.shape.blocks):
        name = f"net.block{block}"
        hidden = F.conv2d(maps, parameters[f"{name}.depthwise"].view(width, 1, 3, 3), padding=1, groups=width)
        expand, project = (parameters[f"{name}.{layer}"][..., None, None] for layer in ("expand", "project"))
        hidden = F.relu(F.conv2d(hidden, expand, parameters[f"{name}.expand.bias"]))
        maps = maps + F.conv2d(hidden, project)
    head = parameters["net.head"].view(6, width, 3, 3)
    corrected = half(*planes) + F.conv2d(maps, head, parameters["net.head.bias"], padding=1) / 4
    result = [F.pixel_shuffle(corrected[:, :4], 2)[0, 0], corrected[0, 4], corrected[0, 5]]
    return [
        (plane[:height, :width] + 0.5).clamp(0, 1)
        for plane, (height, width) in zip(result, model.video.plane_shapes, strict=True)
    ]


@pytest.mark.parametrize("overlaps", [False, True])
def test_the_picture_is_what_another_way_computes(overlaps: bool):
    model = model_of(overlaps=overlaps)
    parameters = lively(model, torch.float64)
    planes = model.render(parameters, torch.arange(FRAMES))
    for frame in range(FRAMES):
        for plane, expected in zip(planes, reference(model, parameters, frame), strict=True):
            assert torch.allclose(plane[frame], expected, atol=1e-9)
    assert all(plane.std() > 0.05 for plane in planes)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 15), (45, 29)])
@pytest.mark.parametrize(("frames", "keys"), [(1, (0,)), (2, (0, 1)), (3, (0, 2)), (4, (0, 1, 2, 3))])
def test_every_size_and_structure_renders(size: tuple[int, int], frames: int, keys: tuple[int, ...]):
    model = model_of(*size, frames=frames, keys=keys, blocks=0)
    planes = model.render(lively(model), torch.arange(frames))
    assert [plane.shape for plane in planes] == [(frames, *shape) for shape in model.video.plane_shapes]
    assert all(plane.min() >= 0 and plane.max() <= 1 and plane.isfinite().all() for plane in planes)


def test_a_frame_does_not_depend_on_its_batch():
    model = model_of()
    parameters = lively(model)
    together = model.render(parameters, torch.arange(FRAMES))
    for batch in [[frame] for frame in range(FRAMES)] + [[9, 0], [2, 2, 5]]:
        for plane, full in zip(model.render(parameters, torch.tensor(batch)), together, strict=True):
            assert plane.shape == (len(batch), *full.shape[1:])
            assert torch.allclose(plane, full[batch], atol=1e-5)


def test_a_frame_depends_on_its_ancestors_alone():
    model = model_of()
    parameters = lively(model)
    frame = 3
    before = model.render(parameters, torch.tensor([frame]))
    ancestors = model.intervals.ancestors(model.intervals.row_of[frame])
    for row in range(FRAMES):
        changed = dict(parameters)
        changed["band8"] = parameters["band8"].clone()
        changed["band8"][row] += 0.1
        after = model.render(changed, torch.tensor([frame]))
        assert (row in ancestors) != all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_rows_of_a_training_set_are_the_rendered_frames_without_the_network():
    model = model_of(frames=33, keys=default_keys(33, 16))
    parameters = lively(model)
    rows = [0, 1, 2, *model.intervals.training_sets()[1]]
    frames = torch.tensor(model.intervals.frame)[rows]
    head = {name: torch.zeros_like(value) for name, value in parameters.items() if name.startswith("net.head")}
    planes = model.linear_planes(rows_of(model, parameters, rows), rows)
    for plane, expected in zip(planes, model.render(parameters | head, frames), strict=True):
        assert torch.allclose(plane.clamp(0, 1), expected, atol=1e-5)
    assert any(plane.min() < 0 or plane.max() > 1 for plane in planes)  # training sees how far off it is


# -- gradients --------------------------------------------------------------------------------------------


def rendered(model: MotionWavelet, parameters: Parameters, rows: range) -> tuple[torch.Tensor, ...]:
    return model.planes(model.features(parameters, rows), parameters)


def test_gradients_reach_grandparents():
    model = model_of(frames=9, keys=(0, 8))
    rows = range(9)
    parameters = {name: value.requires_grad_() for name, value in lively(model).items()}
    planes = rendered(model, parameters, rows)
    row = model.intervals.row_of[3]  # refers to 2 and 4; 2 to 0 and 4; 4 to 0 and 8
    loss = sum(plane[row].square().sum() for plane in planes)
    gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
    for name in GRIDS:
        felt = gradients[name].abs().amax(dim=(1, 2, 3)) > 0
        needed = [frame in (0, 8, 4, 2, 3) and not (name == "motion" and frame == 0) for frame in model.intervals.frame]
        assert felt.tolist() == needed, name
    assert all(gradients[spec.name].any() for spec in model.specs if spec.name not in GRIDS)


def test_the_gradient_is_the_slope():
    model = model_of(16, 16, frames=5, keys=(0, 4))
    generator = torch.Generator().manual_seed(2)
    parameters = {name: value.requires_grad_() for name, value in lively(model, torch.float64).items()}
    direction = {name: torch.randn(value.shape, generator=generator).double() for name, value in parameters.items()}

    def loss(values: Parameters) -> torch.Tensor:
        return sum(plane.square().sum() for plane in rendered(model, values, range(5)))

    gradients = torch.autograd.grad(loss(parameters), list(parameters.values()))
    slope = sum((gradient * direction[name]).sum() for name, gradient in zip(parameters, gradients, strict=True))
    step = 1e-6
    ends = [
        loss({name: value + sign * step * direction[name] for name, value in parameters.items()}) for sign in (1, -1)
    ]
    assert slope.item() == pytest.approx((ends[0] - ends[1]).item() / (2 * step), rel=1e-4)
