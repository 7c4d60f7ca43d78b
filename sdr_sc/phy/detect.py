# SPDX-License-Identifier: GPL-3.0-or-later
"""First stage of detection: the autocorrelation of the repeating detection part, as running sums.

The metric at sample d is ``|P|^2 / (E0 E1)`` with ``P = sum conj(r[d+m]) r[d+m+lag]`` and E0, E1 the energies of the
two windows (Schmidl and Cox, 1997, here with a short lag and a long window). Its square root is near S/(S+N) on a
frame, and in noise it exceeds t with probability ``exp(-window t^2)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.preamble import detection_period

DEFAULT_THRESHOLD = 0.18
_REFRESH = 4096
_LONGEST_SPANS = 8
_ROUNDING = 1e-12  # energies this far below the strongest since the last refresh are what rounding left


@dataclass(frozen=True)
class Candidate:
    """Where a frame may begin.

    Attributes:
        start: sample index of the metric's peak.
        cycles_per_sample: carrier frequency offset over the sample rate, within +-1/(2 lag).
        metric: the peak, 0..1.
    """

    start: int
    cycles_per_sample: float
    metric: float


@dataclass(frozen=True)
class Detector:
    """Finds candidates in a buffer.

    Attributes:
        numerology: sizes of the preamble.
        threshold: square root of the metric that makes a candidate, 0..1.
    """

    numerology: Numerology
    threshold: float = DEFAULT_THRESHOLD

    @cached_property
    def lag(self) -> int:
        """Samples between the two windows."""
        return detection_period(self.numerology)

    @cached_property
    def window(self) -> int:
        """Samples that the sums run over: all that repeats, less a cyclic prefix for multipath."""
        n = self.numerology
        return n.detection_symbols * n.symbol_samples - self.lag - n.cyclic_prefix

    @cached_property
    def span(self) -> int:
        """Samples without a higher value after which a peak is settled."""
        return self.numerology.detection_symbols * self.numerology.symbol_samples

    def search(self, samples: np.ndarray, first: int) -> tuple[Candidate | None, int]:
        """Look for the first candidate at or behind index ``first``.

        Returns:
            The candidate, or None if there is none yet, and the index up to which the search is settled: what lies
            before it is not needed again.
        """
        last = len(samples) - self.window - self.lag
        if last <= first:
            return None, first
        crossing, peak, metric, angle, is_settled = _scan(
            samples, first, last, self.lag, self.window, self.threshold**2, self.span
        )
        if crossing < 0:
            return None, last
        if not is_settled:
            return None, crossing
        return Candidate(peak, angle / (2 * np.pi * self.lag), metric), peak


@njit(cache=True, nogil=True)
def _scan(
    r: np.ndarray, first: int, last: int, lag: int, window: int, threshold: float, span: int
) -> tuple[int, int, float, float, bool]:
    """Crossing (-1: none), peak, metric and phase at the peak, and whether the peak is settled. Sums are in double
    precision, so that they do not drift."""
    crossing, peak, best, angle = -1, -1, 0.0, 0.0
    p_re = p_im = e0 = e1 = strongest = 0.0
    for d in range(first, last):
        if (d - first) % _REFRESH == 0:  # what a far stronger sample left behind by rounding goes away here
            p_re = p_im = e0 = e1 = 0.0
            for m in range(d, d + window):
                a, b = r[m], r[m + lag]
                p_re += a.real * b.real + a.imag * b.imag
                p_im += a.real * b.imag - a.imag * b.real
                e0 += a.real * a.real + a.imag * a.imag
                e1 += b.real * b.real + b.imag * b.imag
            strongest = 0.0
        strongest = max(strongest, e0, e1)
        power = p_re * p_re + p_im * p_im
        both = e0 * e1
        if both > (_ROUNDING * strongest) ** 2 and power >= threshold * both:
            if crossing < 0:
                crossing = d
            if power > best * both:
                best, peak, angle = power / both, d, np.arctan2(p_im, p_re)
        if crossing >= 0 and (d - peak >= span or d - crossing >= _LONGEST_SPANS * span):
            return crossing, peak, best, angle, True
        a, b = r[d], r[d + lag]
        p_re -= a.real * b.real + a.imag * b.imag
        p_im -= a.real * b.imag - a.imag * b.real
        e0 -= a.real * a.real + a.imag * a.imag
        e1 -= b.real * b.real + b.imag * b.imag
        a, b = r[d + window], r[d + window + lag]
        p_re += a.real * b.real + a.imag * b.imag
        p_im += a.real * b.imag - a.imag * b.real
        e0 += a.real * a.real + a.imag * a.imag
        e1 += b.real * b.real + b.imag * b.imag
    return crossing, peak, best, angle, False
