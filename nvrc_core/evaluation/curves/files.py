"""Files of rate-distortion points, by what is in them: nvrc's own JSON, CSV, and the JSON of two other projects."""

import json
from pathlib import Path
from typing import Any

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.csv_points import read_csv
from nvrc_core.evaluation.curves.foreign import read_foreign
from nvrc_core.evaluation.curves.rd_points import RD_FORMAT, RD_VERSION, Curves, Record, by_clip


def load_curves(path: str | Path) -> Curves:
    """RD points of a file by clip ("" where a point names none), as dictionaries.

    Reads `{"format": "nvrc-rd", "version": 1, "points": [...]}`, a plain list of points, lines of JSON as `nvrc
    encode --json` and `nvrc bench --json` write them (of objects with an `event`, only finished points count), CSV
    (`csv_points`), and the results of CompressAI and DCVC (`foreign`). Raises `UsageError` where the file cannot be
    read or holds something else.
    """
    curves = by_clip(_read_records(path))
    if not curves:
        raise UsageError(f"{path}: there are no rate-distortion points in this file")
    return curves


def _read_records(path: str | Path) -> list[Record]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # spreadsheets write a byte-order mark
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file: {error.reason} at byte {error.start}") from error
    if not text.lstrip().startswith(("{", "[")):
        return read_csv(text, str(path))
    document = _parse(text, path)
    foreign = read_foreign(document, Path(path))
    return foreign if foreign is not None else _own_points(document, path)


def _parse(text: str, path: str | Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":  # what a second line is called
            raise UsageError(f"{path} is not JSON: {error}") from error
        return [_parse_line(line, f"{path}, line {n}") for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{path} is not a file of points: {_fault(error)}") from error


def _parse_line(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{place} is not JSON: {error.msg} at column {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{place} is not a point: {_fault(error)}") from error


def _fault(error: Exception) -> str:
    """What is wrong with JSON that is well-formed."""
    return "too many brackets inside each other" if isinstance(error, RecursionError) else "a number is too long"


def _own_points(document: Any, path: str | Path) -> list[Record]:
    if isinstance(document, dict) and "points" in document:
        found = (document.get("format"), document.get("version"))
        if found != (RD_FORMAT, RD_VERSION):
            raise UsageError(f"{path} is not {RD_FORMAT!r} version {RD_VERSION} but {found[0]!r} {found[1]!r}")
        document = document["points"]
    records = document if isinstance(document, list) else [document]
    for record in records:
        if not isinstance(record, dict):
            raise UsageError(f"{path}: a rate-distortion point must be a JSON object, not {record!r:.40}")
    return [point for record in records if (point := _point_of(record)) is not None]


def _point_of(record: Record) -> Record | None:
    """The point that a line of `--json` output tells of, if any: of `nvrc encode` the last, of `nvrc bench` each."""
    event = record.get("event")
    if event == "point":
        record = record.get("point", {})
    return record if event is None or (event in ("done", "point") and "bpp" in record) else None
