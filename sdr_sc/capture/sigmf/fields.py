# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a JSON object, each with the type that it has to have; a bad one is reported, never guessed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sdr_sc.documents import whole_number

LARGEST_INT = 2**63 - 1
"""SigMF's limit for indices and counts."""
LONGEST_TEXT = 1024
"""Of one in a list, characters."""

_REQUIRED: Any = object()


class BadValue(Exception):  # noqa: N818 - it is a value that is bad, and each one becomes a finding
    """A member is missing or has the wrong type; the text names it."""


def _get(raw: Mapping[str, Any], key: str, default: Any) -> Any:
    value = raw.get(key)
    if value is None and default is _REQUIRED:
        raise BadValue(f"{key} is missing")
    return default if value is None else value


def _is_number(value: Any) -> bool:
    # A bool is none.
    return (type(value) is int and abs(value) <= LARGEST_INT) or (isinstance(value, float) and math.isfinite(value))


def int_of(raw: Mapping[str, Any], key: str, default: Any = _REQUIRED, lowest: int = -LARGEST_INT) -> Any:
    """A whole number, however it is spelled (``2.0`` is one); ``default`` where there is none."""
    value = _get(raw, key, default)
    if value is default:
        return value
    number = whole_number(value, lowest, LARGEST_INT)
    if number is None:
        above = f" of {lowest} or more" if lowest > -LARGEST_INT else ""
        raise BadValue(f"{key} is {short(value)}, which is not a whole number{above}")
    return number


def number_of(raw: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> Any:
    """A finite number as float; ``default`` where there is none."""
    value = _get(raw, key, default)
    if value is default:
        return value
    if not _is_number(value):
        raise BadValue(f"{key} is {short(value)}, which is not a number")
    return float(value)


def text_of(raw: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> Any:
    """A text; ``default`` where there is none."""
    return _of_kind(raw, key, default, str, "a text")


def object_of(raw: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> Any:
    """An object; ``default`` where there is none."""
    return _of_kind(raw, key, default, dict, "an object")


def list_of(raw: Mapping[str, Any], key: str, default: Any = _REQUIRED) -> Any:
    """A list of anything; ``default`` where there is none."""
    return _of_kind(raw, key, default, list, "a list")


def _of_kind(raw: Mapping[str, Any], key: str, default: Any, kind: type, name: str) -> Any:
    value = _get(raw, key, default)
    if value is not default and not isinstance(value, kind):
        raise BadValue(f"{key} is {short(value)}, which is not {name}")
    return value


def ints_of(raw: Mapping[str, Any], key: str, length: int | None) -> tuple[int, ...] | None:
    """A list of whole numbers, of a length if one is given; None where there is none."""
    value = _get(raw, key, None)
    if value is None:
        return None
    # By sets of types and by extremes: these lists are most of a recording's metadata.
    if isinstance(value, list) and float in set(map(type, value)):
        value = [one if (number := whole_number(one)) is None else number for one in value]
    fits = isinstance(value, list) and set(map(type, value)) <= {int}
    if not fits or (value and not -LARGEST_INT <= min(value) <= max(value) <= LARGEST_INT):
        raise BadValue(f"{key} is {short(value)}, which is not a list of whole numbers")
    return tuple(_of_length(value, key, length))


def texts_of(raw: Mapping[str, Any], key: str, length: int) -> tuple[str, ...] | None:
    """A list of texts of a length; None where there is none."""
    value = _get(raw, key, None)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) and len(one) <= LONGEST_TEXT for one in value):
        raise BadValue(f"{key} is {short(value)}, which is not a list of texts of at most {LONGEST_TEXT} characters")
    return tuple(_of_length(value, key, length))


def floats_of(raw: Mapping[str, Any], key: str, length: int | None) -> tuple[float, ...] | None:
    """A list of numbers, of a length if one is given, null standing for NaN; None where there is none."""
    value = _get(raw, key, None)
    if value is None:
        return None
    if isinstance(value, list) and set(map(type, value)) == {float} and all(map(math.isfinite, value)):
        return tuple(_of_length(value, key, length))
    if not isinstance(value, list) or not all(one is None or _is_number(one) for one in value):
        raise BadValue(f"{key} is {short(value)}, which is not a list of numbers")
    return tuple(math.nan if one is None else float(one) for one in _of_length(value, key, length))


def time_of(raw: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Whole seconds and the fraction of one; ``default`` where there is none."""
    value = _get(raw, key, default)
    if value is default:
        return value
    whole = whole_number(value[0], -LARGEST_INT, LARGEST_INT) if isinstance(value, list) and len(value) == 2 else None
    if whole is None or not _is_number(value[1]):
        raise BadValue(f"{key} is {short(value)}, which is not [whole seconds, fraction of a second]")
    if not 0 <= value[1] < 1:
        raise BadValue(f"{key} is {short(value)}, whose fraction of a second is not in 0..1")
    return whole, float(value[1])


def _of_length(value: list, key: str, length: int | None) -> list:
    if length is not None and len(value) != length:
        raise BadValue(f"{key} has {len(value)} elements for {length} items")
    return value


def lenient(
    tell: Callable[[BadValue], None] | None, read: Callable[..., Any], raw: Mapping[str, Any], key: str, default: Any
) -> Any:
    """A member that may be missing; a bad one is reported and counts as missing, or raises without ``tell``."""
    try:
        return read(raw, key, default)
    except BadValue as error:
        if tell is None:
            raise
        tell(error)
        return default


def short(value: Any) -> str:
    """A value for a message, cut to a few words; control characters are escaped, as ``repr`` does."""
    if isinstance(value, str):
        value = value[:80]
    elif isinstance(value, list):
        value = value[:20]
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
