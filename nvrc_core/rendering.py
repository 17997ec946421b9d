"""Decoded parameters to pictures: the one path that the encoder's last look, the decoder and `verify` share."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from nvrc_core.representation.base import Representation

Planes = tuple[np.ndarray, ...]


@torch.no_grad()
def render_frames(
    representation: Representation,
    parameters: Mapping[str, Tensor],
    frames: range,
    *,
    peak: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Iterator[Planes]:
    """Integer planes [H, W] of each frame index, uint8 up to a peak of 255, else uint16.

    A frame's samples do not depend on which others are asked for. Where a hostile file makes the arithmetic overflow,
    samples are the nearer bound, or 0.
    """
    values = {name: value.to(device, dtype) for name, value in parameters.items()}
    samples = np.uint8 if peak <= 255 else np.uint16
    for planes in representation.render_each(values, frames):
        yield tuple(_integers(plane[0], peak).cpu().numpy().astype(samples) for plane in planes)


def _integers(plane: Tensor, peak: int) -> Tensor:
    return (plane.double().nan_to_num(0).clamp(0, 1) * peak).round()
