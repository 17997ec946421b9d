"""Motion-compensated wavelets: a frame is predicted from two others, the rest is a sum of wavelets, and a small
network corrects the picture.

A frame's residual is the inverse wavelet transform of its bands. A key adds the key before it, moved; any other frame
a blend of its two references, moved (`Intervals`); either fades where it would mislead, and its luma is filtered. What
is referred to is this linear picture, unclamped and without the network's correction, so that the network has no part
in the chain of references and can be as large as time allows.
Samples are x / peak - 0.5: zero is mid-grey.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from nvrc_formats.shapes import MotionWaveletShape
from nvrc_formats.video import VideoFormat
from torch import Tensor

from nvrc_core.constants import constant
from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.intervals import NONE, Intervals
from nvrc_core.representation.motion_channels import FADE, FLOW0, FLOW1, MASK, MOTION, MOTION_CHANNELS
from nvrc_core.representation.prediction_filter import FILTER, filtered
from nvrc_core.representation.warp import Picture, blend, fade, warp_picture
from nvrc_core.representation.wavelet import BANDS, synthesise

BAND_CHANNELS = (12, 9, 9, 3)
HALF_PLANES = 6  # at half the luma resolution: four luma phases, U, V
FEATURES = 3 * HALF_PLANES
EXPANSION = 2
KERNEL = 3
FEATURE_GAIN, HEAD_GAIN = 4.0, 0.25
DEPTHWISE_SPREAD = 0.5  # of the usual uniform start, around the identity
GREY = 0.5

# Multiply-accumulates of everything but the network, per luma sample: 1.5 samples of all planes, for each two warps
# (rows of a separable 4x4 filter, 20, and its weights, 12), the blend (2), the fade (1), and 8 of lifting at 4/3
# samples a sample; and the filter of luma. Samples where motion overlaps, a small part of most pictures, take four more
# warps.
SYNTHESIS_MACS = 1.5 * (2 * 32 + 3 + 8 * 4 / 3) + MotionWaveletShape.FILTER_WEIGHTS + 1


class MotionWavelet:
    """Motion-compensated wavelets for `frames` frames of a video. See `Representation` for the interface.

    Bands and motion have one row a frame, in the row order of `intervals`.
    """

    def __init__(self, shape: MotionWaveletShape, video: VideoFormat, frames: int) -> None:
        self.shape = shape
        self.video = video
        self.frames = frames
        self.intervals = Intervals(frames, shape.keys)
        filter_spec = ParameterSpec(FILTER, (self.intervals.levels, shape.FILTER_WEIGHTS), "filter", 0.0)
        self.linear_specs = (*self._grid_specs(), filter_spec)
        self.network_specs = tuple(self._network_specs())
        self.specs = (*self.linear_specs, *self.network_specs)
        height, width = shape.coarsest_size(video)
        coded = height * width * shape.COARSEST_STRIDE**2 / video.pixels
        self.linear_mac_per_pixel = coded * SYNTHESIS_MACS
        weights = sum(spec.size for spec in self.network_specs if spec.kind == "layer")
        self.mac_per_pixel = self.linear_mac_per_pixel + coded * weights / 4

    # -- parameters ---------------------------------------------------------------------------------------

    def _grid_specs(self) -> Iterator[ParameterSpec]:
        height, width = self.shape.coarsest_size(self.video)
        for level, (name, channels) in enumerate(zip(BANDS, BAND_CHANNELS, strict=True)):
            yield ParameterSpec(name, (self.frames, height << level, width << level, channels), "band", 0.0)
        yield ParameterSpec(MOTION, (self.frames, *self.shape.motion_size(self.video), MOTION_CHANNELS), "motion", 0.0)

    def _network_specs(self) -> Iterator[ParameterSpec]:
        """Biases where they are not as good as undone by a later one."""
        width = self.shape.channels
        hidden = width * EXPANSION
        yield ParameterSpec("net.input", (width, FEATURES), "layer", FEATURES**-0.5)
        for block in range(self.shape.blocks):
            name = f"net.block{block}"
            yield ParameterSpec(f"{name}.depthwise", (width, KERNEL**2), "layer", DEPTHWISE_SPREAD / KERNEL)
            yield ParameterSpec(f"{name}.expand", (hidden, width), "layer", width**-0.5)
            yield ParameterSpec(f"{name}.expand.bias", (hidden,), "bias", 0.0)
            yield ParameterSpec(f"{name}.project", (width, hidden), "layer", 0.0)
        yield ParameterSpec("net.head", (HALF_PLANES, width * KERNEL**2), "layer", 0.0)
        yield ParameterSpec("net.head.bias", (HALF_PLANES,), "bias", 0.0)

    def initial_parameters(self, plane_means: tuple[float, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """See `Representation`. Grids are zero, a still picture of mid-grey, and have to come from the video; the
        network starts with blocks and a head that add nothing."""
        parameters = {
            spec.name: (torch.rand(spec.shape, generator=generator) * 2 - 1) * spec.init_bound
            if spec.init_bound
            else torch.zeros(spec.shape)
            for spec in self.specs
        }
        for block in range(self.shape.blocks):
            parameters[f"net.block{block}.depthwise"][:, KERNEL**2 // 2] += 1
        return parameters

    # -- rendering ----------------------------------------------------------------------------------------

    def render(self, parameters: Mapping[str, Tensor], frames: Tensor) -> tuple[Tensor, ...]:
        """See `Representation`. Each call computes all frames that the wanted ones refer to, and nothing else."""
        wanted = [self.intervals.row_of[frame] for frame in frames.tolist()]
        rows = sorted(set().union(*map(self.intervals.ancestors, wanted)))
        of_rows = {**parameters, **{spec.name: parameters[spec.name][rows] for spec in self._grid_specs()}}
        once = sorted(set(wanted))
        planes = self.planes(self.features(of_rows, rows, once), parameters)
        return tuple(plane[[once.index(row) for row in wanted]].clamp(0, 1) for plane in planes)

    def render_each(self, parameters: Mapping[str, Tensor], frames: range) -> Iterator[tuple[Tensor, ...]]:
        """See `Representation`."""
        for features in self.features_each(parameters, frames):
            yield tuple(plane.clamp(0, 1) for plane in self.planes(features, parameters))

    def features_each(self, parameters: Mapping[str, Tensor], frames: range) -> Iterator[Tensor]:
        """`features` of one frame after the other, [1, 18, H16 / 2, W16 / 2]. Every row is computed once, by itself; a
        linear picture is kept while rows to come refer to it, and a finished one until its turn: about as many as an
        interval has levels."""
        schedule = self._schedule(frames)
        uses = Counter(reference for rows in schedule for row in rows for reference in self._references(row))
        shown = {self.intervals.row_of[frame] for frame in frames}
        known: dict[int, Picture] = {}
        finished: dict[int, Tensor] = {}
        for frame, rows in zip(frames, schedule, strict=True):
            for row in rows:
                of_row = {spec.name: parameters[spec.name][row : row + 1] for spec in self._grid_specs()}
                motion = of_row[MOTION].permute(0, 3, 1, 2)
                picture, moved = self._picture([row], synthesise(of_row), motion, parameters[FILTER], known)
                if uses[row]:
                    known[row] = tuple(planes[0] for planes in picture)
                for reference in self._references(row):
                    uses[reference] -= 1
                    if not uses[reference]:
                        del known[reference]
                if row in shown:
                    finished[row] = _features(picture, moved)
            yield finished.pop(self.intervals.row_of[frame])

    def _schedule(self, frames: range) -> list[list[int]]:
        """For each frame, the rows that it needs and no frame before it did, references first."""
        known: set[int] = set()
        schedule = []
        for frame in frames:
            rows, waiting = [], [self.intervals.row_of[frame]]
            while waiting:
                row = waiting.pop()
                if row not in known:
                    known.add(row)
                    rows.append(row)
                    waiting += self._references(row)
            schedule.append(sorted(rows))
        return schedule

    def _references(self, row: int) -> set[int]:
        return {self.intervals.reference0[row], self.intervals.reference1[row]} - {NONE}

    def linear_planes(self, parameters: Mapping[str, Tensor], rows: Sequence[int]) -> tuple[Tensor, ...]:
        """Linear pictures, planes Y, U, V as [N, H, W], not clamped, of all of the N given rows, which have to ascend
        and to include all that they refer to. `parameters` hold bands and motion of these rows only, [N, ...];
        differentiable, also through references."""
        pictures = [picture for _, picture, _ in self._walk(parameters, rows)]
        luma, chroma = (torch.cat(planes) for planes in zip(*pictures, strict=True))
        return self._cropped(luma.squeeze(1), *chroma.unbind(1))

    def features(
        self, parameters: Mapping[str, Tensor], rows: Sequence[int], wanted: Sequence[int] | None = None
    ) -> Tensor:
        """Linear pictures and what the network sees of references, [N, 18, H16 / 2, W16 / 2], of rows as for
        `linear_planes`, all or those `wanted`: six half-resolution planes of the linear picture, then for either
        reference those of the moved reference minus the picture, zero for keys. Half-resolution planes are luma
        phases (0, 0), (0, 1), (1, 0), (1, 1) as (row, column), U, V."""
        features = []
        for batch, picture, moved in self._walk(parameters, rows):
            features.append(_features(picture, moved))
            if wanted is not None:  # the others are many, and large
                features[-1] = features[-1][[place for place, row in enumerate(batch) if row in wanted]]
        return torch.cat(features)

    def _walk(
        self, parameters: Mapping[str, Tensor], rows: Sequence[int]
    ) -> Iterator[tuple[list[int], Picture, list[Picture]]]:
        """The rows in batches, with the linear pictures of each and their moved references."""
        batches = self._batches(rows)
        sizes = [len(batch) for batch in batches]
        luma, chroma = synthesise(parameters)
        motion = parameters[MOTION].permute(0, 3, 1, 2)
        known: dict[int, Picture] = {}
        for batch, *residual, moves in zip(
            batches, luma.split(sizes), chroma.split(sizes), motion.split(sizes), strict=True
        ):
            picture, moved = self._picture(batch, residual, moves, parameters[FILTER], known)
            known |= zip(batch, zip(*(planes.unbind() for planes in picture), strict=True), strict=True)
            yield batch, picture, moved

    def _batches(self, rows: Sequence[int]) -> list[list[int]]:
        """Rows that do not refer to each other: keys one by one, others by level."""
        level = self.intervals.level
        keys = [[row] for row in rows if level[row] == 0]
        others = [[row for row in rows if level[row] == number] for number in range(1, self.intervals.levels)]
        return keys + [batch for batch in others if batch]

    def _picture(
        self,
        rows: list[int],
        residual: Sequence[Tensor],
        motion: Tensor,
        weights: Tensor,
        known: Mapping[int, Picture],
    ) -> tuple[Picture, list[Picture]]:
        """The linear pictures of one batch, and for other frames than keys their two references, moved."""
        before, after = (
            [references[row] for row in rows] for references in (self.intervals.reference0, self.intervals.reference1)
        )
        if before[0] == NONE:
            return tuple(residual), []
        level, overlapping = self.intervals.level[rows[0]], self.shape.overlapping_cell
        if level == 0:
            moved = warp_picture(_stack(known, before), motion[:, FLOW0], overlapping)
            return _predicted(residual, moved, motion, weights[level]), []
        flow = torch.cat([motion[:, FLOW0], motion[:, FLOW1]])
        moved = warp_picture(_stack(known, before + after), flow, overlapping)
        first, second = zip(*(planes.chunk(2) for planes in moved), strict=True)
        position = constant(tuple(self.intervals.position[row] for row in rows), motion)
        predicted = blend(first, second, motion[:, MASK], position)
        return _predicted(residual, predicted, motion, weights[level]), [first, second]

    def network(self, features: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """The correction of the linear pictures: [N, 18, h, w] to [N, 6, h, w]. Frame by frame, and with channels last
        in memory, it is quickest: what a layer leaves is still in the cache."""
        return torch.cat([self._correction(frame, parameters) for frame in features.unbind()])

    def _correction(self, features: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        width, (height_of_maps, width_of_maps) = self.shape.channels, features.shape[1:]

        def maps(samples: Tensor) -> Tensor:
            return samples.view(1, height_of_maps, width_of_maps, width).permute(0, 3, 1, 2)

        samples = features.flatten(1).T @ (parameters["net.input"] * FEATURE_GAIN).T
        for block in range(self.shape.blocks):
            name = f"net.block{block}"
            kernel = parameters[f"{name}.depthwise"].view(width, 1, KERNEL, KERNEL)
            hidden = F.conv2d(maps(samples), kernel, padding=KERNEL // 2, groups=width)
            hidden = hidden.permute(0, 2, 3, 1).reshape(-1, width)
            hidden = F.linear(hidden, parameters[f"{name}.expand"], parameters[f"{name}.expand.bias"]).relu_()
            samples = torch.addmm(samples, hidden, parameters[f"{name}.project"].T)
        kernel = (parameters["net.head"] * HEAD_GAIN).view(HALF_PLANES, width, KERNEL, KERNEL)
        head = F.conv2d(maps(samples), kernel, parameters["net.head.bias"] * HEAD_GAIN, padding=KERNEL // 2)
        return head.contiguous()

    def planes(self, features: Tensor, parameters: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Corrected pictures of `features`: Y, U, V [N, H, W] of the true size, not clamped; black is 0 and white is 1.
        Of `parameters` it takes the network's alone."""
        corrected = features[:, :HALF_PLANES] + self.network(features, parameters)
        phases, *chroma = corrected.split([4, 1, 1], dim=1)
        return self._cropped(*(plane.squeeze(1) for plane in (F.pixel_shuffle(phases, 2), *chroma)))

    def _cropped(self, *planes: Tensor) -> tuple[Tensor, ...]:
        """Planes [N, H, W] of the true size, of samples from black at 0 to white at 1."""
        return tuple(
            plane[:, :height, :width] + GREY
            for plane, (height, width) in zip(planes, self.video.plane_shapes, strict=True)
        )


def _predicted(residual: Sequence[Tensor], prediction: Picture, motion: Tensor, weights: Tensor) -> Picture:
    luma, chroma = fade(prediction, motion[:, FADE])
    return residual[0] + filtered(luma, weights), residual[1] + chroma


def _stack(known: Mapping[int, Picture], rows: list[int]) -> Picture:
    lumas, chromas = zip(*(known[row] for row in rows), strict=True)
    return torch.stack(lumas), torch.stack(chromas)


def _features(picture: Picture, moved: list[Picture]) -> Tensor:
    """See `MotionWavelet.features`."""
    planes = _half_planes(picture)
    if not moved:
        return F.pad(planes, (0, 0, 0, 0, 0, FEATURES - HALF_PLANES))
    return torch.cat([planes, *(_half_planes(reference) - planes for reference in moved)], dim=1)


def _half_planes(picture: Picture) -> Tensor:
    return torch.cat([F.pixel_unshuffle(picture[0], 2), picture[1]], dim=1)
