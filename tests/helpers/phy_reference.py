# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain numpy forms of what the compiled transmitter and receiver do, for tests to compare with."""

from __future__ import annotations

import numpy as np
from scipy import fft

from sdr_sc.phy.frame.interleave import permutation
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.windows import early_window_ramp


def modulate(subcarriers: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Turn occupied subcarriers into samples with cyclic prefixes.

    Args:
        subcarriers: complex64 (symbols, used), in the order of `Numerology.positions`.

    Returns:
        complex64 (symbols * symbol_samples,).
    """
    bins = np.zeros((len(subcarriers), numerology.fft_size), np.complex64)
    bins[:, numerology.bins] = subcarriers
    useful = fft.ifft(bins, norm="ortho", overwrite_x=True)
    return np.concatenate((useful[:, numerology.fft_size - numerology.cyclic_prefix :], useful), axis=1).ravel()


def demodulate(samples: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Occupied subcarriers of consecutive symbols.

    The FFT window starts ``early_window`` samples inside the cyclic prefix, and the phase ramp that this makes is
    taken out again, so that an error-free timing gives an error-free channel of 1.

    Args:
        samples: complex64 (symbols * symbol_samples,), from the first sample of the first cyclic prefix.

    Returns:
        complex64 (symbols, used).
    """
    symbols = samples.reshape(-1, numerology.symbol_samples)
    start = numerology.cyclic_prefix - numerology.early_window
    bins = fft.fft(symbols[:, start : start + numerology.fft_size], norm="ortho")
    return bins[:, numerology.bins] * early_window_ramp(numerology)


def interleave(symbols: np.ndarray) -> np.ndarray:
    """Permute and sign-flip a complex64 (n,) array for the air."""
    out = np.empty_like(symbols)
    out[permutation(len(symbols))] = symbols
    return out * pn_signs(len(symbols))


def deinterleave(symbols: np.ndarray) -> np.ndarray:
    """Undo `interleave`.

    >>> x = np.arange(6).astype(np.complex64)
    >>> np.array_equal(deinterleave(interleave(x)), x)
    True
    """
    return (symbols * pn_signs(len(symbols)))[permutation(len(symbols))]
