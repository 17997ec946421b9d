"""How much of a prediction to keep: where the picture is more like itself than like what it is predicted from.

Video coders decide it by block, between intra and inter modes; here the prediction of each lattice cell fades.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from nvrc_core.fitting.motion_coding import FADE_STEP
from nvrc_core.representation.wavelet import BANDS

MOST = round(1 / FADE_STEP)
"""The highest symbol: nothing of the prediction is left."""

SYMBOL_BITS = 3.0
"""About what a symbol that is not zero costs."""

LOG_BITS, KNEE = 0.6, 4.0
"""A band's symbol s takes about LOG_BITS * log2(1 + KNEE * s**2) bits, as fitted priors have it."""

NEIGHBOUR_SHARE = 0.5
"""Of the mean of the cells around, as fades reach into them."""


def choose_fade(
    wanted: Mapping[str, Tensor], predicted: Mapping[str, Tensor], steps: Mapping[str, Tensor], scale: int = 1
) -> Tensor:
    """Symbols [N, h, w] from 0 to MOST with which bands take the least bits, by an estimate.

    `wanted`, `predicted`: bands [N, ..., C] of pictures and of their predictions. `steps`: theirs by name, [C].
    `scale`: values of the coarsest band along each side of a cell of motion.
    """

    def bits_with(symbol: int) -> Tensor:
        kept = 1 - symbol * FADE_STEP
        bits = _bits({name: wanted[name] - kept * predicted[name] for name in BANDS}, steps, scale)
        return bits + SYMBOL_BITS * (symbol > 0)

    costs = torch.stack([bits_with(symbol) for symbol in range(MOST + 1)], dim=1)
    around = F.avg_pool2d(costs, 3, stride=1, padding=1, count_include_pad=False)
    return (costs + NEIGHBOUR_SHARE * around).argmin(dim=1).to(costs)


def _bits(bands: Mapping[str, Tensor], steps: Mapping[str, Tensor], scale: int) -> Tensor:
    """[N, h, w]."""
    total = 0
    for index, name in enumerate(BANDS):
        squares = (bands[name] / steps[name]).square_()
        of_places = torch.log2(1 + KNEE * squares).sum(-1).unsqueeze(1)
        total = total + F.avg_pool2d(of_places, 1 << index, divisor_override=1) * LOG_BITS
    height, width = total.shape[-2:]
    whole = F.pad(total, (0, -width % scale, 0, -height % scale))
    return F.avg_pool2d(whole, scale, divisor_override=1).squeeze(1)
