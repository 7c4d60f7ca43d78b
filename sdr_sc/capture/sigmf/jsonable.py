# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that JSON can hold: numpy's numbers become Python's, and what is not finite is left out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_NOTHING = object()
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """A value as JSON can hold it.

    Numpy's scalars and arrays become Python's numbers and lists; a member of an object that is NaN or infinite is left
    out, an element of a list that is becomes null; all else that JSON does not know becomes its text.

    >>> plain({"snr_db": np.float32(1.5), "cfo_hz": float("nan"), "ids": np.arange(2), "path": (None, float("inf"))})
    {'snr_db': 1.5, 'ids': [0, 1], 'path': [None, None]}
    """
    kept = _plain(value)
    return None if kept is _NOTHING else kept


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _NOTHING
    if isinstance(value, Mapping):
        kept = {str(key): _plain(member) for key, member in value.items()}
        return {key: member for key, member in kept.items() if member is not _NOTHING}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        members = [_plain(member) for member in value]
        return [None if member is _NOTHING else member for member in members]
    return str(value)


def compact(value: Any) -> str:
    """One line of ASCII JSON of a value that `plain` gave."""
    return _ENCODER.encode(value)
