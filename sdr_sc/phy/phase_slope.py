# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase slope of known symbols: what a residual carrier offset leaves, by maximum likelihood."""

from __future__ import annotations

import numpy as np
from numba import njit

_HALF_GRID = 20
_ROUNDS = 3


@njit(cache=True, nogil=True)
def phase_slope(phasors: np.ndarray, times: np.ndarray, reach: float) -> float:
    """Phase advance per symbol, rad, that best lines up phasors: the highest sum of periodograms, on a grid that
    gets finer three times.

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
    slope, step = 0.0, reach
    turns = np.empty(len(times), np.complex64)
    for _ in range(_ROUNDS):
        best, centre = -1.0, slope
        for g in range(-_HALF_GRID, _HALF_GRID + 1):
            candidate = centre + step * g / _HALF_GRID
            for t in range(len(times)):
                angle = -candidate * times[t]
                turns[t] = np.complex64(complex(np.cos(angle), np.sin(angle)))
            likelihood = 0.0
            for c in range(phasors.shape[1]):
                total = np.complex64(0)
                for t in range(len(times)):
                    total += phasors[t, c] * turns[t]
                likelihood += float(total.real) ** 2 + float(total.imag) ** 2
            if likelihood > best:
                best, slope = likelihood, candidate
        step /= _HALF_GRID
    return slope
