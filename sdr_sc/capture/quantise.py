# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples to 16-bit integers at memory speed, which a recording at full rate has to afford beside all else."""

from __future__ import annotations

import numpy as np
from numba import njit

_BLOCK = 4096  # components, which stay in the fastest cache until they have been looked at again
_SCALE, _LOW, _HIGH = np.float32(32768.0), np.float32(-32768.0), np.float32(32767.0)


@njit(cache=True, nogil=True)
def to_int16(parts: np.ndarray, out: np.ndarray) -> int:
    """Components times 32768, rounded to the nearest integer, halves to the even one, and held within its range.

    Args:
        parts: float32 (2n,), real and imaginary parts in turn.
        out: int16 (2n,), which is filled; 0 stands for NaN.

    Returns:
        Samples of which a component was out of range, infinite or NaN.
    """
    clipped = 0
    for begin in range(0, len(parts), _BLOCK):
        block, values = parts[begin : begin + _BLOCK], out[begin : begin + _BLOCK]
        _hold(block, values)
        if _touches_limits(values):
            clipped += _outside(block, values)
    return clipped


@njit(cache=True, nogil=True)
def _hold(parts: np.ndarray, out: np.ndarray) -> None:
    """Round, and hold within range; NaN becomes the lowest value. Without branch or count: so it is vectorised."""
    for i in range(len(parts)):
        value = np.rint(parts[i] * _SCALE)
        value = value if value > _LOW else _LOW
        value = value if value < _HIGH else _HIGH
        out[i] = np.int16(np.int32(value))


@njit(cache=True, nogil=True)
def _touches_limits(values: np.ndarray) -> bool:
    lowest = highest = np.int16(0)
    for i in range(len(values)):
        value = values[i]
        lowest = value if value < lowest else lowest
        highest = value if value > highest else highest
    return lowest == -32768 or highest == 32767


@njit(cache=True, nogil=True)
def _outside(parts: np.ndarray, out: np.ndarray) -> int:
    """Samples that are out of range; what stands for NaN becomes 0."""
    count = 0
    for i in range(0, len(parts), 2):
        inside = True
        for j in range(i, i + 2):
            value = np.rint(parts[j] * _SCALE)
            if not (_LOW <= value <= _HIGH):
                inside = False
                if value != value:
                    out[j] = 0
        count += not inside
    return count
