# SPDX-License-Identifier: GPL-3.0-or-later
"""Belief propagation on quasi-cyclic codes, a base row at a time.

Sum-product in the logarithm's domain (J. Hagenauer, E. Offer and L. Papke, "Iterative decoding of binary block and
convolutional codes", IEEE Trans. Inf. Theory 42 (1996) 429-445), with layers (D. E. Hocevar, "A reduced complexity
decoder architecture via layered decoding of LDPC codes", IEEE SiPS 2004): each row sees what those before it have found
in the same iteration, which takes half the iterations. All checks of a base row lie next to each other in memory, so
that a processor handles several at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_ONE, _EIGHTH, _FURTHEST = np.float32(1), np.float32(0.125), np.float32(10)
# exp(-t) for t in 0..1.25, to 1e-4 of it, and ln(1 + u) for u in 0..1, to 2e-5: both by least squares.
_E0, _E1, _E2 = np.float32(0.99990141), np.float32(-0.99799501), np.float32(0.48978540)
_E3, _E4 = np.float32(-0.14563378), np.float32(0.02182209)
_L1, _L2, _L3 = np.float32(0.99939702), np.float32(-0.49121603), np.float32(0.28793178)
_L4, _L5 = np.float32(-0.13474117), np.float32(0.03179518)


@njit(cache=True, nogil=True)
def _softness(distance):
    """ln(1 + exp(-distance)) of a distance of 0 or more, within 4e-4."""
    t = min(distance, _FURTHEST) * _EIGHTH
    e = _E0 + t * (_E1 + t * (_E2 + t * (_E3 + t * _E4)))
    e = e * e
    e = e * e
    e = e * e
    return e * (_L1 + e * (_L2 + e * (_L3 + e * (_L4 + e * _L5))))


@njit(cache=True, nogil=True)
def _sum_of(first, second, out):
    """Log-likelihood ratios of the modulo-2 sums of bits, from those of both, float32 of one length."""
    for j in range(len(out)):
        a, b = first[j], second[j]
        x, y = abs(a), abs(b)
        size = min(x, y) + _softness(x + y) - _softness(abs(x - y))
        size = max(size, np.float32(0))
        out[j] = size if (a < 0) == (b < 0) else -size


@njit(cache=True, nogil=True)
def _meets_all_checks(beliefs, row_starts, columns, shifts, size, hard, sums):
    """Whether the signs of beliefs are a codeword."""
    for place in range(len(beliefs)):
        hard[place] = beliefs[place] < 0
    for row in range(len(row_starts) - 1):
        sums[:] = 0
        for edge in range(row_starts[row], row_starts[row + 1]):
            start, ahead = columns[edge] * size, size - shifts[edge]
            sums[:ahead] ^= hard[start + shifts[edge] : start + size]
            sums[ahead:] ^= hard[start : start + shifts[edge]]
        if sums.any():
            return False
    return True


@njit(cache=True, nogil=True)
def decode_word(beliefs, row_starts, columns, shifts, size, iterations, layered):
    """Update the beliefs on a word's bits until all checks are met.

    Args:
        beliefs: float32 (base columns * size,), log-likelihood ratios ln(P(0) / P(1)); what the channel says in, what
            is decoded out.
        row_starts: int64 (base rows + 1,), where each row's edges begin.
        columns, shifts: int64 (base edges,), of each circulant: its column, and how far it is shifted to the right.
        size: of a circulant.
        iterations: at most.
        layered: False to update all checks at once from the iteration before (flooding), as published curves have it.

    Returns:
        Iterations done.
    """
    degree = 0
    for row in range(len(row_starts) - 1):
        degree = max(degree, row_starts[row + 1] - row_starts[row])
    messages = np.zeros((len(columns), size), np.float32)
    told, before = np.empty((degree, size), np.float32), np.empty((degree, size), np.float32)
    after, found = np.empty(size, np.float32), np.empty(size, np.float32)
    hard, sums = np.empty(len(beliefs), np.uint8), np.empty(size, np.uint8)
    kept = beliefs.copy() if not layered else beliefs[:0]
    done = 0
    while done < iterations and not _meets_all_checks(beliefs, row_starts, columns, shifts, size, hard, sums):
        done += 1
        if not layered:
            kept[:] = beliefs
        source = beliefs if layered else kept
        for row in range(len(row_starts) - 1):
            first, last = row_starts[row], row_starts[row + 1] - 1
            for edge in range(first, last + 1):
                start, shift = columns[edge] * size, shifts[edge]
                ahead, into, old = size - shift, told[edge - first], messages[edge]
                for j in range(ahead):
                    into[j] = source[start + shift + j] - old[j]
                for j in range(shift):
                    into[ahead + j] = source[start + j] - old[ahead + j]
            if last == first:
                continue
            before[1] = told[0]  # of all bits before this one
            for place in range(2, last - first + 1):
                _sum_of(before[place - 1], told[place - 1], before[place])
            after[:] = told[last - first]
            for edge in range(last, first - 1, -1):
                place = edge - first
                if edge == last:
                    found[:] = before[place]
                elif place == 0:
                    found[:] = after
                else:
                    _sum_of(before[place], after, found)
                    _sum_of(after, told[place], after)
                start, shift, old = columns[edge] * size, shifts[edge], messages[edge]
                ahead = size - shift
                for j in range(ahead):
                    beliefs[start + shift + j] += found[j] - old[j]
                for j in range(shift):
                    beliefs[start + j] += found[ahead + j] - old[ahead + j]
                old[:] = found
    return done
