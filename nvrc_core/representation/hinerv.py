"""HiNeRV-v2, the representation of NVRC (arXiv 2409.07414, section 3.1 and appendix; HiNeRV: arXiv 2306.09818).

Multi-level feature grids are read at a frame's time and brought to one small feature map by a 3x3x3 stem a
level; stages of bilinear upsampling, local temporal grids and ConvNeXt-style blocks grow it to the picture.
Feature maps are [B, H, W, C] throughout: the matrix products over channels then need no copies.
"""

from collections.abc import Iterator, Mapping
from math import ceil, prod, sqrt

import torch
import torch.nn.functional as F
from nvrc_formats.header import HinervShape
from nvrc_formats.video import VideoFormat
from torch import Tensor

from nvrc_core.representation.base import ParameterSpec
from nvrc_core.representation.resampling import read_time, resize, time_positions, upsample

KERNEL = 3
LUMA, CHROMA_PLANES = 0, 2
GRID_INIT_BOUND = 1e-3  # HiNeRV's initialisation of all feature grids
NORM_EPSILON = 1e-6


def level_size(shape: HinervShape, level: int) -> tuple[int, int, int, int]:
    """[T, H, W, C] of a base grid level: each level halves T, H, W (floor, at least 1) and doubles C."""
    time, height, width = (max(1, side >> level) for side in shape.grid_size)
    return time, height, width, shape.grid_channels << level


def local_grid_size(shape: HinervShape, stage: int, level: int, frames: int) -> tuple[int, int, int, int]:
    """[T, s, s, C] of a stage's local grid level: one code a frame for each position inside an upsampled cell."""
    stride = shape.strides[stage]
    return max(1, frames >> level), stride, stride, shape.local_grid_channels[stage] << level


