# SPDX-License-Identifier: GPL-3.0-or-later
"""The header's channel code: the tail-biting convolutional code of LTE control channels.

Rate 1/3, constraint length 7, generators 133, 171, 165 octal (3GPP TS 36.212, section 5.1.3.1). Repetition by
circular rate matching fills the header's symbols.
"""

from __future__ import annotations

import numpy as np
from numba import njit

GENERATORS = (0o133, 0o171, 0o165)
_MEMORY = 6
_STATES = 1 << _MEMORY


def _output_table() -> np.ndarray:
    """float32 (states, 2, 3): the three coded bits as +1 (bit 0) and -1 (bit 1), by state and input bit."""
    table = np.empty((_STATES, 2, 3), np.float32)
    for state in range(_STATES):
        for bit in range(2):
            register = (bit << _MEMORY) | state
            for g, generator in enumerate(GENERATORS):
                table[state, bit, g] = 1.0 - 2.0 * (bin(register & generator).count("1") & 1)
    return table


_OUTPUTS = _output_table()


def encode(bits: np.ndarray) -> np.ndarray:
    """Code bits so that the register starts and ends in the same state.

    Args:
        bits: uint8 (n,), n >= 6.

    Returns:
        float32 (3 * n,) of +1 (bit 0) and -1 (bit 1), the three outputs of a bit side by side.
    """
    coded = np.empty((len(bits), 3), np.float32)
    state = 0
    for bit in bits[-_MEMORY:]:
        state = (int(bit) << (_MEMORY - 1)) | (state >> 1)
    for i, bit in enumerate(bits):
        coded[i] = _OUTPUTS[state, int(bit)]
        state = (int(bit) << (_MEMORY - 1)) | (state >> 1)
    return coded.ravel()


def match_rate(coded: np.ndarray, places: int) -> np.ndarray:
    """Repeat the coded values until ``places`` are filled."""
    return np.resize(coded, places)


def combine_repeats(soft: np.ndarray, coded_length: int) -> np.ndarray:
    """Add up the soft values of the same coded bit; undoes `match_rate`.

    Args:
        soft: float32 (places,), positive for bit 0, in proportion to the log-likelihood ratio.
        coded_length: values before rate matching.
    """
    sums = np.zeros(coded_length, np.float32)
    for start in range(0, len(soft), coded_length):
        part = soft[start : start + coded_length]
        sums[: len(part)] += part
    return sums


def decode(soft: np.ndarray) -> np.ndarray:
    """Soft-decision Viterbi decoding, three times around the circle, bits of the middle turn.

    Args:
        soft: float32 (3 * n,), positive for bit 0.

    Returns:
        uint8 (n,).

    >>> bits = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1], np.uint8)
    >>> np.array_equal(decode(encode(bits)), bits)
    True
    """
    return _viterbi(np.ascontiguousarray(soft, np.float32).reshape(-1, 3), _OUTPUTS)


@njit(cache=True, nogil=True)
def _viterbi(soft: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    length, states = len(soft), len(outputs)
    half = states // 2
    steps = 3 * length
    metric = np.zeros(states, np.float32)
    following = np.empty(states, np.float32)
    chosen = np.empty((steps, states), np.uint8)
    for step in range(steps):
        a, b, c = soft[step % length]
        for state in range(states):
            # The newest bit is the top bit of the state; its two predecessors differ in the bit that fell out.
            bit = state // half
            low = (2 * state) % states
            best, pick = np.float32(-1e30), 0
            for fallen in range(2):
                before = low + fallen
                branch = outputs[before, bit, 0] * a + outputs[before, bit, 1] * b + outputs[before, bit, 2] * c
                if metric[before] + branch > best:
                    best, pick = metric[before] + branch, fallen
            following[state] = best
            chosen[step, state] = pick
        metric, following = following, metric
    state = int(np.argmax(metric))
    bits = np.empty(length, np.uint8)
    for step in range(steps - 1, length - 1, -1):
        if step < 2 * length:
            bits[step - length] = state // half
        state = (2 * state) % states + chosen[step, state]
    return bits
