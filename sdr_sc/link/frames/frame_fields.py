# SPDX-License-Identifier: GPL-3.0-or-later
"""What every reader of a frame's metadata needs: required keys, and frame numbers that wrap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError


def require(meta: dict[str, Any], keys: tuple[str, ...], port: str) -> None:
    """Raise `BlockError` unless the metadata holds all ``keys``."""
    missing = [key for key in keys if key not in meta]
    if missing:
        raise BlockError(f"port {port!r} got a PDU without {missing[0]!r}; connect it to the block that sets it.")


def unwrap(number: int, near: int, modulo: int) -> int:
    """The index congruent to ``number`` that lies nearest to ``near``.

    >>> unwrap(2, near=4095, modulo=4096)
    4098
    """
    offset = (number - near + modulo // 2) % modulo - modulo // 2
    return near + offset


def fits_shape(shape: np.ndarray, item_bytes: int) -> bool:
    """Whether items of so many bytes can have a shape of 1 to 4 dimensions.

    >>> fits_shape(np.array([3, 32, 32]), 3072), fits_shape(np.array([28, 28]), 3072)
    (True, False)
    """
    return 1 <= len(shape) <= 4 and math.prod(shape.tolist()) == item_bytes
