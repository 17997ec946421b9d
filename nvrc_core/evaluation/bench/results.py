"""The file of a bench: all points so far, complete after every one of them, and where the next run takes up."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nvrc_core import __version__
from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.rd_points import RD_FORMAT, RD_VERSION
from nvrc_core.media.output import STDOUT, check_output, is_special, write_text

Point = dict[str, Any]
Identity = Mapping[str, Any]
"""The keys and values by which a point of a plan is known again."""


class Results:
    """Points in the order of a plan, in memory and in a file.

    `plan`: the identity of every point that the bench wants, in order. The file is replaced as a whole at every new
    point, so that whatever ends the program leaves the last complete state.
    """

    def __init__(self, path: Path, plan: Sequence[Identity], processor: str, *, drop_others: bool) -> None:
        """Takes up the points of an existing file.

        Raises UsageError where the file cannot be written, is a pipe or no results file, or holds points that the plan
        does not (another clip, rate, version): they are dropped if `drop_others`, and otherwise kept from harm.
        """
        self.path = path
        self._plan = [dict(identity) for identity in plan]
        self._points: dict[int, Point] = {}
        head = {"format": RD_FORMAT, "version": RD_VERSION, "nvrc": __version__, "processor": processor}
        self._head = head | {"date": datetime.date.today().isoformat()}
        if str(path) == STDOUT or is_special(path):
            raise UsageError(f"results need a file, to go on from after an interruption; {path} is none")
        check_output(path, overwrite=True)
        if path.exists():
            self._take_up(drop_others)

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, index: int) -> bool:
        """Whether the plan's point is there."""
        return index in self._points

    def __iter__(self) -> Iterator[Point]:
        return (self._points[index] for index in sorted(self._points))

    def add(self, index: int, point: Point) -> None:
        """Adds the plan's point and writes the file. Raises ResourceError on a full disk."""
        self._points[index] = self._plan[index] | point
        write_text(self.path, json.dumps(self.document(), indent=1) + "\n", overwrite=True)

    def document(self) -> dict[str, Any]:
        """The file's content, plain JSON values."""
        return self._head | {"points": list(self)}

    def _take_up(self, drop_others: bool) -> None:
        document = read_results(self.path)
        others = []
        for point in document["points"]:
            index = next((i for i, identity in enumerate(self._plan) if _matches(point, identity)), None)
            if index is None:
                others.append(point)
            else:
                self._points[index] = point
        if self._points:
            self._head["date"] = document.get("date", self._head["date"])
        if others and not drop_others:
            raise UsageError(
                f"{self.path} holds {len(others)} points that are not of this bench, such as {_name(others[0])}: "
                "choose another -o, or drop them with -y"
            )


def _matches(point: Point, identity: Identity) -> bool:
    return all(key in point and point[key] == value for key, value in identity.items())


def read_results(path: Path) -> dict[str, Any]:
    """A results document. Raises UsageError where the file cannot be read or is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        points = document["points"]
        valid = (document["format"], document["version"]) == (RD_FORMAT, RD_VERSION)
        valid = valid and all(isinstance(point, dict) for point in points)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, RecursionError):
        valid = False
    if not valid:
        raise UsageError(f"{path} is not a file of results")
    return document


def _name(point: Point) -> str:
    rate = next((f"{key} {point[key]}" for key in ("q", "target_bpp", "lambda") if point.get(key) is not None), "")
    version = f"of {point['version']}" if point.get("version") else ""
    return " ".join(str(word) for word in (point.get("clip"), point.get("series"), rate, version) if word)
