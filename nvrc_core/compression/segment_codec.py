"""Symbols to a segment's bytes and back (SPEC section 6): one walk for both directions.

Order: the hyperpriors' raw numbers; the side information; all layers; the grids, prior by prior, batch by batch.
Every number that decides a table is an integer held in float64, and exact there (see `grid_prior`).
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from nvrc_formats.checksum import symbol_hash
from nvrc_formats.errors import PayloadError
from nvrc_formats.limits import MAX_SIDE_VALUE, MAX_SYMBOL
from nvrc_formats.range_coder import RangeDecoder, RangeEncoder
from nvrc_formats.tables import GAUSSIAN, LAPLACE, OFFSETS, SCALES, entry_bits, table_index
from torch import Tensor

from nvrc_core.compression.scheme import Scheme, Symbols
from nvrc_core.compression.side_information import (
    GroupPrior,
    fit_group_priors,
    group_prior_fields,
    groups,
    side_of_residuals,
    side_residuals,
)

ROOT_BYTES = 3  # a group's hyperprior: mean in eighths (two bytes, offset binary) and scale index
ROOT_MEAN_BIAS = 1 << 15


@dataclass(frozen=True)
class Encoding:
    """A coded segment: its bytes, the hash of its symbols, and the bits of each part by the tables."""

    payload: bytes
    symbol_hash: bytes
    bits: dict[str, float]


def encode_symbols(scheme: Scheme, symbols: Symbols) -> Encoding:
    """Codes integer-valued symbols of any dtype, on any device. Raises PayloadError beyond the format's limits."""
    coder = _Writer()
    _walk(scheme, coder, symbols)
    return Encoding(coder.encoder.finish(), symbol_hash(coder.coded), dict(coder.bits))


def decode_symbols(scheme: Scheme, payload: bytes) -> tuple[Symbols, Encoding]:
    """The symbols (float64, CPU) of a payload, and what `encode_symbols` said of it. Raises PayloadError."""
    coder = _Reader(payload)
    symbols = _walk(scheme, coder, None)
    coder.decoder.finish()
    return symbols, Encoding(payload, symbol_hash(coder.coded), dict(coder.bits))


class _Books:
    """What both directions keep: coded symbols for the hash, and bits by part.

    `roots` codes raw bytes and `batch` residuals under table indices, both [N]; a reader is given None for what
    it is to find out. Both return what is coded.
    """

    def __init__(self) -> None:
        self.coded: list[np.ndarray] = []
        self.bits: dict[str, float] = defaultdict(float)


class _Writer(_Books):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = RangeEncoder()

    def roots(self, count: int, roots: np.ndarray | None) -> np.ndarray:
        assert roots is not None
        assert len(roots) == count
        self.encoder.encode_bytes(roots)
        return roots

    def batch(self, tables: np.ndarray, residuals: np.ndarray | None) -> np.ndarray:
        assert residuals is not None
        self.encoder.encode(residuals, tables)
        return residuals


class _Reader(_Books):
    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.decoder = RangeDecoder(payload)

    def roots(self, count: int, roots: np.ndarray | None) -> np.ndarray:
        return self.decoder.decode_bytes(count)

    def batch(self, tables: np.ndarray, residuals: np.ndarray | None) -> np.ndarray:
        return self.decoder.decode(tables)


def _walk(scheme: Scheme, coder: _Writer | _Reader, symbols: Symbols | None) -> Symbols:
    """Visits every symbol in coding order; `symbols` are those to write, or None to read them."""
    side = _walk_side(scheme, coder, symbols)
    mean, scale = scheme.layer_prior.predict(side)
    layers = _code(coder, "layers", mean, scale, GAUSSIAN, symbols and symbols.layers)
    grids = {spec.name: torch.zeros(spec.shape, dtype=torch.float64) for spec in scheme.grid_specs}
    for prior in scheme.grid_priors:
        for batch in prior.batches():
            prediction = prior.predict(grids, side, batch)
            known = symbols and symbols.grids[batch.name][batch.index]
            grids[batch.name][batch.index] = _code(
                coder, batch.name, prediction.mean_eighths, prediction.scale_index, LAPLACE, known
            )
    return Symbols(side, layers, grids)


def _walk_side(scheme: Scheme, coder: _Writer | _Reader, symbols: Symbols | None) -> dict[str, Tensor]:
    names = groups(scheme.side_specs)
    roots = None
    if symbols is not None:
        priors = fit_group_priors(scheme.side_specs, symbols.side)
        roots = np.concatenate([_pack_root(priors[name]) for name in names])
    roots = coder.roots(ROOT_BYTES * len(names), roots)
    coder.coded.append(roots)
    coder.bits["side"] += 8 * len(roots)
    priors = {name: _unpack_root(root) for name, root in zip(names, roots.reshape(-1, ROOT_BYTES), strict=True)}
    means, scales = group_prior_fields(scheme.side_specs, priors)
    known = symbols and side_residuals(scheme.side_specs, symbols.side)
    side = side_of_residuals(scheme.side_specs, _code(coder, "side", means, scales, LAPLACE, known))
    if any(values.abs().max() > MAX_SIDE_VALUE for values in side.values()):
        raise PayloadError(f"a value of the side information is beyond {MAX_SIDE_VALUE}")
    return side


def _code(
    coder: _Writer | _Reader,
    part: str,
    mean_eighths: Tensor,
    scale_index: Tensor,
    family: int,
    known: Tensor | None,
) -> Tensor:
    """Codes one batch of symbols under their priors; the symbols, float64 on the CPU, like `mean_eighths`."""
    mean = mean_eighths.to("cpu", torch.int64).numpy().ravel()
    scale = scale_index.to("cpu", torch.int64).numpy().ravel()
    whole, offset = mean // OFFSETS, mean % OFFSETS
    tables = table_index(family, scale, offset)
    residuals = None if known is None else known.to("cpu", torch.int64).numpy().ravel() - whole
    residuals = coder.batch(tables, residuals)
    symbols = residuals + whole
    if symbols.size and np.abs(symbols).max() >= MAX_SYMBOL:
        raise PayloadError(f"a symbol is beyond the limit of {MAX_SYMBOL - 1}")
    coder.coded.append(symbols)
    coder.bits[part] += float(entry_bits(residuals, tables).sum())
    return torch.from_numpy(symbols).to(torch.float64).view(mean_eighths.shape)


def _pack_root(prior: GroupPrior) -> np.ndarray:
    mean = prior.mean_eighths + ROOT_MEAN_BIAS
    return np.array([mean & 255, mean >> 8, prior.scale_index], dtype=np.uint8)


def _unpack_root(root: np.ndarray) -> GroupPrior:
    mean_low, mean_high, scale_index = (int(value) for value in root)
    if scale_index >= SCALES:
        raise PayloadError(f"a hyperprior's scale index is {scale_index}, not below {SCALES}")
    return GroupPrior(mean_low + 256 * mean_high - ROOT_MEAN_BIAS, scale_index)
