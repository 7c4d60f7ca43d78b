# SPDX-License-Identifier: GPL-3.0-or-later
"""Named bundles of what the payload's compiled kernels take: an array in the wrong place of twenty would pass every
type check.

Compiled functions pass bundles among themselves as they are. A kernel that Python calls takes the plain tuple of a
bundle's fields, ``bundle[:]``, and names it on its first line: at each call numba looks up the type of a NamedTuple in
Python, field by field, which with short frames made the receiver 15 % slower.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Carriers(NamedTuple):
    """The data subcarriers, by rising position.

    Attributes:
        bins: int64 (data,), FFT bins.
        used_index: int64 (data,), places within the occupied subcarriers.
        positions: int64 (data,), signed subcarrier numbers.
    """

    bins: np.ndarray
    used_index: np.ndarray
    positions: np.ndarray


class Pilots(NamedTuple):
    """The pilots, by rising position.

    Attributes:
        bins, used_index: int64 (pilots,), as of `Carriers`.
        positions: float64 (pilots,), signed subcarrier numbers.
        known: float32 (symbols or more, pilots), +1 and -1 as sent.
    """

    bins: np.ndarray
    used_index: np.ndarray
    positions: np.ndarray
    known: np.ndarray


class PilotPhasors(NamedTuple):
    """The pilots of a payload as they arrived.

    Attributes:
        phasors: complex64 (symbols, pilots), received pilots times their known values and the conjugate channel.
        weights: float64 (pilots,), |channel|^2 of the pilots, above 0.
        positions: float64 (pilots,), signed subcarrier numbers.
        times: float64 (symbols,), in symbol durations from the moment for which the channel was estimated.
    """

    phasors: np.ndarray
    weights: np.ndarray
    positions: np.ndarray
    times: np.ndarray


class Prior(NamedTuple):
    """What is known ahead of the payload.

    Attributes:
        noise: noise power per subcarrier.
        clock_std: standard deviation of the phase slope that a clock offset makes, rad per subcarrier and symbol.
        known_weight: energy of the symbols that the channel was estimated from over that of a symbol's pilots.
        known_spread: how far from their mean these symbols lie in time (root mean square), in symbol durations.
    """

    noise: float
    clock_std: float
    known_weight: float
    known_spread: float = 0.0


class Tracking(NamedTuple):
    """Gain of each payload symbol against the channel estimate: that of subcarrier k of symbol s is
    ``(gains[s] + tilts[s] (k - centre)) exp(j slope k times[s])``.

    Attributes:
        gains, tilts: complex64 (symbols,).
        slope: rad per subcarrier and symbol duration: the clock offset.
        centre: subcarrier at which the tilt is 0.
    """

    gains: np.ndarray
    tilts: np.ndarray
    slope: float
    centre: float


class Estimates(NamedTuple):
    """What the payload's kernels write.

    Attributes:
        features: complex64 (count,), LMMSE estimates in the order of the items.
        variance: float32 (count,), noise variance of the unbiased estimate of each.
        pilots: complex64 (symbols, pilots), the pilots over their known values, what was tracked taken out; or of
            shape (0, 0) where nobody wants them.
    """

    features: np.ndarray
    variance: np.ndarray
    pilots: np.ndarray
