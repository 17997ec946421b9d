"""One JSON object a line on stdout; `docs/json-output.md` is the contract."""

import json
import math
from typing import Any

from nvrc_core.media.output import write_errors

SCHEMA = 1


def emit(event: str, **fields: Any) -> None:
    """Write one line at once. Raises ResourceError on a full disk, BrokenPipeError where nobody reads."""
    line = json.dumps({"schema": SCHEMA, "event": event} | _plain(fields), allow_nan=False)
    with write_errors("standard output"):
        print(line, flush=True)


def _plain(value: Any) -> Any:
    """JSON has no infinity (the PSNR of equal pictures) and no NaN: both become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
