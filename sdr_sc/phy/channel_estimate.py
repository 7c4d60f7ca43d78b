# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel estimate: least squares over known symbols, smoothed by the channel's limited length."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdr_sc.phy.numerology import Numerology

_DELAY_MARGIN = 2
_RIDGE = 1e-4


@lru_cache(maxsize=8)
def _smoother(numerology: Numerology, weights: tuple[float, ...]) -> np.ndarray:
    """complex64 (used, used): projection onto channels whose delays lie from a little before the FFT window's early
    start to the cyclic prefix (regularised weighted least squares on the taps)."""
    delays = np.arange(-numerology.early_window - _DELAY_MARGIN, numerology.cyclic_prefix)
    basis = np.exp(-2j * np.pi * np.outer(numerology.positions, delays) / numerology.fft_size)
    weighted = basis.conj().T * np.asarray(weights)
    gram = weighted @ basis + _RIDGE * sum(weights) * np.eye(len(delays))
    return (basis @ np.linalg.solve(gram, weighted)).astype(np.complex64)


def smooth(gains: np.ndarray, numerology: Numerology, weights: np.ndarray | None = None) -> np.ndarray:
    """Smooth least-squares gains over the occupied subcarriers.

    Args:
        gains: complex64 (used,).
        weights: float (used,), inverse noise variance of each gain up to a factor; None for equal ones.
    """
    used = np.ones(numerology.used) if weights is None else weights
    return _smoother(numerology, tuple(float(w) for w in used)) @ gains


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
