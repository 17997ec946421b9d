"""Rate-distortion points in a CSV file: a line of names, then a point a line.

Names are those of the points (`bpp`, `psnr_y`, `clip`, `series`, ...), in any case and with "-" or " " for "_".
Instead of `bpp`, `kbps` (or `bitrate`) in kbit/s with `width`, `height` and `fps` (or `frame_rate`: 25, 30000/1001).
Fields are separated by commas, semicolons or tabs; with semicolons and tabs, decimals may have a comma.
"""

import csv
import io
import math
import re
from fractions import Fraction
from typing import Any

from nvrc_core.errors import UsageError
from nvrc_core.evaluation.curves.quality_metrics import METRICS
from nvrc_core.evaluation.curves.rd_points import Record

SEPARATORS = ",;\t"
OTHER_NAMES = {"bitrate": "kbps", "bitrate_kbps": "kbps", "fps": "frame_rate", "sequence": "clip"}
TEXT_COLUMNS = ("clip", "series", "codec", "preset", "rgb")
NUMBER_COLUMNS = ("bpp", "kbps", *METRICS)
# Without exponents: Fraction computes all digits of 1e999999999.
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{0,17}|/[0-9]{1,12})?")
COUNT_COLUMNS = ("width", "height", "frames")


def read_csv(text: str, name: str) -> list[Record]:
    """The points of a CSV text; `name` is the file's, for messages.

    Columns without a meaning here are carried along as text. Raises `UsageError` with the number of the line where
    something is missing or no number.
    """
    header = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(SEPARATORS, key=header.count)
    lines = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    records: list[Record] = []
    columns: list[str] | None = None
    try:
        for fields in lines:
            place = f"{name}, line {lines.line_num}"
            if not any(field.strip() for field in fields):
                continue
            if columns is None:
                columns = _columns(fields, place)
            elif len(fields) != len(columns):
                raise UsageError(f"{place} has {len(fields)} fields, the first line has {len(columns)}")
            else:
                comma = separator != ","
                values = zip(columns, fields, strict=True)
                records.append(_record({key: _value(key, field, comma, place) for key, field in values}, place))
    except csv.Error as error:
        raise UsageError(f"{name}, line {lines.line_num} is not CSV: {error}") from error
    if columns is None:
        raise UsageError(f"{name} is empty")
    return records


def _columns(fields: list[str], place: str) -> list[str]:
    names = [field.strip().lower().replace("-", "_").replace(" ", "_") for field in fields]
    names = [OTHER_NAMES.get(name, name) for name in names]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(f"{place} names a column twice: {', '.join(sorted(repeated))}")
    if not {"bpp", "kbps"} & set(names):
        raise UsageError(f"{place} is neither JSON nor the first line of a CSV file: no column is called bpp or kbps")
    if not METRICS.keys() & set(names):
        raise UsageError(f"{place} names no quality, such as {', '.join(list(METRICS)[:2])}: {', '.join(names)}")
    return names


def _value(key: str, field: str, decimal_comma: bool, place: str) -> Any:
    """None for an empty field."""
    field = field.strip()
    if not field or key in TEXT_COLUMNS or key not in (*NUMBER_COLUMNS, *COUNT_COLUMNS):
        return field or None
    try:
        if key in COUNT_COLUMNS:
            return int(field)
        number = float(field.replace(",", ".") if decimal_comma else field)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{place}: {key} is {field!r}, which is no number")
    return number


def _record(record: Record, place: str) -> Record:
    if record.get("bpp") is None:
        record["bpp"] = bits_per_pixel(record, place)
    return record


def bits_per_pixel(record: Record, place: str) -> float:
    """bpp from `kbps` (1000 bits a second), `width`, `height` and `frame_rate`. Raises `UsageError` without them."""
    missing = [key for key in ("kbps", "width", "height", "frame_rate") if record.get(key) is None]
    if missing:
        fields = ", ".join("fps" if key == "frame_rate" else key for key in missing)
        raise UsageError(f"{place} gives no bpp, and no {fields} to compute it from kbit/s")
    try:
        text = str(record["frame_rate"]).strip()
        rate = Fraction(text if _RATE.fullmatch(text) else 0)
        return float(record["kbps"]) * 1000 / float(record["width"] * record["height"] * rate)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        size = f"{record['width']} x {record['height']} at {record['frame_rate']} frames per second"
        raise UsageError(f"{place}: {record['kbps']} kbit/s of {size} are no rate of a video") from error
