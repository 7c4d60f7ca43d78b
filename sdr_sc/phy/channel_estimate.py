# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel estimate: least squares over known symbols, smoothed by the channel's limited length."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdr_sc.phy.numerology import Numerology

_DELAY_MARGIN = 2
_RIDGE = 1e-3


@lru_cache(maxsize=8)
def smoother(numerology: Numerology) -> np.ndarray:
    """complex64 (used, used): projection onto channels whose delays lie from a little before the FFT window's early
    start to the cyclic prefix (regularised least squares on the taps)."""
    delays = np.arange(-numerology.early_window - _DELAY_MARGIN, numerology.cyclic_prefix)
    basis = np.exp(-2j * np.pi * np.outer(numerology.positions, delays) / numerology.fft_size)
    gram = basis.conj().T @ basis + _RIDGE * numerology.used * np.eye(len(delays))
    return (basis @ np.linalg.solve(gram, basis.conj().T)).astype(np.complex64)


def smooth(gains: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Smooth least-squares gains, complex64 (used,)."""
    return smoother(numerology) @ gains


def remove_common_phase(gains: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn each symbol's gains by the phase between them and a reference.

    Args:
        gains: complex64 (symbols, used).
        reference: complex64 (used,).

    Returns:
        The turned gains, and the phases in rad, float (symbols,).
    """
    phase = np.angle(gains @ reference.conj())
    return gains * np.exp(-1j * phase).astype(np.complex64)[:, np.newaxis], phase
