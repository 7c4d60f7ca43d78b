# SPDX-License-Identifier: GPL-3.0-or-later
"""The header's channel code: the tail-biting convolutional code of LTE control channels.

Rate 1/3, constraint length 7, generators 133, 171, 165 octal (3GPP TS 36.212, section 5.1.3.1). The header
repeats the coded bits until its symbols are full.
"""

from __future__ import annotations

import numpy as np
from numba import njit

GENERATORS = (0o133, 0o171, 0o165)
_MEMORY = 6
_STATES = 1 << _MEMORY
_SETTLE = 6 * _MEMORY


def _branch_signs() -> np.ndarray:
    """float32 (3, 32): coded bits, as +1 (bit 0) and -1 (bit 1), of state 2j with input 0.

    All generators tap both ends of the register, so the other three branches of butterfly j differ by a sign alone.
    """
    signs = np.empty((3, _STATES // 2), np.float32)
    for g, generator in enumerate(GENERATORS):
        for j in range(_STATES // 2):
            signs[g, j] = 1.0 - 2.0 * (bin(2 * j & generator).count("1") & 1)
    return signs


_BRANCH = _branch_signs()


def encode(bits: np.ndarray) -> np.ndarray:
    """Code bits so that the register starts and ends in the same state.

    Args:
        bits: uint8 (n,), n >= 6.

    Returns:
        float32 (3 * n,) of +1 (bit 0) and -1 (bit 1), the three outputs of a bit side by side.
    """
    return _encode(np.ascontiguousarray(bits, np.uint8), _BRANCH)


@njit(cache=True, nogil=True)
def _encode(bits: np.ndarray, branch: np.ndarray) -> np.ndarray:
    coded = np.empty(3 * len(bits), np.float32)
    half = branch.shape[1]
    state = 0
    for i in range(len(bits) - _MEMORY, len(bits)):
        state = (bits[i] * half) | (state >> 1)
    for i in range(len(bits)):
        sign = np.float32(1 - 2 * (int(bits[i]) ^ (state & 1)))
        for g in range(3):
            coded[3 * i + g] = sign * branch[g, state >> 1]
        state = (bits[i] * half) | (state >> 1)
    return coded


@njit(cache=True, nogil=True)
def combine(soft: np.ndarray, coded: np.ndarray, count: int) -> np.ndarray:
    """Add up the soft values of the same coded bit.

    Args:
        soft: float32 (places,), positive for bit 0, in proportion to the log-likelihood ratio.
        coded: int64 (places,), which coded bit each is.
        count: coded bits.

    Returns:
        float32 (count,).
    """
    sums = np.zeros(count, np.float32)
    for i in range(len(soft)):
        sums[coded[i]] += soft[i]
    return sums


def decode(soft: np.ndarray) -> np.ndarray:
    """Soft-decision Viterbi decoding, a turn of the circle and a bit more at both ends, where the states settle.

    Args:
        soft: float32 (3 * n,), positive for bit 0.

    Returns:
        uint8 (n,).

    >>> bits = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1], np.uint8)
    >>> np.array_equal(decode(encode(bits)), bits)
    True
    """
    return _viterbi(np.ascontiguousarray(soft, np.float32).reshape(-1, 3), _BRANCH)


@njit(cache=True, nogil=True)
def _viterbi(soft: np.ndarray, branch: np.ndarray) -> np.ndarray:
    length, half = len(soft), branch.shape[1]
    steps = length + 2 * _SETTLE
    metric = np.zeros(2 * half, np.float32)
    following = np.empty(2 * half, np.float32)
    chosen = np.empty((steps, 2 * half), np.uint8)
    for step in range(steps):
        i = (step - _SETTLE) % length
        a, b, c = soft[i, 0], soft[i, 1], soft[i, 2]
        picks = chosen[step]
        for j in range(half):  # states 2j and 2j+1 lead to j with input 0 and to j+half with input 1
            gain = branch[0, j] * a + branch[1, j] * b + branch[2, j] * c
            even, odd = metric[2 * j], metric[2 * j + 1]
            stay, swap = even + gain, odd - gain
            following[j] = max(stay, swap)
            picks[j] = swap > stay
            stay, swap = even - gain, odd + gain
            following[j + half] = max(stay, swap)
            picks[j + half] = swap > stay
        metric, following = following, metric
    state = int(np.argmax(metric))
    bits = np.empty(length, np.uint8)
    for step in range(steps - 1, _SETTLE - 1, -1):
        if step < _SETTLE + length:
            bits[step - _SETTLE] = state // half
        state = (2 * state) % (2 * half) + chosen[step, state]
    return bits
