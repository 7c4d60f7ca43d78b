# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols of known chances, entropy-coded: fixed tables that both ends have."""

from __future__ import annotations

import constriction
import numpy as np

from sdr_sc.schemes.digital.entropy import from_words, shortest, words_of

_Model = constriction.stream.model.Categorical


def shares(counts: np.ndarray, added: float = 0.5) -> np.ndarray:
    """float32, rows that sum to 1, of counts (..., symbols), each with something added so that none is impossible.

    >>> shares(np.array([3.0, 0.0])).tolist()
    [0.875, 0.125]
    """
    more = np.asarray(counts, np.float64) + added
    return (more / more.sum(axis=-1, keepdims=True)).astype(np.float32)


def encode(columns: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """uint8 (bits,) of 0 and 1: one column after the other.

    Args:
        columns: int (items,) symbols, and float32 (items, symbols) chances.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    for symbols, chances in columns:
        encoder.encode(symbols.astype(np.int32), _Model(perfect=False), np.ascontiguousarray(chances, np.float32))

    def is_right(bits: np.ndarray) -> bool:
        reader = Reader(bits)
        try:
            return all((reader.column(chances) == symbols).all() for symbols, chances in columns)
        except ValueError:
            return False

    return shortest(words_of(encoder), is_right)


class Reader:
    """Reads columns again, in their order.

    Args:
        bits: uint8 of 0 and 1, more may follow.
    """

    def __init__(self, bits: np.ndarray) -> None:
        self._decoder = from_words(bits)

    def column(self, chances: np.ndarray) -> np.ndarray:
        """int64 (items,) for float32 chances (items, symbols).

        Raises:
            ValueError: no message has such bits.
        """
        try:
            return self._decoder.decode(_Model(perfect=False), np.ascontiguousarray(chances, np.float32)).astype(
                np.int64
            )
        except AssertionError as error:
            raise ValueError("bits that no message has") from error


def entropy_bits(chances: np.ndarray) -> float:
    """Of one distribution, in bits.

    >>> entropy_bits(np.full(8, 0.125))
    3.0
    """
    used = chances[chances > 0].astype(np.float64)
    return float(-(used * np.log2(used)).sum())
