# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in types that JSON has; for every layer."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

_NOTHING = object()
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def plain(value: Any, lenient: bool = False) -> Any:
    """A value as JSON can hold it: numpy's scalars and arrays, and tuples, as Python's numbers and lists; a number that
    is not finite as null.

    Args:
        lenient: of an object, leave out members that are not finite; give what JSON does not know as its text.

    Raises:
        TypeError: the value, or what it holds, has no place in JSON; not if ``lenient``.

    >>> plain({"snr_db": np.float32(1.5), "cfo_hz": float("nan"), "ids": np.arange(2), "path": (None, float("inf"))})
    {'snr_db': 1.5, 'cfo_hz': None, 'ids': [0, 1], 'path': [None, None]}
    >>> plain({"cfo_hz": float("nan"), "chosen": {3}, "kind": range(2)}, lenient=True)
    {'chosen': [3], 'kind': 'range(0, 2)'}
    """
    kept = _plain(value, lenient)
    return None if kept is _NOTHING else kept


def _plain(value: Any, lenient: bool) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _NOTHING
    if isinstance(value, Mapping):
        kept = {str(key): _plain(member, lenient) for key, member in value.items()}
        if lenient:
            return {key: member for key, member in kept.items() if member is not _NOTHING}
        return {key: None if member is _NOTHING else member for key, member in kept.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)) or (lenient and isinstance(value, (set, frozenset))):
        members = [_plain(member, lenient) for member in value]
        return [None if member is _NOTHING else member for member in members]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if lenient:
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no place in a JSON file")


def compact(value: Any) -> str:
    """One line of ASCII JSON of a value that `plain` gave."""
    return _ENCODER.encode(value)
