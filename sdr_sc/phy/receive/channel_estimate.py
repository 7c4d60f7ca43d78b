# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel estimate: least squares over known symbols, smoothed by the channel's limited length."""

from __future__ import annotations

import numpy as np
from numba import njit

from sdr_sc.phy.linear import matmul, solve_positive
from sdr_sc.phy.numerology import Numerology

_DELAY_MARGIN = 2
_RIDGE = 1e-4


def smoother(numerology: Numerology, weights: np.ndarray) -> np.ndarray:
    """Matrix that smooths least-squares gains over the occupied subcarriers.

    It projects on channels whose delays lie from a little before the FFT window's early start to the cyclic prefix
    (regularised weighted least squares on the taps; see Edfors et al., IEEE Trans. Commun. 46 (1998) 931, for the
    low-rank view of it).

    Args:
        numerology: the sizes.
        weights: float (used,), inverse noise variance of each gain up to a factor.

    Returns:
        complex64 (used, used).

    >>> flat = smoother(Numerology(), np.ones(52)) @ np.ones(52, np.complex64)
    >>> bool(np.allclose(flat, 1, atol=5e-3))
    True
    """
    delays = np.arange(-numerology.early_window - _DELAY_MARGIN, numerology.cyclic_prefix)
    basis = np.exp(-2j * np.pi * np.outer(numerology.positions, delays) / numerology.fft_size)
    weighted = basis.conj().T * np.asarray(weights, float)
    gram = matmul(weighted, basis) + _RIDGE * float(np.sum(weights)) * np.eye(len(delays))
    return np.ascontiguousarray(matmul(basis, solve_positive(gram, weighted)).astype(np.complex64))


@njit(cache=True, nogil=True, fastmath=True)
def multiply(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Matrix times vector, complex64 (rows, columns) and (columns,), without the start-up cost and the threads of a
    BLAS call."""
    out = np.empty(matrix.shape[0], np.complex64)
    for i in range(matrix.shape[0]):
        total = np.complex64(0)
        for j in range(matrix.shape[1]):
            total += matrix[i, j] * vector[j]
        out[i] = total
    return out
