# SPDX-License-Identifier: GPL-3.0-or-later
"""Strings of bits for the range coder of the library ``constriction``, which reads and writes words of 32 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import constriction
import numpy as np

_WORD_BITS = 32


def words_of(encoder: Any) -> np.ndarray:
    """uint8 of 0 and 1: what a `RangeEncoder` has written, without the zeros at its end, as `from_words` adds zeros."""
    bits = np.unpackbits(encoder.get_compressed().astype(">u4").view(np.uint8))
    ones = np.flatnonzero(bits)
    return bits[: int(ones[-1]) + 1 if len(ones) else 0]


def from_words(bits: np.ndarray) -> Any:
    """A `RangeDecoder` of bits, uint8 of 0 and 1, followed by zeros."""
    whole = np.zeros((-(-len(bits) // _WORD_BITS) + 2) * _WORD_BITS, np.uint8)
    whole[: len(bits)] = bits
    words = np.packbits(whole).view(">u4").astype(np.uint32)
    return constriction.stream.queue.RangeDecoder(words)


def shortest(bits: np.ndarray, is_right: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The fewest bits, zeros after them, that mean the same: a coder's last word says more than it must, which is much
    of a short message.

    Args:
        bits: as `words_of` gives them.
        is_right: whether bits are read as those are.
    """
    for count in range(max(len(bits) - _WORD_BITS, 0), len(bits)):
        for candidate in (bits[:count], _next(bits[:count])):
            if is_right(candidate):
                return candidate
    return bits


def _next(bits: np.ndarray) -> np.ndarray:
    """The number above, of as many bits.

    >>> _next(np.array([0, 1, 1], np.uint8)).tolist()
    [1, 0, 0]
    """
    out = bits.copy()
    zeros = np.flatnonzero(bits == 0)
    if len(zeros):
        out[zeros[-1]] = 1
        out[zeros[-1] + 1 :] = 0
    return out
