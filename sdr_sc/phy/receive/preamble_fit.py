# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise power after a channel, longer than the cyclic prefix, fitted to the samples of the preamble.

Known symbols separate noise from echoes only as long as these stay within the cyclic prefix; after that, interference
between symbols looks like noise. The preamble is known sample by sample: a least-squares fit of as many taps as the FFT
has points explains late echoes too, and leaves noise alone. What is left is counted on the occupied subcarriers, so
that a receive filter that cuts the band's edges does no harm.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from scipy import fft

from sdr_sc.phy.frame.modes import FrameLayout
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.linear import energy, matmul, solve_positive
from sdr_sc.phy.receive.channel_estimate import multiply
from sdr_sc.phy.receive.windows import cut

_PRECURSORS = 6
_RIDGE = 1e-3
_LARGEST_FFT = 256  # beyond, the fit costs more than it gains: cyclic prefixes are long then
_WINDOWS = 6


class PreambleFit:
    """Makes its matrices once."""

    def __init__(self, layout: FrameLayout) -> None:
        n = layout.numerology
        samples = preamble(n, layout.mode).astype(np.complex128)
        taps = n.fft_size
        # The last samples of the preamble: the training symbols excite all subcarriers. All that a sample depends on
        # has to lie within the preamble.
        windows = min(_WINDOWS, (layout.preamble_samples - taps) // n.fft_size)
        first = layout.preamble_samples - _PRECURSORS - windows * n.fft_size
        self._starts = first + n.fft_size * np.arange(windows)
        rows = first + np.arange(windows * n.fft_size)
        sent = samples[rows[:, np.newaxis] - np.arange(-_PRECURSORS, taps - _PRECURSORS)]
        ridge = _RIDGE * energy(samples) / taps
        adjoint = np.ascontiguousarray(sent.conj().T)
        inverse = solve_positive(matmul(adjoint, sent) + ridge * np.eye(taps), adjoint)
        self._sent = np.ascontiguousarray(sent.astype(np.complex64))
        self._inverse = np.ascontiguousarray(inverse.astype(np.complex64))
        self._size, self._bins = n.fft_size, n.bins
        # White noise of unit power leaves tr(F (I - A) (I - A)^H F^H) after the fit, with A = sent inverse and F the
        # windows' FFTs on the occupied subcarriers.
        back = np.ascontiguousarray(inverse.conj().T)
        fitted, inverted = self._transform(sent), self._transform(back)
        overlap = float(np.sum(fitted * inverted.conj()).real)
        gram = matmul(np.ascontiguousarray(fitted.conj().T), fitted) * matmul(inverse, back).T
        self._left = windows * n.used - 2 * overlap + float(np.sum(gram).real)

    def _transform(self, columns: np.ndarray) -> np.ndarray:
        """Columns of samples to columns of occupied subcarriers."""
        spectra = fft.fft(columns.reshape(-1, self._size, columns.shape[1]), axis=1, norm="ortho")
        return spectra[:, self._bins].reshape(-1, columns.shape[1])

    def noise_power(self, samples: np.ndarray, cycles_per_sample: float, scale: float) -> float:
        """Noise power per occupied subcarrier.

        Args:
            samples: complex64, from the frame's first sample on, at least the preamble.
            cycles_per_sample: carrier offset over the sample rate.
            scale: factor on all samples.
        """
        received = cut(samples, self._starts, self._size, cycles_per_sample, scale).reshape(-1)
        received -= multiply(self._sent, multiply(self._inverse, received))
        spectra = fft.fft(received.reshape(-1, self._size), norm="ortho")
        return _energy(spectra, self._bins) / self._left


@lru_cache(maxsize=24)
def cached_fit(layout: FrameLayout) -> PreambleFit | None:
    """The fit for a layout; None where its FFT is so large that the fit would cost too much."""
    return PreambleFit(layout) if layout.numerology.fft_size <= _LARGEST_FFT else None


@njit(cache=True, nogil=True)
def _energy(spectra: np.ndarray, bins: np.ndarray) -> float:
    total = 0.0
    for w in range(len(spectra)):
        for b in bins:
            total += spectra[w, b].real ** 2 + spectra[w, b].imag ** 2
    return total
