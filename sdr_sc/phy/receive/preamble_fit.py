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
from sdr_sc.phy.receive.channel_estimate import add_product, multiply, planes
from sdr_sc.phy.receive.windows import cut

_PRECURSORS = 6
_RIDGE = 1e-3
_LARGEST_FFT = 256  # beyond, the fit costs more than it gains: cyclic prefixes are long then
_WINDOWS = 6


class PreambleFit:
    """Makes its tables once."""

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
        solve = solve_positive(matmul(adjoint, sent) + ridge * np.eye(taps), np.eye(taps, dtype=np.complex128))
        inverse = matmul(solve, adjoint)
        # Row i of the matrix of sent samples is a piece of the preamble, backwards: products with it and its adjoint
        # need the preamble alone, and no matrix beside ``solve``: 40 kB in place of 400 (default numerology).
        known = samples[first + _PRECURSORS - taps + 1 : first + _PRECURSORS + windows * n.fft_size]
        self._sent = np.ascontiguousarray(np.stack((known.real, known.imag)).astype(np.float32))
        self._backwards = np.ascontiguousarray(np.stack((known[::-1].real, -known[::-1].imag)).astype(np.float32))
        self._solve = planes(solve)
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
        left = _residual(
            samples, self._starts, self._size, cycles_per_sample, scale, self._sent, self._backwards, self._solve
        )
        return _energy(fft.fft(left, norm="ortho", overwrite_x=True), self._bins) / self._left


@lru_cache(maxsize=24)
def cached_fit(layout: FrameLayout) -> PreambleFit | None:
    """The fit for a layout; None where its FFT is so large that the fit would cost too much."""
    return PreambleFit(layout) if layout.numerology.fft_size <= _LARGEST_FFT else None


@njit(cache=True, nogil=True)
def _residual(
    samples: np.ndarray,
    starts: np.ndarray,
    size: int,
    cycles: float,
    scale: float,
    sent: np.ndarray,
    backwards: np.ndarray,
    solve: np.ndarray,
) -> np.ndarray:
    """What the fitted channel does not explain, complex64 (windows, size).

    Args:
        samples, starts, size, cycles, scale: as of `cut`.
        sent: float32 (2, size - 1 + windows * size), real and imaginary parts of the preamble's samples.
        backwards: float32, as ``sent``, their conjugates from the last to the first.
        solve: float32 (2, size, size), planes of the inverse of the taps' normal equations.
    """
    out = cut(samples, starts, size, cycles, scale)
    received = out.reshape(-1)
    count, taps = len(received), size
    re, im = np.zeros(taps, np.float32), np.zeros(taps, np.float32)
    for i in range(count):
        begin = count - 1 - i
        add_product(re, im, backwards[0, begin : begin + taps], backwards[1, begin : begin + taps], received[i])
    correlation = np.empty(taps, np.complex64)
    for j in range(taps):
        correlation[j] = complex(re[j], im[j])
    channel = multiply(solve, correlation)
    re, im = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for j in range(taps):
        begin = taps - 1 - j
        add_product(re, im, sent[0, begin : begin + count], sent[1, begin : begin + count], channel[j])
    for i in range(count):
        received[i] -= np.complex64(complex(re[i], im[i]))
    return out


@njit(cache=True, nogil=True)
def _energy(spectra: np.ndarray, bins: np.ndarray) -> float:
    total = 0.0
    for w in range(len(spectra)):
        for b in bins:
            total += spectra[w, b].real ** 2 + spectra[w, b].imag ** 2
    return total
