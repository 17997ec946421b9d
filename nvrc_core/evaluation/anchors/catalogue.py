"""Anchors by name, as the command line gives them."""

import math

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.anchors.encoder import Anchor
from nvrc_core.evaluation.anchors.external import load_external
from nvrc_core.evaluation.anchors.libav import X264, X265, SvtAv1
from nvrc_core.evaluation.anchors.vvenc import VVenC

ANCHORS: dict[str, type[Anchor]] = {kind.codec: kind for kind in (X264, X265, SvtAv1, VVenC)}


def parse_anchor(text: str) -> tuple[Anchor, tuple[float, ...]]:
    """An encoder and its quality settings, from "NAME[:PRESET[:TUNE]][@Q/Q/...]" or "FILE.toml[@Q/Q/...]".

    Examples: x265, x265:veryslow:psnr, svtav1:4@22/32/42, codecs/hm.toml@27. Without settings: the encoder's
    `default_q`. Raises `UsageError` for anything else, and what `load_external` raises.
    """
    name, at, settings = text.rpartition("@")
    if not at or text.endswith(".toml"):
        name, settings = text, None
    anchor = load_external(name) if name.endswith(".toml") else _known(name)
    if settings is None:
        return anchor, anchor.default_q
    qs = tuple(_number(setting, text) for setting in settings.split("/"))
    for q in qs:
        anchor.check_q(q)
    return anchor, qs


def _known(text: str) -> Anchor:
    name, *settings = text.split(":")
    if name not in ANCHORS:
        raise UsageError(
            f"there is no anchor {name!r}; there are {', '.join(ANCHORS)} and FILE.toml of an external one"
        )
    if len(settings) > 2 or not all(settings):
        raise UsageError(f"anchor {text!r} is not of the form NAME[:PRESET[:TUNE]][@Q/Q/...]")
    return ANCHORS[name](**dict(zip(("preset", "tune"), settings, strict=False)))


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"anchor {whole!r}: {text!r} is not a quality setting; they are numbers with / between them")
    return int(value) if value == int(value) else value
