# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel estimate: least squares over known symbols, smoothed by the channel's limited length."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from sdr_sc.phy.linear import matmul, solve_positive
from sdr_sc.phy.numerology import Numerology

_DELAY_MARGIN = 2
_RIDGE = 1e-4
_LATE = 2.5  # over the noise expected outside: 8 standard deviations, and 1.5 times what the smoother is worth
_FITS = 1.6  # over the noise expected of a window's values; that of 36 values exceeds it in 1 of 1,000 frames


def smoother(numerology: Numerology, weights: np.ndarray) -> np.ndarray:
    """Matrix that smooths least-squares gains over the occupied subcarriers.

    It projects on channels whose delays lie from a little before the FFT window's early start to the cyclic prefix
    (regularised weighted least squares on the taps; see Edfors et al., IEEE Trans. Commun. 46 (1998) 931, for the
    low-rank view of it).

    Args:
        numerology: the sizes.
        weights: float (used,), inverse noise variance of each gain up to a factor.

    Returns:
        complex64 (used, used), not to be written to: receivers are made for each frame of a sweep, and share it; for
        `multiply`, its `planes`.

    >>> flat = smoother(Numerology(), np.ones(52)) @ np.ones(52, np.complex64)
    >>> bool(np.allclose(flat, 1, atol=5e-3))
    True
    """
    return _smoother(numerology, np.asarray(weights, float).tobytes())


@lru_cache(maxsize=64)
def _smoother(numerology: Numerology, raw_weights: bytes) -> np.ndarray:
    weights = np.frombuffer(raw_weights)
    delays = np.arange(-numerology.early_window - _DELAY_MARGIN, numerology.cyclic_prefix)
    basis = np.exp(-2j * np.pi * np.outer(numerology.positions, delays) / numerology.fft_size)
    weighted = basis.conj().T * weights
    gram = matmul(weighted, basis) + _RIDGE * float(np.sum(weights)) * np.eye(len(delays))
    found = np.ascontiguousarray(matmul(basis, solve_positive(gram, weighted)).astype(np.complex64))
    found.setflags(write=False)
    return found


def planes(matrix: np.ndarray) -> np.ndarray:
    """A complex matrix (rows, columns) as `multiply` takes it: float32 (2, columns, rows), real and imaginary parts."""
    return np.ascontiguousarray(np.stack((matrix.real.T, matrix.imag.T)).astype(np.float32))


@njit(cache=True, nogil=True)
def multiply(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Matrix times vector, without the start-up cost and the threads of a BLAS call.

    SIMD runs along the rows of the result, never along a sum: the same bits on every machine.

    Args:
        matrix: float32 (2, columns, rows), its `planes`.
        vector: complex64 (columns,).

    Returns:
        complex64 (rows,).
    """
    rows = matrix.shape[2]
    re, im = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
    for j in range(matrix.shape[1]):
        add_product(re, im, matrix[0, j], matrix[1, j], vector[j])
    out = np.empty(rows, np.complex64)
    for i in range(rows):
        out[i] = complex(re[i], im[i])
    return out


@njit(cache=True, nogil=True)
def add_product(re: np.ndarray, im: np.ndarray, a_re: np.ndarray, a_im: np.ndarray, factor: complex) -> None:
    """``a * factor`` added to a vector in place; both as real and imaginary parts, float32."""
    x, y = np.float32(factor.real), np.float32(factor.imag)
    for i in range(len(re)):
        re[i] += a_re[i] * x - a_im[i] * y
        im[i] += a_re[i] * y + a_im[i] * x


@njit(cache=True, nogil=True)
def echoes_are_late(gains: np.ndarray, smoothed: np.ndarray, noise: float, outside: float) -> bool:
    """Whether the mean of known symbols holds more than noise outside what the smoother lets pass, and so much more
    that the mean is the better estimate: echoes after the cyclic prefix, which turn the subcarriers as all others do.

    Args:
        gains: complex64 (symbols, used).
        smoothed: complex64 (used,), their mean, smoothed.
        noise: variance of each gain.
        outside: squared Frobenius norm of the identity less the smoother: share of the noise that it takes away.
    """
    symbols, used = gains.shape
    missed = 0.0
    for u in range(used):
        error = -complex(smoothed[u])
        for s in range(symbols):
            error += gains[s, u] / symbols
        missed += error.real**2 + error.imag**2
    return missed > _LATE * outside * noise / symbols


@njit(cache=True, nogil=True)
def windows_fit(
    windows: np.ndarray,
    weights: np.ndarray,
    times: np.ndarray,
    channel: np.ndarray,
    slope: float,
    noise: float,
    own_error: float = 0.0,
) -> bool:
    """Whether windows of a repeating signal show a channel, up to noise.

    Args:
        windows: complex64 (windows, used), received times conjugate known values.
        weights: float32 (used,), energy of the known values of all windows together; 0 where there are none.
        times: float64 (windows,), in symbol durations from the moment for which the channel was estimated.
        channel: complex64 (used,).
        slope: residual carrier offset, rad per symbol.
        noise: per subcarrier.
        own_error: variance of the channel estimate over the noise.
    """
    error, expected = 0.0, 1e-30
    for w in range(len(windows)):
        turn = complex(np.cos(slope * times[w]), -np.sin(slope * times[w]))
        for u in range(windows.shape[1]):
            weight = weights[u] / len(windows)
            if weight > 0.0:
                missed = complex(windows[w, u]) * turn / weight - complex(channel[u])
                error += weight * (missed.real**2 + missed.imag**2)
                expected += noise * (1.0 + weight * own_error)
    return error <= _FITS * expected
