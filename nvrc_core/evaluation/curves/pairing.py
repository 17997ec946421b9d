"""Two sources of curves, and which of their clips belong together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.averages import average_curve
from nvrc_core.evaluation.curves.files import load_curves
from nvrc_core.evaluation.curves.foreign import AVERAGE
from nvrc_core.evaluation.curves.published import (
    PREFIX,
    PublishedCodec,
    all_datasets,
    find_published,
    find_sequence,
)
from nvrc_core.evaluation.curves.rd_points import Curves, listed, place, select_series, series_name, to_rd_points


@dataclass(frozen=True)
class Source:
    """What is compared: `name` as it was asked for, curves by clip, and the published codec if it is one."""

    name: str
    curves: Curves
    published: PublishedCodec | None = None

    @property
    def label(self) -> str:
        """The name, and for a published codec who and where."""
        codec = self.published
        return f"{self.name} ({codec.name}, {codec.dataset.name}, {codec.source})" if codec else self.name

    @property
    def short_name(self) -> str:
        """The series, where all points name the same one, or else the file's name without its suffix."""
        names = {series_name(point) for points in self.curves.values() for point in points}
        return names.pop() if len(names) == 1 and "" not in names else Path(self.name).stem


@dataclass(frozen=True)
class Pairing:
    """Sources whose curves have the clips of both under one name; `warnings`: how they got it, if not by that name."""

    anchor: Source
    test: Source
    warnings: tuple[str, ...] = ()

    @property
    def shared(self) -> list[str]:
        """The clips of both, in the anchor's order."""
        return [clip for clip in self.anchor.curves if clip in self.test.curves]


def load_source(name: str | Path) -> Source:
    """A file's curves, or those of "published:SLUG". Raises `UsageError`."""
    if not str(name).startswith(PREFIX):
        return Source(str(name), load_curves(name))
    codec = find_published(str(name))
    return Source(str(name), codec.curves(), codec)


def pair(
    anchor: Source,
    test: Source,
    metric: str,
    series: tuple[str | None, str | None] = (None, None),
    clip: str | None = None,
) -> Pairing:
    """Selects series and clip on both sides and brings the clips together.

    Published curves are of test sequences, so the clips of the other side go by the sequences that their names begin
    with; the same is tried where two files share no name. A nameless curve that is a source's only one stands for
    the only clip of the other. A source that has nothing but the average of a dataset is compared with the average
    of the other's clips; otherwise averages stay aside unless `clip` asks for them. Raises `UsageError` where the
    sources share no clip or a selection is empty.
    """
    warnings: list[str] = []
    published = bool(anchor.published or test.published)
    if published or not anchor.curves.keys() & test.curves.keys():
        anchor, test = _by_sequence(anchor, clip), _by_sequence(test, clip)
        clip = clip and (find_sequence(clip, all_datasets()) or clip)
        if not published and anchor.curves.keys() & test.curves.keys() - {"", AVERAGE}:
            warnings.append("the files name their clips differently; they are paired by test sequence")
    anchor, test = (
        replace(source, curves=select_series(source.curves, source.name, name, clip))
        for source, name in zip((anchor, test), series, strict=True)
    )
    if len(anchor.curves) == len(test.curves) == 1 and "" in anchor.curves | test.curves:
        name = max(anchor.curves | test.curves)  # the one that is not empty, if any
        anchor, test = (_with_clips(source, lambda _clip: name) for source in (anchor, test))
    anchor, test, notes = _settle_averages(anchor, test, metric)
    pairing = Pairing(anchor, test, (*warnings, *notes))
    if not pairing.shared:
        sides = f"{anchor.name} has {listed(anchor.curves)}, {test.name} has {listed(test.curves)}"
        raise UsageError(f"no clip is in both files: {sides}")
    return pairing


def _by_sequence(source: Source, only: str | None) -> Source:
    """The source by test sequence; where it has the clip that is asked for, that clip alone."""
    if only in source.curves:
        source = replace(source, curves={only: source.curves[only]})
    return _with_clips(source, lambda clip: find_sequence(clip, all_datasets()) or clip)


def _with_clips(source: Source, name: Callable[[str], str]) -> Source:
    """The source with its clips renamed."""
    curves: Curves = {}
    origins: dict[str, str] = {}
    for clip, points in source.curves.items():
        new = name(clip)
        if new in curves:
            both = f"{origins[new]!r} and {clip!r}"
            raise UsageError(f"{source.name}: {both} are both of the test sequence {new}; keep one of them in the file")
        curves[new], origins[new] = points, clip
    return replace(source, curves=curves)


def _settle_averages(anchor: Source, test: Source, metric: str) -> tuple[Source, Source, tuple[str, ...]]:
    """The sources with the clips that the comparison is about: sequences, or the average alone."""
    sources = (anchor, test)
    if not any(AVERAGE in source.curves for source in sources):
        return anchor, test, ()
    sequences = [source.curves.keys() - {AVERAGE} for source in sources]
    if sequences[0] & sequences[1]:
        return *(_without_average(source) for source in sources), ()
    if all(AVERAGE in source.curves for source in sources):
        return *(replace(source, curves={AVERAGE: source.curves[AVERAGE]}) for source in sources), ()
    averaged, other = sources if AVERAGE in anchor.curves else sources[::-1]
    if len(averaged.curves) > 1:
        return anchor, test, ()
    made, note = _average_source(other, averaged, metric)
    return (averaged, made, (note,)) if averaged is anchor else (made, averaged, (note,))


def _without_average(source: Source) -> Source:
    return replace(source, curves={clip: points for clip, points in source.curves.items() if clip != AVERAGE})


def _average_source(source: Source, averaged: Source, metric: str) -> tuple[Source, str]:
    """The source's clips as one average, to stand against a source that is an average of the same clips."""
    clips = list(source.curves)
    if averaged.published:
        dataset = averaged.published.dataset
        missing = [name for name in dataset.frames if name not in source.curves]
        if missing:
            raise UsageError(
                f"{averaged.name} is only known as the average of {dataset.name}, and {source.name} lacks "
                f"{listed(missing)}; choose a published curve that has the sequences"
            )
        clips = list(dataset.frames)
    points = {clip: to_rd_points(source.curves[clip], metric, place(source.name, clip)) for clip in clips}
    records = [{"bpp": point.bpp, metric: point.quality} for point in average_curve(points, source.name)]
    for key in ("series", "rgb"):
        names = {point.get(key) for clip in clips for point in source.curves[clip]}
        records = [record | ({key: names.copy().pop()} if len(names) == 1 else {}) for record in records]
    note = (
        f"{averaged.name} is an average over clips, so it is compared with the average of {len(clips)} of {source.name}"
    )
    return replace(source, curves={AVERAGE: records}), note
