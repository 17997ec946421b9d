"""Headers on the wire: strict msgpack, and one check for each type of field (SPEC section 1).

Everything raises `HeaderError` naming the field and its value.
"""

import math
import reprlib
from fractions import Fraction
from typing import Any

import msgpack

from nvrc_formats import limits
from nvrc_formats.checksum import HASH_BYTES
from nvrc_formats.errors import HeaderError


def unpack_strict(data: bytes, what: str, max_items: int) -> Any:
    """Exactly one msgpack value without maps and extensions, arrays of at most `max_items` as tuples.

    Raises HeaderError naming `what` for anything else.
    """

    def refuse(code: int, _: bytes) -> None:
        raise ValueError(f"extension type {code}")

    try:
        # The first pass builds nothing. It proves that the bytes are there for every length they declare;
        # without it a few kilobytes of nested array headers would make the second reserve tens of megabytes.
        scanner = msgpack.Unpacker(max_buffer_size=max(len(data), 1))
        scanner.feed(data)
        scanner.skip()
        if scanner.tell() != len(data):
            raise ValueError(f"{len(data) - scanner.tell()} bytes too many")
        return msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            ext_hook=refuse,
            max_str_len=limits.MAX_STRING_BYTES,
            max_bin_len=limits.MAX_STRING_BYTES,
            max_array_len=max_items,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise HeaderError(f"the {what} is not valid msgpack: {error or type(error).__name__}") from error


def read_record(value: Any, name: str, fields: int) -> tuple:
    """The first `fields` elements of an array; HeaderError if `value` is none or has fewer."""
    if type(value) is not tuple or len(value) < fields:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not an array of at least {fields} fields")
    return value[:fields]


def check_int(name: str, value: Any, low: int, high: int) -> None:
    """HeaderError unless `value` is an int (not a bool) from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not an integer from {low} to {high}")


def check_ints(name: str, value: Any, lengths: tuple[int, int], low: int, high: int) -> None:
    if type(value) is not tuple or not lengths[0] <= len(value) <= lengths[1]:
        count = " to ".join(map(str, dict.fromkeys(lengths)))
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not an array of {count} integers")
    for position, item in enumerate(value):
        check_int(f"{name}[{position}]", item, low, high)


def check_text(name: str, value: Any) -> None:
    # These strings go to terminals, where control characters would act. Beyond ASCII, what is printable changes
    # with each version of Unicode.
    is_printable = type(value) is str and value.isascii() and value.isprintable()
    if not is_printable or not 0 < len(value) <= limits.MAX_TEXT_CHARS:
        raise HeaderError(
            f"{name} is {reprlib.repr(value)}, not 1 to {limits.MAX_TEXT_CHARS} printable ASCII characters"
        )


def check_number(name: str, value: Any) -> None:
    if type(value) is not float or not math.isfinite(value) or value < 0:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not a finite float of at least 0")


def check_fraction(name: str, value: Fraction, low: int) -> None:
    if type(value) is not Fraction:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not a fraction")
    check_int(f"{name} numerator", value.numerator, low, limits.MAX_TERM)
    check_int(f"{name} denominator", value.denominator, 1, limits.MAX_TERM)


def check_hash(name: str, value: Any) -> None:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise HeaderError(f"{name} is {reprlib.repr(value)}, not {HASH_BYTES} bytes")
