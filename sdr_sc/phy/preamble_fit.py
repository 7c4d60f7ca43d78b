# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise power behind a channel, longer than the cyclic prefix, fitted to the samples of the preamble.

Known symbols tell noise from echoes only as long as these stay within the cyclic prefix; behind that, interference
between symbols looks like noise. The preamble is known sample by sample: a least-squares fit of as many taps as the FFT
has points explains late echoes too, and leaves noise alone. What is left is counted on the occupied subcarriers, so
that a receive filter that cuts the band's edges does no harm.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import fft

from sdr_sc.phy.channel_estimate import multiply
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.preamble import preamble

_PRECURSORS = 6
_RIDGE = 1e-3


class PreambleFit:
    """Makes its matrices once.

    Attributes:
        first: first sample of the preamble that the fit uses.
        count: how many it uses.
    """

    def __init__(self, numerology: Numerology) -> None:
        n = numerology
        samples = preamble(n).astype(np.complex128)
        taps = n.fft_size
        self.first = taps - _PRECURSORS
        self.count = n.preamble_samples - _PRECURSORS - self.first
        delays = np.arange(-_PRECURSORS, taps - _PRECURSORS)
        rows = self.first + np.arange(self.count)
        sent = samples[rows[:, np.newaxis] - delays]
        power = np.vdot(samples, samples).real
        inverse = np.linalg.solve(sent.conj().T @ sent + _RIDGE * power / taps * np.eye(taps), sent.conj().T)
        self._sent = np.ascontiguousarray(sent.astype(np.complex64))
        self._inverse = np.ascontiguousarray(inverse.astype(np.complex64))
        windows = self.count // n.fft_size
        self._used = windows * n.fft_size
        self._size, self._bins = n.fft_size, n.bins
        # White noise of unit power leaves this energy on the occupied subcarriers of the windows behind the fit.
        left = (np.eye(self.count) - sent @ inverse)[: self._used]
        spectra = fft.fft(left.reshape(windows, n.fft_size, self.count), axis=1, norm="ortho")[:, n.bins]
        self._left = float(np.sum(np.abs(spectra) ** 2))

    def noise_power(self, samples: np.ndarray, cycles_per_sample: float, scale: float) -> float:
        """Noise power per occupied subcarrier.

        Args:
            samples: complex64, from the frame's first sample on, at least the preamble.
            cycles_per_sample: carrier offset over the sample rate.
            scale: factor on all samples.
        """
        received = _turn(samples, self.first, self.count, cycles_per_sample, scale)
        received -= multiply(self._sent, multiply(self._inverse, received))
        spectra = fft.fft(received[: self._used].reshape(-1, self._size), norm="ortho")
        return _energy(spectra, self._bins) / self._left


@njit(cache=True, nogil=True)
def _turn(samples: np.ndarray, first: int, count: int, cycles: float, scale: float) -> np.ndarray:
    out = np.empty(count, np.complex64)
    turn, step = complex(scale, 0.0), complex(np.cos(2 * np.pi * cycles), -np.sin(2 * np.pi * cycles))
    for i in range(count):
        out[i] = np.complex64(samples[first + i] * turn)
        turn *= step
    return out


@njit(cache=True, nogil=True)
def _energy(spectra: np.ndarray, bins: np.ndarray) -> float:
    total = 0.0
    for w in range(len(spectra)):
        for b in bins:
            total += spectra[w, b].real ** 2 + spectra[w, b].imag ** 2
    return total
