"""The logarithm of a weighted sum of magnitudes, in exact integers.

Neighbours' magnitudes add up best before the logarithm, since a symbol's expected magnitude is roughly a weighted mean
of them (as in TMW: B. Meyer, P. Tischer, "TMW - a New Method for Lossless Image Compression", PCS 1997); scale
indices are logarithmic, so what follows the logarithm may be linear.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

EIGHTHS = 8
WEIGHT_ONE = 32  # weights count in 32nds of a symbol: the logarithm is that of 1 + sum of weight * magnitude
MAX_WEIGHT = 255
MAX_MAGNITUDE = 2047
SLOPE_ONE = 64  # slopes count in 64ths of a scale index for an eighth of an octave
# Both views below hold the exponent and, under it, the mantissa; what is kept are its three highest bits.
_VIEWS = {torch.float32: (torch.int32, 20), torch.float64: (torch.int64, 49)}
_ZEROS = {
    dtype: int(torch.full((), WEIGHT_ONE, dtype=dtype).view(view)) >> shift for dtype, (view, shift) in _VIEWS.items()
}


class _LogEighths(torch.autograd.Function):
    @staticmethod
    def forward(context: FunctionCtx, total: Tensor) -> Tensor:
        context.save_for_backward(total)
        view, shift = _VIEWS[total.dtype]
        return ((total.view(view) >> shift) - _ZEROS[total.dtype]).to(total.dtype)

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        (total,) = context.saved_tensors
        return gradient * (EIGHTHS / math.log(2)) / total


def log_eighths(total: Tensor) -> Tensor:
    """Of integers `total` >= WEIGHT_ONE: with 2**e the highest power of two in them, 8 e + (8 total / 2**e, rounded
    down) - 48, which is 0 at WEIGHT_ONE and about eight times the binary logarithm above it.

    The gradient is that of the logarithm.
    """
    return _LogEighths.apply(total)
