"""Published rate-distortion curves, to compare with: facts from papers' repositories, each with its source.

`published.json` holds 296 curves of 26 codecs on three sets of test sequences, and NVRC's own BD-rates, which its
paper gives without the points. Curves of different families were measured by different conventions and can differ by
decibels for that alone (github.com/microsoft/DCVC, issues 38, 52 and 54).
"""

import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.foreign import AVERAGE
from nvrc_core.evaluation.curves.quality_metrics import METRICS
from nvrc_core.evaluation.curves.rd_points import Curves, Record, listed

PREFIX = "published:"
DEFAULT_DATASET = "UVG-1080p"


@dataclass(frozen=True)
class Dataset:
    """A set of test sequences: samples of luma, and the number of frames of every sequence."""

    name: str
    width: int
    height: int
    frames: dict[str, int]

    def sequence(self, clip: str) -> str | None:
        """The sequence that a clip's name begins with, as in Beauty_1920x1080_120fps_420_8bit_YUV.yuv."""
        wanted = _plain(clip)
        return next((name for name in self.frames if _plain(name) == wanted), None)


@dataclass(frozen=True)
class PublishedCodec:
    """A codec's curves on a dataset: `points`, sequence or "average" -> lists by figure, in order of rate.

    `family`: who measured, as `convention` says in words and `rgb` by the name of the conversion (None: not RGB).
    `caution`: what speaks against the curves, or None.
    """

    slug: str
    name: str
    dataset: Dataset
    family: str
    convention: str
    rgb: str | None
    source: str
    points: dict[str, dict[str, list[float]]]
    reference: str | None = None
    origin: str | None = None
    note: str | None = None
    caution: str | None = None

    @property
    def metrics(self) -> list[str]:
        """Keys of the quality figures that some curve has."""
        return [key for key in METRICS if any(key in lists for lists in self.points.values())]

    @property
    def sequences(self) -> list[str]:
        """The sequences that have a curve of their own."""
        return [name for name in self.points if name != AVERAGE]

    def curves(self) -> Curves:
        """Points by sequence, as files hold them; the average of the sequences is a clip of its own."""
        return {sequence: self._records(sequence, lists) for sequence, lists in self.points.items()}

    def _records(self, sequence: str, lists: dict[str, list[float]]) -> list[Record]:
        names: Record = {"clip": sequence, "series": self.slug}
        if self.rgb:
            names["rgb"] = self.rgb
        if sequence in self.dataset.frames:
            frames = self.dataset.frames[sequence]
            names |= {"width": self.dataset.width, "height": self.dataset.height, "frames": frames}
        return [names | dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


@functools.cache
def _facts() -> dict[str, Any]:
    return json.loads(resources.files(__package__).joinpath("published.json").read_text(encoding="utf-8"))


@functools.cache
def published_codecs() -> tuple[PublishedCodec, ...]:
    """All of them, dataset by dataset."""
    facts = _facts()
    datasets = {name: Dataset(name, **figures) for name, figures in facts["datasets"].items()}
    codecs = []
    for entry in facts["codecs"]:
        family = facts["families"][entry["family"]]
        fields = {key: value for key, value in entry.items() if key not in ("dataset", "curves")}
        codecs.append(
            PublishedCodec(
                **fields,
                dataset=datasets[entry["dataset"]],
                convention=family["text"],
                rgb=family["rgb"],
                points=entry["curves"],
            )
        )
    return tuple(sorted(codecs, key=lambda codec: list(datasets).index(codec.dataset.name)))


def published_bd_rates() -> dict[str, Any]:
    """NVRC's BD-rates in percent, below 0 where NVRC needs less: `codec`, `source`, `anchors` (names), and `rows`
    with `dataset`, `colour`, `metric` and `percent` (one an anchor; None where the paper has none)."""
    return _facts()["bd_rates"]


def find_published(selector: str) -> PublishedCodec:
    """The codec of "published:SLUG" or "published:SLUG@DATASET"; parts of names do where they leave one choice.

    The dataset defaults to UVG-1080p. Raises `UsageError` where nothing or more than one codec is left, and lists
    what there is to choose.
    """
    slug, _, wanted_dataset = selector.removeprefix(PREFIX).lower().partition("@")
    codecs = published_codecs()
    names = list(dict.fromkeys(codec.dataset.name for codec in codecs))
    chosen = [name for name in names if name.lower().startswith(wanted_dataset or DEFAULT_DATASET.lower())]
    if len(chosen) != 1:
        raise UsageError(f"{selector}: no dataset is called {wanted_dataset!r}; choose one of {', '.join(names)}")
    there = [codec for codec in codecs if codec.dataset.name == chosen[0]]
    found = [codec for codec in there if codec.slug == slug] or [codec for codec in there if _names(slug, codec.slug)]
    if len(found) == 1:
        return found[0]
    fault = "several published curves have that name" if found else f"no published curve of {chosen[0]} has that name"
    raise UsageError(f"{selector}: {fault}; choose one of {listed(codec.slug for codec in found or there)}")


def find_sequence(clip: str, datasets: Iterable[Dataset]) -> str | None:
    """The published test sequence that a clip's name begins with, if any."""
    return next(filter(None, (dataset.sequence(clip) for dataset in datasets)), None)


def all_datasets() -> list[Dataset]:
    """Every dataset once."""
    return list({codec.dataset.name: codec.dataset for codec in published_codecs()}.values())


def _names(wanted: str, slug: str) -> bool:
    """Whether every word of `wanted` begins a word of the slug: vtm-ra names vtm-17.0-ra."""
    words = slug.split("-")
    return bool(wanted) and all(any(word.startswith(part) for word in words) for part in wanted.split("-"))


def _plain(name: str) -> str:
    """A name up to its first sign that is no letter or digit, in one of its spellings."""
    word = re.match(r"[a-z0-9]*", name.lower())[0]
    return word.replace("readysteadygo", "readysetgo").replace("videosrc", "src")
