# SPDX-License-Identifier: GPL-3.0-or-later
"""Second stage of detection for robust frames: timing and carrier offset where a training symbol alone is too weak.

The carrier offset comes from the detection part with longer and longer lags, each of which the one before makes
unambiguous; then the four training symbols are added up coherently.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import fft

from sdr_sc.phy.frame.modes import FrameLayout
from sdr_sc.phy.frame.preamble import detection_period, training_symbol
from sdr_sc.phy.receive.detect import Candidate
from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS, Synchronisation, hypotheses, turn_back

# With four symbols of 64 points, noise at one place exceeds this with a chance of exp(-256 * 0.043) = 2e-5; a frame at
# -8 dB has 0.115.
MIN_COHERENCE_ROBUST = 0.043
_FIRST_PATH = 0.3  # share of the strongest path's power from which an earlier path counts


class RobustSynchroniser:
    """Timing and carrier offset of robust frames; makes its tables once.

    Args:
        layout: of the robust mode.
        window: samples over which the detector correlates.
        cfo_range: largest carrier offset, subcarriers.
    """

    def __init__(self, layout: FrameLayout, window: int, cfo_range: float = CFO_RANGE_SUBCARRIERS) -> None:
        self.layout, self._window, self._cfo_range = layout, window, cfo_range
        n = self.numerology = layout.numerology
        self._symbol = training_symbol(n, layout.mode)
        self._reference_energy = float(np.sum(np.abs(self._symbol.astype(np.complex128)) ** 2))
        self._starts = layout.training_starts - layout.training_starts[0]
        self._references: dict[int, np.ndarray] = {}
        self._lags = [detection_period(n) * factor for factor in (4, 16)]

    def synchronise(self, samples: np.ndarray, candidate: Candidate, origin: int, reach: int) -> Synchronisation | None:
        """Timing and carrier offset of a candidate, or None if the training symbols are not there.

        Args:
            samples: complex64, the buffer, at least up to the end of a preamble that begins ``reach`` samples after the
                candidate.
            candidate: of the first stage.
            origin: index in the stream of the buffer's first sample.
            reach: samples by which the frame may begin before or after the candidate.
        """
        n, layout = self.numerology, self.layout
        at = candidate.start - origin
        first = max(at - reach, 0) + int(layout.training_starts[0])
        stretch = samples[first : at + reach + layout.preamble_samples]
        if len(stretch) < self._starts[-1] + 2 * n.fft_size:
            return None
        best: tuple[float, int, float] = (0.0, 0, 0.0)
        for cycles in hypotheses(candidate.cycles_per_sample, n, self._cfo_range):
            refined = self._refine(samples, max(at, 0), self._window, cycles)
            place, coherence = self._place(stretch, refined)
            if coherence > best[0]:
                best = coherence, place, refined
        coherence, place, cycles = best
        if coherence < MIN_COHERENCE_ROBUST:
            return None
        begin = first + place - int(layout.training_starts[0])
        whole = layout.detection_samples - 2 * n.cyclic_prefix
        if begin >= 0:
            cycles = self._refine(samples, begin + n.cyclic_prefix, whole, cycles)
        training = samples[first + place : first + place + int(self._starts[-1]) + n.fft_size]
        amplitude = float(np.sqrt(max(np.mean(np.abs(training.astype(np.complex128)) ** 2), 1e-30)))
        return Synchronisation(origin + begin, cycles, coherence, amplitude)

    def _refine(self, samples: np.ndarray, first: int, window: int, cycles: float) -> float:
        """The carrier offset from longer lags of what repeats in ``window`` samples."""
        for lag in self._lags:
            if 2 * lag <= window:
                angle = _lag_angle(samples[first : first + window], lag)
                ahead = 2 * np.pi * cycles * lag
                cycles += float(np.angle(np.exp(1j * (angle - ahead)))) / (2 * np.pi * lag)
        return cycles

    def _place(self, stretch: np.ndarray, cycles: float) -> tuple[int, float]:
        """Index in ``stretch`` of the first training symbol, and the share of the four symbols' energy that the known
        symbols explain there."""
        n = self.numerology
        size = fft.next_fast_len(len(stretch) + n.fft_size)
        reference = self._references.get(size)
        if reference is None:
            if len(self._references) > 8:
                self._references.clear()
            reference = self._references[size] = fft.fft(self._symbol, size).conj()
        turned, _ = turn_back(stretch, cycles, size)
        cross = fft.ifft(fft.fft(turned) * reference, overwrite_x=True)
        reach = n.cyclic_prefix - n.early_window
        place, share = _find(cross, turned, len(stretch), self._starts, n.fft_size, reach, _FIRST_PATH)
        return place, share / (len(self._starts) * self._reference_energy)


@njit(cache=True, nogil=True)
def _lag_angle(r: np.ndarray, lag: int) -> float:
    re = im = 0.0
    for m in range(len(r) - lag):
        a, b = r[m], r[m + lag]
        re += a.real * b.real + a.imag * b.imag
        im += a.real * b.imag - a.imag * b.real
    return np.arctan2(im, re)


@njit(cache=True, nogil=True)
def _find(
    cross: np.ndarray, window: np.ndarray, length: int, starts: np.ndarray, n: int, reach: int, first_path: float
) -> tuple[int, float]:
    """Place of the first training symbol, and the squared sum of the correlations over the symbols' energy."""
    count = length - starts[-1] - n + 1
    powers = np.empty(count, np.float64)
    strongest = 0
    for d in range(count):
        re = im = 0.0
        for s in starts:
            re += cross[d + s].real
            im += cross[d + s].imag
        powers[d] = re * re + im * im
        if powers[d] > powers[strongest]:
            strongest = d
    energy = 0.0
    for s in starts:
        for i in range(strongest + s, strongest + s + n):
            energy += float(window[i].real) ** 2 + float(window[i].imag) ** 2
    # Among the paths up to a cyclic prefix before the strongest one, the first that stands out.
    floor = min(max(first_path * powers[strongest], 12.0 * np.median(powers)), powers[strongest])
    place = max(strongest - reach, 0)
    while powers[place] < floor:
        place += 1
    return place, powers[strongest] / max(energy, 1e-30)
