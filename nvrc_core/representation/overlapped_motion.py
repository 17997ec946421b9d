"""Overlapped motion: where flow jumps from cell to cell, samples are predicted by each cell's flow, and these blended.

Flow is interpolated between cell centres (`warp`), which suits what turns or comes nearer. Where things move past each
other, what lies between their flows is that of neither. There the predictions are interpolated instead of the flow (M.
Orchard, G. Sullivan, "Overlapped Block Motion Compensation: An Estimation-Theoretic Approach", 1994), and this by how
far the four cells around a sample are apart:

    jump    = the larger, for dx and dy, of max - min over the four cells, in eighths of a cell's side
    overlap = clamp((jump - 1) / 3, 0, 1)
    value   = (1 - overlap) * plain + overlap * sum over the four cells of weight * planes moved by the cell's flow

where `plain` is by interpolated flow: things that turn, or come nearer, change over a cell in proportion to its size.
The weights are those of bilinear interpolation between the cells' centres.

Cell centres divide the picture into *fields*: those whose samples have the same four cells around them, of which
border fields have twice the same. A lattice [h, w] has [h + 1, w + 1] of them. As flow jumps in a few fields only, on a
CPU their samples alone are read; on CUDA that would need a host that knows how many, so that all are.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.representation.sample_reading import own_places, read, units

JUMPS_A_CELL, MOST_JUMP = 8, 4
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def overlapped(
    plain: Tensor, planes: Tensor, flow: Tensor, cell: int, luma_samples: int, shift: Tensor | None = None
) -> Tensor:
    """`plain` [N, C, H, W], but overlapped where `flow` [N, 2, h, w] (dx, dy; luma samples) jumps.

    `planes` [N, C, H, W]: what is read, samples that are `luma_samples` luma samples wide. `cell`: luma samples along a
    cell's side. `shift` [N, 2, H, W]: moves what each sample reads, in `grid_sample`'s units.
    """
    size = planes.shape[-2:]
    fields = _fields(flow.shape[-2:], size, flow.dtype, flow.device)
    cells = torch.stack([fields.rows[a] @ (flow @ fields.columns[b].T) for a, b in CORNERS])  # [4, N, 2, h + 1, w + 1]
    jump = (cells.amax(0) - cells.amin(0)).amax(1) * (JUMPS_A_CELL / cell)
    overlap = ((jump - 1) / (MOST_JUMP - 1)).clamp(0, 1)
    moves = cells * (units(flow, size) / luma_samples)
    places = own_places(flow, size).unsqueeze(0) if shift is None else own_places(flow, size) + shift
    of_samples = _of_all_samples if planes.is_cuda else _of_some_samples
    return of_samples(plain, planes, moves, overlap, places, fields)


@dataclass(frozen=True)
class _Fields:
    """What is known of the fields of a lattice [h, w] on a plane [H, W].

    rows, columns: the matrices [h + 1, h] and [w + 1, w] that take the lower and the upper of a field's two cells.
    down [H, h + 1], across [W, w + 1]: the matrices that take a sample's field. number [H * W]: that of a sample's
    field, in array order. weights [4, H * W]: of the four cells, in the order of CORNERS.
    """

    rows: tuple[Tensor, Tensor]
    columns: tuple[Tensor, Tensor]
    down: Tensor
    across: Tensor
    number: Tensor
    weights: Tensor


@lru_cache(maxsize=16)
def _fields(lattice: tuple[int, int], size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> _Fields:
    cells, taken, number, share = zip(*(_along(*sides) for sides in zip(lattice, size, strict=True)), strict=True)
    down, across = (torch.stack([1 - upper, upper]) for upper in share)
    weights = torch.stack([(down[a].unsqueeze(1) * across[b]).flatten() for a, b in CORNERS])
    return _Fields(
        *(tuple(matrix.to(device, dtype) for matrix in pair) for pair in cells),
        *(matrix.to(device, dtype) for matrix in taken),
        (number[0].unsqueeze(1) * (lattice[1] + 1) + number[1]).flatten().to(device),
        weights.to(device, dtype),
    )


def _along(cells: int, samples: int) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor, Tensor]:
    """Along one axis: lower and upper cell of each field, as matrices, the fields of samples, as a matrix and as
    numbers, and how far each sample is on its way from the lower to the upper cell's centre (float64)."""
    fields = torch.arange(cells + 1)
    place = (2 * torch.arange(samples) + 1) * cells + samples  # whole numbers: which field it is must not be rounded
    number = place // (2 * samples)
    lower, upper = (fields - 1).clamp(min=0), fields.clamp(max=cells - 1)
    pair = F.one_hot(lower, cells).double(), F.one_hot(upper, cells).double()
    return pair, F.one_hot(number, cells + 1).double(), number, (place % (2 * samples)).double() / (2 * samples)


def _of_all_samples(
    plain: Tensor, planes: Tensor, moves: Tensor, overlap: Tensor, places: Tensor, fields: _Fields
) -> Tensor:
    """moves [4, N, 2, h + 1, w + 1] and overlap [N, h + 1, w + 1] of fields; places [N or 1, 2, H, W] of samples."""
    blended = torch.zeros_like(plain)
    for move, weight in zip(moves, fields.weights.view(4, *plain.shape[-2:]), strict=True):
        at = places + fields.down @ (move @ fields.across.T)
        blended = blended + weight * read(planes, at.permute(0, 2, 3, 1))
    return torch.lerp(plain, blended, fields.down @ (overlap.unsqueeze(1) @ fields.across.T))


def _of_some_samples(
    plain: Tensor, planes: Tensor, moves: Tensor, overlap: Tensor, places: Tensor, fields: _Fields
) -> Tensor:
    """As `_of_all_samples`."""
    pictures, channels, area = len(plain), plain.shape[1], len(fields.number)
    picture, sample = (overlap.detach().flatten(1) > 0)[:, fields.number].nonzero(as_tuple=True)
    if not len(sample):
        return plain
    field = picture * overlap[0].numel() + fields.number[sample]
    own = picture * (len(places) > 1) * 2 * area + sample
    own = places.flatten().gather(0, torch.cat([own, own + area])).view(2, -1)
    move = moves.transpose(1, 2).flatten(2).gather(2, field.expand(4, 2, -1))
    at = (own + move).movedim(1, -1).split(torch.bincount(picture, minlength=pictures).tolist(), dim=1)
    moved = [read(one, some.unsqueeze(0))[0] for one, some in zip(planes.split(1), at, strict=True) if some.numel()]
    blended = (torch.cat(moved, dim=-1) * fields.weights[:, sample]).sum(1)  # [C, P]
    index = torch.cat([(picture * channels + channel) * area + sample for channel in range(channels)])
    values = plain.flatten()
    change = (blended - values.gather(0, index).view_as(blended)) * overlap.flatten().gather(0, field)
    return values.scatter_add(0, index, change.flatten()).view_as(plain)
