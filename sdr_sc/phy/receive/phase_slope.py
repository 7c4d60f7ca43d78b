# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase slope of known symbols: what a residual carrier offset leaves, by maximum likelihood."""

from __future__ import annotations

import numpy as np
from numba import njit

_HALF_GRID = 10
_ROUNDS = 4


@njit(cache=True, nogil=True)
def phase_slope(phasors: np.ndarray, times: np.ndarray, reach: float) -> float:
    """Phase advance per symbol, rad, that best lines up phasors: the highest sum of periodograms, on a grid that
    gets finer four times.

    Args:
        phasors: complex64 (times, columns), each weighted by its reliability. Subcarriers whose phases are unknown
            stand in columns of their own: their likelihoods add up.
        times: float64 (times,), in symbol durations.
        reach: largest slope that is looked for.

    >>> times = np.arange(8.0)
    >>> turning = np.exp(0.3j * times).astype(np.complex64).reshape(8, 1)
    >>> round(phase_slope(turning, times, 1.0), 3)
    0.3
    """
    count, columns = phasors.shape
    slope, step = 0.0, reach
    turned, turns = np.empty((columns, count), np.complex128), np.empty(count, np.complex128)
    for _ in range(_ROUNDS):
        best, centre = -1.0, slope
        # From candidate to candidate every phasor turns by the same angle: no sine for each of them.
        for t in range(count):
            angle, first = -step / _HALF_GRID * times[t], -(centre - step) * times[t]
            turns[t] = complex(np.cos(angle), np.sin(angle))
            start = complex(np.cos(first), np.sin(first))
            for c in range(columns):
                turned[c, t] = phasors[t, c] * start
        for g in range(-_HALF_GRID, _HALF_GRID + 1):
            likelihood = 0.0
            for c in range(columns):
                total = complex(0.0, 0.0)
                for t in range(count):
                    total += turned[c, t]
                    turned[c, t] *= turns[t]
                likelihood += total.real**2 + total.imag**2
            if likelihood > best:
                best, slope = likelihood, centre + step * g / _HALF_GRID
        step /= _HALF_GRID
    return slope
