# SPDX-License-Identifier: GPL-3.0-or-later
"""Small linear algebra that gives the same bits on every machine, with any number of threads.

A BLAS sums in an order that depends on its kernel (Haswell, SkylakeX, Zen) and on its threads, so that two processes on
one machine may differ in the last digit, and with them two runs of one sweep. These loops are compiled without
reassociation: SIMD runs along the columns of a result, never along a sum. They serve constants and short vectors, where
a BLAS gains nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def matmul(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``left @ right`` of two matrices of one dtype, (rows, inner) and (inner, columns).

    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    rows, inner = left.shape
    columns = right.shape[1]
    out = np.zeros((rows, columns), left.dtype)
    for i in range(rows):
        for k in range(inner):
            factor = left[i, k]
            for j in range(columns):
                out[i, j] += factor * right[k, j]
    return out


@njit(cache=True, nogil=True)
def solve_positive(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution X of ``gram @ X = right``, complex128 (n, n) and (n, columns), by Cholesky's factorisation.

    Args:
        gram: Hermitian and positive definite; its lower triangle is read.

    >>> gram = np.array([[2.0, 1.0j], [-1.0j, 2.0]])
    >>> right = np.eye(2, dtype=complex)
    >>> bool(np.allclose(gram @ solve_positive(gram, right), right))
    True
    """
    n, columns = right.shape
    lower = np.zeros((n, n), np.complex128)
    for j in range(n):
        total = gram[j, j].real
        for k in range(j):
            total -= lower[j, k].real ** 2 + lower[j, k].imag ** 2
        root = np.sqrt(total)
        lower[j, j] = root
        for i in range(j + 1, n):
            value = gram[i, j]
            for k in range(j):
                value -= lower[i, k] * np.conj(lower[j, k])
            lower[i, j] = value / root
    out = right.astype(np.complex128)
    for i in range(n):
        for k in range(i):
            factor = lower[i, k]
            for c in range(columns):
                out[i, c] -= factor * out[k, c]
        for c in range(columns):
            out[i, c] /= lower[i, i].real
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            factor = np.conj(lower[k, i])
            for c in range(columns):
                out[i, c] -= factor * out[k, c]
        for c in range(columns):
            out[i, c] /= lower[i, i].real
    return out


@njit(cache=True, nogil=True)
def inner(left: np.ndarray, right: np.ndarray) -> complex:
    """Sum of ``conj(left) * right`` of two complex vectors, in double precision, as ``numpy.vdot``.

    >>> inner(np.array([1j, 2.0]), np.array([1j, 3.0]))
    (7+0j)
    """
    total = complex(0.0, 0.0)
    for i in range(len(left)):
        total += np.conj(np.complex128(left[i])) * np.complex128(right[i])
    return total


@njit(cache=True, nogil=True)
def energy(values: np.ndarray) -> float:
    """Sum of squared magnitudes of a complex vector, in double precision.

    >>> energy(np.array([3j, 4.0]))
    25.0
    """
    total = 0.0
    for i in range(len(values)):
        total += float(values[i].real) ** 2 + float(values[i].imag) ** 2
    return total
