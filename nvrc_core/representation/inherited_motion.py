"""Motion that goes on: what a row's flow is expected to be from that of its context row.

The context row is one of a row's two references, and the other is a reference of the context row's: its motion tells
by how much things are displaced from the row's first reference to the second. Where they move evenly, a row at
position p between the two has -p of it towards the first and 1 - p towards the second. Video coders know this as
the temporal direct mode. Motion is [N, h, w, C], with the channels of `motion_channels`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.constants import constant, look_up
from nvrc_core.representation.intervals import Intervals
from nvrc_core.representation.motion_channels import FLOW0, FLOW1, FLOW_CHANNELS

FIRST_TO_INHERIT = 2
"""The lowest level whose rows have a context row of their kind."""


def displacement(context: Tensor, rows: Tensor, intervals: Intervals) -> Tensor:
    """From the first to the second reference of `rows` [N], as their context rows' motion [N, ..., C] has it:
    [N, ..., 2]."""
    first = constant(intervals.context_is_first, context)[rows].view(-1, *[1] * (context.ndim - 1))
    return torch.where(first > 0, context[..., FLOW1], -context[..., FLOW0])


def inherited_flow(context: Tensor, rows: Tensor, intervals: Intervals) -> Tensor:
    """The flow [N, h, w, 4] of `rows` [N] if their context rows' motion [N, h, w, C] goes on evenly."""
    position = constant(intervals.position, context)[rows].view(-1, 1, 1, 1)
    across = displacement(context, rows, intervals)
    return torch.cat([-position * across, (1 - position) * across], dim=-1)


def with_inherited(coded: Tensor, share: Tensor | float, rows: Tensor, intervals: Intervals) -> Tensor:
    """Motion from what is coded of it, [N, h, w, C], of `rows` [N], their context rows among them: the inherited flow,
    times `share`, is added level by level. Of keys and of rows between two keys everything is coded."""
    motion, level = coded, _levels(rows, intervals)
    for number in range(FIRST_TO_INHERIT, intervals.levels):
        motion = torch.where(level == number, coded + share * _inherited(motion, rows, intervals), motion)
    return motion


def _levels(rows: Tensor, intervals: Intervals) -> Tensor:
    return look_up(intervals.level, rows).view(-1, 1, 1, 1)


def _inherited(motion: Tensor, rows: Tensor, intervals: Intervals) -> Tensor:
    """What rows would inherit, in all channels, if the motion of their context rows is already whole."""
    places = torch.zeros(intervals.frames, dtype=torch.int64, device=rows.device)
    places[rows] = torch.arange(len(rows), device=rows.device)
    context = motion[places[look_up(intervals.context, rows)]]
    return F.pad(inherited_flow(context, rows, intervals), (0, motion.shape[-1] - FLOW_CHANNELS))
