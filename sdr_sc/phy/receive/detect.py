# SPDX-License-Identifier: GPL-3.0-or-later
"""First stage of detection: the autocorrelation of the repeating detection part, as running sums.

The metric at sample d is ``|P|^2 / (E0 E1)`` with ``P = sum conj(r[d+m]) r[d+m+lag]`` and E0, E1 the energies of the
two windows (Schmidl and Cox, 1997, here with a short lag and a long window). Its square root is near S/(S+N) on a
frame, and in noise it exceeds t with probability ``exp(-window t^2)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sdr_sc.phy.frame.preamble import detection_period
from sdr_sc.phy.numerology import Numerology

# A sample of noise passes with a chance of exp(-288 * 0.18^2) = 9e-5 (default numerology); the second stage refuses
# what passes, and a frame at -5 dB has 0.20.
DEFAULT_THRESHOLD = 0.18
_REFRESH = 4096  # samples: rounding of 4096 steps in double precision stays near 1e-12
_LONGEST_SPANS = 8  # of rising values, after which a candidate is given out all the same: something else repeats
_WEAKER = 1e-6  # energies this far below the strongest since the sums were made
_ROUNDING = 1e-12  # energies this far below the strongest since the last refresh are what rounding left


class Candidate(NamedTuple):
    """Where a frame may begin.

    Attributes:
        start: index in the stream of the metric's peak.
        cycles_per_sample: carrier frequency offset over the sample rate, within +-1/(2 lag).
        metric: the peak, 0..1.
    """

    start: int
    cycles_per_sample: float
    metric: float


class Detector:
    """Finds candidates in a stream; the result does not depend on how the stream is cut into buffers.

    Args:
        numerology: sizes of the preamble.
        threshold: square root of the metric that makes a candidate, 0..1.
    """

    def __init__(self, numerology: Numerology, threshold: float = DEFAULT_THRESHOLD) -> None:
        n = numerology
        self.numerology, self.threshold = numerology, threshold
        self.lag = detection_period(n)
        """Samples between the two windows."""
        self.window = n.detection_symbols * n.symbol_samples - self.lag - n.cyclic_prefix
        """Samples that the sums run over: all that repeats, less a cyclic prefix for multipath."""
        self.span = n.detection_symbols * n.symbol_samples
        """Samples without a higher value after which a peak is settled."""
        self.decided_at = 0
        """Samples of the stream that the latest candidate needed."""
        self._sums = np.zeros(5)  # the running sums where the last search stopped
        self._sums_at = -1  # and the index in the stream that they belong to

    def search(self, samples: np.ndarray, first: int, origin: int = 0) -> tuple[Candidate | None, int]:
        """Look for the first candidate at or after index ``first``.

        Args:
            samples: complex64, the buffer.
            first: index in the buffer.
            origin: index in the stream of the buffer's first sample.

        Returns:
            The candidate, or None if there is none yet, and the index in the buffer up to which the search is settled:
            what lies before it is not needed again.
        """
        last = len(samples) - self.window - self.lag
        if last <= first:
            return None, first
        if self._sums_at != origin + first:
            self._sums[:] = 0.0
        crossing, peak, metric, angle, is_settled = _scan(
            samples, origin, first, last, self.lag, self.window, self.threshold**2, self.span, self._sums
        )
        if crossing >= 0 and is_settled:
            self._sums_at = -1
            decided = min(peak + self.span, crossing + _LONGEST_SPANS * self.span)
            self.decided_at = origin + decided + self.window + self.lag + 1
            return Candidate(origin + peak, angle / (2 * np.pi * self.lag), metric), peak
        settled = last if crossing < 0 else crossing
        self._sums_at = origin + settled
        return None, settled


@njit(cache=True, nogil=True)
def metric_at(r: np.ndarray, d: int, lag: int, window: int) -> float:
    """The metric at one sample."""
    sums = np.empty(5)
    _fill_sums(r, d, lag, window, sums)
    return float((sums[0] ** 2 + sums[1] ** 2) / max(sums[2] * sums[3], 1e-300))


@njit(cache=True, nogil=True)
def least_metric(r: np.ndarray, first: int, last: int, lag: int, window: int, step: int) -> float:
    """The lowest metric of windows that begin every ``step`` samples from ``first`` to ``last``."""
    least, sums = 1.0, np.empty(5)
    for d in range(max(first, 0), min(last, len(r) - window - lag) + 1, step):
        _fill_sums(r, d, lag, window, sums)
        least = min(least, (sums[0] ** 2 + sums[1] ** 2) / max(sums[2] * sums[3], 1e-300))
    return least


@njit(cache=True, nogil=True)
def _fill_sums(r: np.ndarray, d: int, lag: int, window: int, sums: np.ndarray) -> None:
    """The sums at sample d, from scratch: correlation, energies of the two windows, and the larger of these."""
    sums[:] = 0.0
    for m in range(d, d + window):
        a, b = r[m], r[m + lag]
        sums[0] += a.real * b.real + a.imag * b.imag
        sums[1] += a.real * b.imag - a.imag * b.real
        sums[2] += a.real * a.real + a.imag * a.imag
        sums[3] += b.real * b.real + b.imag * b.imag
    sums[4] = max(sums[2], sums[3])


@njit(cache=True, nogil=True)
def _scan(
    r: np.ndarray,
    origin: int,
    first: int,
    last: int,
    lag: int,
    window: int,
    threshold: float,
    span: int,
    kept: np.ndarray,
) -> tuple[int, int, float, float, bool]:
    """Crossing (-1: none), peak, metric and phase at the peak, and whether the peak is settled.

    The running sums are in double precision; at fixed places of the stream, and where the signal has become far
    weaker, they are made again, so that they neither drift nor carry what a far stronger sample left by rounding.
    ``kept`` holds the sums at ``first`` (all 0: none yet), and on return those where the next search goes on.
    """
    crossing, peak, best = -1, -1, 0.0
    sums = kept.copy()
    # Local numbers, not places of an array: the compiler keeps them in registers.
    re, im, early, late, top = sums[0], sums[1], sums[2], sums[3], sums[4]
    is_known = top > 0.0
    for d in range(first, last):
        if not is_known or (origin + d) % _REFRESH == 0 or early + late < _WEAKER * top:
            _fill_sums(r, d, lag, window, sums)
            re, im, early, late, top = sums[0], sums[1], sums[2], sums[3], sums[4]
            is_known = True
        top = max(top, early, late)
        power = re * re + im * im
        both = early * late
        if power >= threshold * both and both > (_ROUNDING * top) ** 2:
            if crossing < 0:
                crossing = d
                kept[0], kept[1], kept[2], kept[3], kept[4] = re, im, early, late, top
            if power > best * both:
                best, peak = power / both, d
        if crossing >= 0 and (d - peak >= span or d - crossing >= _LONGEST_SPANS * span):
            _fill_sums(r, peak, lag, window, sums)
            metric = (sums[0] ** 2 + sums[1] ** 2) / max(sums[2] * sums[3], 1e-300)
            return crossing, peak, metric, np.arctan2(sums[1], sums[0]), True
        a, b = r[d], r[d + lag]
        re -= a.real * b.real + a.imag * b.imag
        im -= a.real * b.imag - a.imag * b.real
        early -= a.real * a.real + a.imag * a.imag
        late -= b.real * b.real + b.imag * b.imag
        a, b = r[d + window], r[d + window + lag]
        re += a.real * b.real + a.imag * b.imag
        im += a.real * b.imag - a.imag * b.real
        early += a.real * a.real + a.imag * a.imag
        late += b.real * b.real + b.imag * b.imag
    if crossing < 0:
        kept[0], kept[1], kept[2], kept[3], kept[4] = re, im, early, late, top
    return crossing, peak, best, 0.0, False
