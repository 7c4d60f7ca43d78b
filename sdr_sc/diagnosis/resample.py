# SPDX-License-Identifier: GPL-3.0-or-later
"""A stretch of samples at another rate, shifted in frequency and inverted, by one pair of Fourier transforms."""

from __future__ import annotations

import numpy as np
from scipy import fft


class Spectrum:
    """A stretch whose spectrum is taken once, for many hypotheses.

    Args:
        samples: complex64 (n,).
    """

    def __init__(self, samples: np.ndarray) -> None:
        self._spectrum = fft.fft(np.asarray(samples, np.complex64))
        self.powers = self._spectrum.real**2 + self._spectrum.imag**2
        """Of each bin, from 0 over the positive to the negative frequencies."""

    def seen(self, offset: float = 0.0, ratio: float = 1.0, inverted: bool = False) -> np.ndarray:
        """The stretch as a receiver would get it that has the right centre, rate and sense.

        Args:
            offset: of the signal's centre, cycles per sample, -0.5..0.5.
            ratio: samples of the stretch for one of the result.
            inverted: whether the spectrum is mirrored, about the signal's centre.

        Returns:
            complex64 (n / ratio,), the nearest whole number, filtered by what the new rate can hold.
        """
        n = len(self._spectrum)
        m = max(1, round(n / ratio))
        kept = min(n, m)
        relative = np.arange(-(kept // 2), kept - kept // 2)
        bins = self._spectrum[(relative + round(offset * n)) % n]
        out = np.zeros(m, np.complex64)
        out[relative % m] = bins
        samples = fft.ifft(out, overwrite_x=True) * np.float32(m / n)
        return samples.conj() if inverted else samples

    def band_power(self, width: float) -> np.ndarray:
        """Power within ``width`` cycles per sample around each bin, float64 (n,)."""
        n = len(self.powers)
        half = min(int(width * n / 2), (n - 1) // 2)
        wrapped = np.concatenate((self.powers[-half:] if half else self.powers[:0], self.powers, self.powers[:half]))
        sums = np.concatenate(([0.0], np.cumsum(wrapped, dtype=np.float64)))
        return sums[2 * half + 1 :] - sums[: len(sums) - 2 * half - 1]
