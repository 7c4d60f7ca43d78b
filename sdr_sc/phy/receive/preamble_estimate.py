# SPDX-License-Identifier: GPL-3.0-or-later
"""The first channel estimate, from all of the preamble: training symbols and detection part together.

The detection part has three times the energy of the training symbols, on every fourth subcarrier. Between those, a
channel shorter than the cyclic prefix interpolates without loss, so that the two parts make one weighted estimate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sdr_sc.phy.frame.modes import FrameLayout
from sdr_sc.phy.frame.preamble import detection_subcarriers, training_subcarriers
from sdr_sc.phy.receive.channel_estimate import multiply, planes, smoother
from sdr_sc.phy.receive.phase_slope import phase_slope
from sdr_sc.phy.receive.windows import early_window_ramp

# rad a symbol: 7 standard deviations of what the synchroniser leaves at 0 dB, 2.6 at -5 dB, see `header_stage`.
_REACH = 1.5


class PreambleEstimate(NamedTuple):
    """What the preamble reveals of the channel.

    Attributes:
        training: complex64 (training symbols, used), received over known values, residual offset and all.
        channel: complex64 (used,), smoothed, with the phase at the end of the preamble.
        detection: complex64 (detection windows, used), received times conjugate known values of the detection part; 0
            on the subcarriers that it leaves empty.
        phasors: complex64 (windows,), common phase of each FFT window against ``channel``, weighted by its energy.
    """

    training: np.ndarray
    channel: np.ndarray
    detection: np.ndarray
    phasors: np.ndarray


class PreambleEstimator:
    """Residual carrier offset and channel from the preamble's FFT windows.

    Attributes:
        starts: int64 (windows,), first sample of each window in the frame, those of the detection part first.
        times: float64 (windows,), middles of the windows, in symbol durations from the end of the preamble.
        detection_weights: float32 (used,), energy of the detection part's known values on each subcarrier.
    """

    def __init__(self, layout: FrameLayout) -> None:
        n = layout.numerology
        # As many windows as end before the training part's prefix and begin after a cyclic prefix of settling.
        detection_end = layout.detection_samples
        self._count = (detection_end - n.cyclic_prefix) // n.fft_size
        first = detection_end - self._count * n.fft_size
        begins = np.concatenate((first + n.fft_size * np.arange(self._count), layout.training_starts))
        self.starts = begins - n.early_window
        self.times = (begins + n.fft_size / 2 - layout.preamble_samples) / n.symbol_samples
        ramp = early_window_ramp(n)
        shift = np.exp(2j * np.pi * n.positions * (first / n.fft_size))
        self._detection = ((detection_subcarriers(n) * shift).conj() * ramp).astype(np.complex64)
        self._training = training_subcarriers(n, layout.mode).conj() * ramp
        self._occupied = np.flatnonzero(detection_subcarriers(n))
        self._bins = n.bins
        training = np.float32(len(layout.training_starts))
        self._weights = np.full(n.used, training, np.float32)
        power = float(np.abs(detection_subcarriers(n)[self._occupied[0]]) ** 2)
        self._weights[self._occupied] += np.float32(self._count * power)
        self.detection_weights = self._weights - training
        self._smoother = planes(smoother(n, self._weights))

    def estimate(self, spectra: np.ndarray) -> PreambleEstimate:
        """The estimate from the spectra, complex64 (windows, fft_size), of the windows that `starts` lists."""
        return PreambleEstimate(
            *_estimate(
                spectra,
                self._count,
                self._bins,
                self._occupied,
                self._detection,
                self._training,
                self.times,
                self._weights,
                self._smoother,
            )
        )


@njit(cache=True, nogil=True)
def _estimate(
    spectra: np.ndarray,
    count: int,
    bins: np.ndarray,
    occupied: np.ndarray,
    detection_known: np.ndarray,
    training_known: np.ndarray,
    times: np.ndarray,
    weights: np.ndarray,
    smoother: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    windows, used = len(times), len(bins)
    trained = windows - count
    # Received times the conjugate of what is known: gains times their weight, the power of the known value.
    shared = np.empty((windows, len(occupied)), np.complex64)
    training, detection = np.empty((trained, used), np.complex64), np.zeros((count, used), np.complex64)
    for s in range(trained):
        for u in range(used):
            training[s, u] = spectra[count + s, bins[u]] * training_known[u]
    for o in range(len(occupied)):
        u = occupied[o]
        for w in range(count):
            shared[w, o] = detection[w, u] = spectra[w, bins[u]] * detection_known[u]
        for s in range(trained):
            shared[count + s, o] = training[s, u]
    slope = phase_slope(shared, times, _REACH)
    turns = np.exp(-1j * slope * times).astype(np.complex64)
    gains = np.empty(used, np.complex64)
    for u in range(used):
        gains[u] = training[0, u] * turns[count]
        for s in range(1, trained):
            gains[u] += training[s, u] * turns[count + s]
    for o in range(len(occupied)):
        for w in range(count):
            gains[occupied[o]] += shared[w, o] * turns[w]
    for u in range(used):
        gains[u] /= weights[u]
    channel = multiply(smoother, gains)
    phasors = np.zeros(windows, np.complex64)
    for o in range(len(occupied)):
        for w in range(count):
            phasors[w] += shared[w, o] * np.conj(channel[occupied[o]])
    for s in range(trained):
        for u in range(used):
            phasors[count + s] += training[s, u] * np.conj(channel[u])
    return training, channel, detection, phasors