class Hinerv:
    """A HiNeRV-v2 of a given shape for `frames` frames of a video. See `Representation` for the interface."""

    def __init__(self, shape: HinervShape, video: VideoFormat, frames: int) -> None:
        self.shape = shape
        self.video = video
        self.frames = frames
        self.specs = tuple(self._specs())
        self.mac_per_pixel = self._mac_per_pixel()

    # -- parameters ---------------------------------------------------------------------------------------

    def _head_channels(self) -> int:
        """Planes at luma resolution (stride 1), or four luma phases and two chroma planes (stride 2)."""
        return 3 if self.shape.output_stride == 1 else 6

    def _specs(self):
        shape = self.shape
        for level in range(shape.grid_levels):
            yield ParameterSpec(f"grid{level}", level_size(shape, level), "grid", GRID_INIT_BOUND)
        for level in range(shape.grid_levels):
            fan_in = KERNEL**3 * level_size(shape, level)[3]
            yield self._layer(f"stem{level}", (shape.channels[0], fan_in), fan_in)
        yield ParameterSpec("stem.bias", (shape.channels[0],), "bias", 0.0)
        width_in = shape.channels[0]
        for stage, (width, depth) in enumerate(zip(shape.channels, shape.depths, strict=True)):
            if shape.local_grid_channels[stage]:
                codes = 0
                for level in range(shape.local_grid_levels):
                    size = local_grid_size(shape, stage, level, self.frames)
                    codes += size[3]
                    yield ParameterSpec(f"stage{stage}.local{level}", size, "layer", GRID_INIT_BOUND)
                yield self._layer(f"stage{stage}.local.weight", (width_in, codes), codes)
                yield ParameterSpec(f"stage{stage}.local.bias", (width_in,), "bias", 0.0)
            for block in range(depth):
                name, hidden = f"stage{stage}.block{block}", width * shape.expansion
                yield self._layer(f"{name}.depthwise", (width_in, KERNEL**2), KERNEL**2)
                yield self._layer(f"{name}.expand", (hidden, width_in), width_in)
                yield self._layer(f"{name}.project", (width, hidden), hidden)
                width_in = width
        yield self._layer("head.weight", (self._head_channels(), width_in), width_in)
        yield ParameterSpec("head.bias", (self._head_channels(),), "bias", 0.0)

    @staticmethod
    def _layer(name: str, shape: tuple[int, ...], fan_in: int) -> ParameterSpec:
        return ParameterSpec(name, shape, "layer", 1 / sqrt(fan_in))

    def initial_parameters(self, plane_means: tuple[float, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """See `Representation`. The head starts at the video's mean colour instead of mid-grey."""
        parameters = {
            spec.name: (torch.rand(spec.shape, generator=generator) * 2 - 1) * spec.init_bound for spec in self.specs
        }
        means = torch.tensor(plane_means).clamp(0.01, 0.99)
        repeats = torch.tensor([self._head_channels() - CHROMA_PLANES] + [1] * CHROMA_PLANES)
        parameters["head.bias"] = torch.logit(means).repeat_interleave(repeats)
        return parameters

    def _mac_per_pixel(self) -> float:
        shape = self.shape
        area = prod(shape.grid_size[1:])
        macs = sum(
            spec.size * prod(level_size(shape, level)[1:3])
            for level, spec in enumerate(s for s in self.specs if s.name.startswith("stem") and s.kind == "layer")
        )
        for stage, stride in enumerate(shape.strides):
            area *= stride**2
            macs += area * sum(spec.size for spec in self.specs if spec.name.startswith(f"stage{stage}.block"))
        macs += area * self._head_channels() * shape.channels[-1]
        return macs / self.video.pixels

    # -- rendering ----------------------------------------------------------------------------------------

    def render(self, parameters: Mapping[str, Tensor], frames: Tensor) -> tuple[Tensor, ...]:
        """See `Representation`."""
        features = self._base_encoding(parameters, frames)
        for stage in range(len(self.shape.channels)):
            features = self._stage(parameters, stage, features, frames)
        samples = torch.sigmoid(F.linear(features, parameters["head.weight"], parameters["head.bias"]))
        return self._planes(samples)

    def render_each(self, parameters: Mapping[str, Tensor], frames: range) -> Iterator[tuple[Tensor, ...]]:
        """See `Representation`."""
        for frame in frames:
            yield self.render(parameters, torch.tensor([frame], device=parameters["head.weight"].device))

    def _base_encoding(self, parameters: Mapping[str, Tensor], frames: Tensor) -> Tensor:
        """Sum over levels of the stem's output, trilinearly read: [B, H, W, channels[0]].

        The stem is linear, so the three temporal taps are read at the frame's time first and convolved in
        space after: the same numbers as a 3-D convolution of the whole grid, at the cost of one frame.
        """
        height, width = self.shape.grid_size[1:]
        total = parameters["stem.bias"]
        for level in range(self.shape.grid_levels):
            taps = _temporal_taps(parameters[f"grid{level}"], frames, self.frames)
            weight = parameters[f"stem{level}"].view(self.shape.channels[0], -1, KERNEL, KERNEL)
            features = F.conv2d(taps.permute(0, 3, 1, 2), weight, padding=KERNEL // 2)
            total = total + resize(features.permute(0, 2, 3, 1), (height, width))
        return total

    def _stage(self, parameters: Mapping[str, Tensor], stage: int, features: Tensor, frames: Tensor) -> Tensor:
        stride, width_in = self.shape.strides[stage], features.shape[-1]
        height, width = features.shape[1:3]
        features = F.layer_norm(features, (width_in,), eps=NORM_EPSILON)
        features = upsample(features, stride)
        if self.shape.local_grid_channels[stage]:
            features = features + self._local_encoding(parameters, stage, frames).repeat(1, height, width, 1)
        for block in range(self.shape.depths[stage]):
            features = self._block(parameters, f"stage{stage}.block{block}", features)
        return features

    def _local_encoding(self, parameters: Mapping[str, Tensor], stage: int, frames: Tensor) -> Tensor:
        """The local grids read at the frames' times and projected: [B, s, s, C]."""
        codes = [
            read_time(parameters[f"stage{stage}.local{level}"], frames, self.frames)
            for level in range(self.shape.local_grid_levels)
        ]
        name = f"stage{stage}.local"
        return F.linear(torch.cat(codes, dim=-1), parameters[f"{name}.weight"], parameters[f"{name}.bias"])

    @staticmethod
    def _block(parameters: Mapping[str, Tensor], name: str, features: Tensor) -> Tensor:
        """ConvNeXt-style: depth-wise 3x3, norm without affine, expand, GELU, project; residual if widths agree."""
        width_in = features.shape[-1]
        kernel = parameters[f"{name}.depthwise"].view(width_in, 1, KERNEL, KERNEL)
        hidden = F.conv2d(features.permute(0, 3, 1, 2), kernel, padding=KERNEL // 2, groups=width_in)
        hidden = F.layer_norm(hidden.permute(0, 2, 3, 1), (width_in,), eps=NORM_EPSILON)
        hidden = F.gelu(F.linear(hidden, parameters[f"{name}.expand"]))
        hidden = F.linear(hidden, parameters[f"{name}.project"])
        return features + hidden if hidden.shape[-1] == width_in else hidden

    def _planes(self, samples: Tensor) -> tuple[Tensor, ...]:
        """Head output [B, H', W', channels] to the video's planes, the padding cut off."""
        samples = samples.permute(0, 3, 1, 2)
        luma_size, *chroma_sizes = self.video.plane_shapes
        if self.shape.output_stride == 2:
            luma = F.pixel_shuffle(samples[:, :-CHROMA_PLANES], 2)[:, 0]
            chroma = samples[:, -CHROMA_PLANES:]
        else:
            luma = samples[:, LUMA]
            pixel_format = self.video.pixel_format
            cell = (pixel_format.chroma_y, pixel_format.chroma_x)
            chroma = F.avg_pool2d(samples[:, LUMA + 1 :], cell)
        return (
            luma[:, : luma_size[0], : luma_size[1]],
            *(chroma[:, i, :h, :w] for i, (h, w) in enumerate(chroma_sizes)),
        )


def covering_grid(video: VideoFormat, stride: int) -> tuple[int, int]:
    """[H, W] of the smallest grid whose cells of `stride` luma samples cover the picture."""
    return ceil(video.height / stride), ceil(video.width / stride)


def _temporal_taps(grid: Tensor, frames: Tensor, total: int) -> Tensor:
    """The grid one row before, at and after the frames' times, zero outside: [B, H, W, 3 C]."""
    low, high, fraction = time_positions(frames, total, len(grid))
    fraction = fraction.to(grid.dtype).view(-1, 1, 1, 1)
    padded = F.pad(grid, (0, 0, 0, 0, 0, 0, 1, 1))
    taps = [torch.lerp(padded[low + tap], padded[high + tap], fraction) for tap in range(KERNEL)]
    return torch.cat(taps, dim=-1)
