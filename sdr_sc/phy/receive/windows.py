# SPDX-License-Identifier: GPL-3.0-or-later
"""FFT windows of a frame: cut out, carrier offset taken out, transformed, all windows in one go; and their ramp."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import fft

from sdr_sc.phy.numerology import Numerology


def early_window_ramp(numerology: Numerology) -> np.ndarray:
    """complex64 (used,): phase that undoes an FFT window ``early_window`` samples early."""
    turns = numerology.positions * (numerology.early_window / numerology.fft_size)
    return np.exp(2j * np.pi * turns).astype(np.complex64)


def spectra(samples: np.ndarray, starts: np.ndarray, size: int, cycles_per_sample: float, scale: float) -> np.ndarray:
    """Unitary FFTs of windows of a frame.

    Args:
        samples: complex64, from the frame's first sample on.
        starts: int64 (windows,), first sample of each window.
        size: samples of a window.
        cycles_per_sample: carrier offset to take out; its phase is 0 at the frame's first sample.
        scale: factor on all samples.

    Returns:
        complex64 (windows, size), all FFT bins.

    >>> tone = np.exp(2j * np.pi * 0.25 * np.arange(32)).astype(np.complex64)
    >>> [round(float(x), 3) for x in np.abs(spectra(tone, np.array([0, 16]), 8, 0.125, 1.0)[:, 1])]
    [2.828, 2.828]
    """
    return fft.fft(cut(samples, starts, size, cycles_per_sample, scale), norm="ortho", overwrite_x=True)


@njit(cache=True, nogil=True, fastmath=True)
def cut(samples: np.ndarray, starts: np.ndarray, size: int, cycles: float, scale: float) -> np.ndarray:
    """The windows of `spectra` before their FFT; complex64 (windows, size)."""
    out = np.empty((len(starts), size), np.complex64)
    turn = np.empty(size, np.complex64)
    for m in range(size):
        angle = -2.0 * np.pi * cycles * m
        turn[m] = np.complex64(complex(np.cos(angle), np.sin(angle)))
    for w in range(len(starts)):
        start = starts[w]
        angle = -2.0 * np.pi * ((cycles * start) % 1.0)
        base = np.complex64(complex(scale * np.cos(angle), scale * np.sin(angle)))
        for m in range(size):
            out[w, m] = samples[start + m] * (turn[m] * base)
    return out
