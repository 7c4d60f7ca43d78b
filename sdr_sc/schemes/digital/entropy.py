# SPDX-License-Identifier: GPL-3.0-or-later
"""Strings of bits for the range coder of the library ``constriction``, which reads and writes words of 32 bits."""

from __future__ import annotations

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
