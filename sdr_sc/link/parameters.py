# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of block parameters and messages, which a flowgraph may set and connect to anything."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError


def require_whole(block: str, **values: Any) -> None:
    """Raise `BlockError` unless all parameters are whole numbers of 0 or more.

    Args:
        block: name for the message.

    >>> require_whole("channel", seed=1, delay_samples=0)
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
            raise BlockError(f"{block}: {name} is {value!r}; use a whole number of 0 or more.")


def require_number(block: str, **values: Any) -> None:
    """Raise `BlockError` unless all parameters are finite real numbers; numpy's are."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not _is_finite(value):
            raise BlockError(f"{block}: {name} is {value!r}; use a finite number.")


def require_text(block: str, **values: Any) -> None:
    """Raise `BlockError` unless all parameters are text."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise BlockError(f"{block}: {name} is {value!r}; use text in quotes.")


def require(meta: dict[str, Any], keys: tuple[str, ...], port: str) -> None:
    """Raise `BlockError` unless a message's metadata holds all ``keys``."""
    missing = [key for key in keys if key not in meta]
    if missing:
        raise BlockError(f"port {port!r} got a PDU without {missing[0]!r}; connect it to the block that sets it.")


def fits_shape(shape: np.ndarray, item_bytes: int) -> bool:
    """Whether items of so many bytes can have a shape of 1 to 4 dimensions.

    >>> fits_shape(np.array([3, 32, 32]), 3072), fits_shape(np.array([28, 28]), 3072)
    (True, False)
    """
    return 1 <= len(shape) <= 4 and math.prod(shape.tolist()) == item_bytes


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False
