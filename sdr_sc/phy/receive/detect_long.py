# SPDX-License-Identifier: GPL-3.0-or-later
"""The same autocorrelation as in `detect`, over the long detection part of robust frames: for those that are too weak
for the window of the normal mode.

The window is so long that its metric need not be computed at every sample: sums over blocks of four periods are made
once, and each place is the sum of a few of them. That costs a fraction of the first search, and no running sum carries
rounding on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.frame.modes import FrameLayout
from sdr_sc.phy.frame.preamble import detection_period
from sdr_sc.phy.receive.detect import Candidate

# A place in noise passes with a chance of exp(-1216 * 0.075^2) = 1e-3 (default numerology; 15,600 places, and 5
# candidates, in a million samples, measured); a frame at -8 dB has 0.114, with a standard deviation of 0.02.
LONG_THRESHOLD = 0.075
_LONGEST_SPANS = 8
_PERIODS = 4  # in a block


class LongDetector:
    """Finds candidates of robust frames in a stream; the result does not depend on how the stream is cut into buffers.

    Args:
        layout: of the robust mode.
        threshold: square root of the metric that makes a candidate, 0..1.
    """

    def __init__(self, layout: FrameLayout, threshold: float = LONG_THRESHOLD) -> None:
        self.threshold = threshold
        self.lag = detection_period(layout.numerology)
        self.block = _PERIODS * self.lag
        """Samples between the places that are looked at."""
        self._window = (layout.detection_samples - self.lag - layout.numerology.cyclic_prefix) // self.block
        self.window = self._window * self.block
        """Samples that the sums run over."""
        self._span = -(-layout.detection_samples // self.block)
        self.span = self._span * self.block
        """Samples without a higher value after which a peak is settled."""
        self.decided_at = 0
        """Samples of the stream that the latest candidate needed."""
        self.restart()

    def restart(self) -> None:
        """Forget the sums, where samples that they were made of are not those of the stream."""
        self._sums, self._first = np.empty((4, 0)), 0  # block sums, and the number in the stream of the first

    def search(self, samples: np.ndarray, first: int, origin: int = 0) -> tuple[Candidate | None, int]:
        """Look for the first candidate at or after index ``first``; as `Detector.search`."""
        begin = -(-(origin + first) // self.block)
        self._extend(samples, begin, origin)
        places = self._sums.shape[1] - self._window  # one block more, for the second window's energy
        if places <= 0:
            return None, first
        crossing, peak, metric, angle, decided = _scan(
            self._sums, places, self._window, self.threshold**2, self._span, _LONGEST_SPANS * self._span
        )
        if decided >= 0:
            start = (begin + peak) * self.block
            self.decided_at = (begin + decided + self._window + 1) * self.block + self.lag
            return Candidate(start, angle / (2 * np.pi * self.lag), metric), start - origin
        settled = places if crossing < 0 else crossing
        return None, max((begin + settled) * self.block - origin, first)

    def _extend(self, samples: np.ndarray, begin: int, origin: int) -> None:
        """Block sums from block ``begin`` to the last whole one; those that are there are kept."""
        if self._first <= begin <= self._first + self._sums.shape[1]:
            self._sums = self._sums[:, begin - self._first :]
        else:
            self._sums = self._sums[:, :0]
        self._first = begin
        following = begin + self._sums.shape[1]
        count = (origin + len(samples) - self.lag) // self.block - following
        if count > 0:
            new = _block_sums(samples[following * self.block - origin :], count, self.lag, self.block)
            self._sums = np.concatenate((self._sums, new), axis=1)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _block_sums(r: np.ndarray, count: int, lag: int, block: int) -> np.ndarray:
    """float64 (4, count): correlation, real and imaginary part, and energies of the first period and of the rest."""
    out = np.empty((4, count))
    parts = r.view(np.float32)
    for b in range(count):
        here = parts[2 * block * b : 2 * block * (b + 1)]
        later = parts[2 * (block * b + lag) : 2 * (block * (b + 1) + lag)]
        re = im = first = rest = np.float32(0)
        for i in range(2 * block):  # real and imaginary parts alike
            re += here[i] * later[i]
        for i in range(block):
            im += here[2 * i] * later[2 * i + 1] - here[2 * i + 1] * later[2 * i]
        for i in range(2 * lag):
            first += here[i] * here[i]
        for i in range(2 * lag, 2 * block):
            rest += here[i] * here[i]
        out[0, b], out[1, b], out[2, b], out[3, b] = re, im, first, rest
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _sum(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


@njit(cache=True, nogil=True)
def _scan(
    sums: np.ndarray, places: int, window: int, threshold: float, span: int, longest: int
) -> tuple[int, int, float, float, int]:
    """Crossing (-1: none), peak, metric and phase at the peak, and the place where it was settled (-1: not yet)."""
    crossing, peak, best, angle = -1, -1, 0.0, 0.0
    for d in range(places):
        end = d + window
        re, im = _sum(sums[0, d:end]), _sum(sums[1, d:end])
        rest = _sum(sums[3, d:end])  # which both windows have: they are a period apart
        both = (_sum(sums[2, d:end]) + rest) * (_sum(sums[2, d + 1 : end + 1]) + rest)
        power = re * re + im * im
        if both > 0.0 and power >= threshold * both:
            if crossing < 0:
                crossing = d
            if power > best * both:
                best, peak, angle = power / both, d, np.arctan2(im, re)
        if crossing >= 0 and (d - peak >= span or d - crossing >= longest):
            return crossing, peak, best, angle, d
    return crossing, peak, best, angle, -1
