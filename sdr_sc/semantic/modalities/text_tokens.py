# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of words and of pieces of words, from the texts' bytes alone: hashes, so that there is no vocabulary.

A word is a run of letters (a-z, A-Z as the same), digits and bytes above 127, so that emoji and other scripts make
words too. Its pieces are its 3, 4 and 5 neighbouring bytes, with the word's two ends as bytes of their own. Words and
pieces are hashed as polynomials modulo 2^64, for all items at once: prefix sums give each of them by a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sdr_sc.data.ragged import HEAD_BYTES

PIECE_BYTES = (3, 4, 5)
_BASE = 0x9E3779B97F4A7C15 | 1  # odd, so that it has an inverse
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64
_END = 1  # stands for a word's end
_BYTE_OF = np.zeros(256, np.uint64)
for _byte in (*range(ord("0"), ord("9") + 1), *range(ord("a"), ord("z") + 1), *range(128, 256)):
    _BYTE_OF[_byte] = _byte
_BYTE_OF[ord("A") : ord("Z") + 1] = np.arange(ord("a"), ord("z") + 1)


class TokenSizes(NamedTuple):
    """How many numbers there are.

    Attributes:
        words: that are looked at of an item.
        word_rows: of words, 0 for none among them.
        piece_rows: of pieces of words, likewise.
        pieces: of a word that are looked at, of each length.
    """

    words: int = 28
    word_rows: int = 1 << 15
    piece_rows: int = 1 << 13
    pieces: int = 10

    @classmethod
    def of(cls, numbers: Mapping[str, Any], usual: TokenSizes) -> TokenSizes:
        """From a modality's parameters, which were checked.

        >>> TokenSizes.of({"word_rows": 9.0, "mean": 0.5}, TokenSizes()).word_rows
        9
        """
        return usual._replace(**{name: int(numbers[name]) for name in cls._fields if name in numbers})


JOINT_SIZES = TokenSizes(word_rows=22_000)
"""Where pictures take a part of the encoder's parameters: a fiftieth of the largest teacher's 109 million in all."""


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers of the base and of its inverse, uint64 (count,)."""
    inverse = pow(_BASE, -1, 1 << 64)
    found = [[pow(base, place, 1 << 64) for place in range(count)] for base in (_BASE, inverse)]
    return np.array(found[0], np.uint64), np.array(found[1], np.uint64)


def _rows(hashes: np.ndarray, rows: int) -> np.ndarray:
    """Hashes as numbers from 1 to rows - 1."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(_MIX[0])
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX[1])
    return (1 + (mixed ^ (mixed >> np.uint64(31))) % np.uint64(rows - 1)).astype(np.int32)


def token_numbers(slots: np.ndarray, sizes: TokenSizes) -> np.ndarray:
    """Numbers of an item's words and of their pieces.

    Args:
        slots: uint8 (n, `HEAD_BYTES` + longest); a length beyond the slot counts as the slot's end.
        sizes: see there.

    Returns:
        int32 (n, words, 1 + 3 pieces): the word's number, then those of its pieces of 3, 4 and 5 bytes from the word's
        beginning; 0 where there is none.

    >>> from sdr_sc.data.texts import text_items
    >>> found = token_numbers(text_items(["A dog, a DOG", ""]).batch.slots(16), TokenSizes(words=5))
    >>> found.shape, (found[0, :, 0] == found[0, [2, 3, 0, 1, 4], 0]).tolist(), int(found[1].max())
    ((2, 5, 31), [True, True, True, True, True], 0)
    """
    items, longest = len(slots), slots.shape[1] - HEAD_BYTES
    found = np.zeros((items, sizes.words, 1 + len(PIECE_BYTES) * sizes.pieces), np.int32)
    lengths = slots[:, 0].astype(np.int32) + (slots[:, 1].astype(np.int32) << 8)
    # A place before the text and some after it, so that each word has both ends.
    text = np.zeros((items, longest + 2 + max(PIECE_BYTES)), np.uint64)
    text[:, 1 : longest + 1] = _BYTE_OF[slots[:, HEAD_BYTES:]] * (np.arange(longest) < lengths[:, None])
    in_word = text > 0
    before = np.zeros_like(in_word)
    before[:, 1:] = in_word[:, :-1]
    item, begin = np.nonzero(in_word & ~before)
    _, end = np.nonzero(~in_word & before)  # of the same words, in the same order
    number = np.arange(len(item)) - np.searchsorted(item, item, side="left")
    seen = number < sizes.words
    item, begin, end, number = item[seen], begin[seen], end[seen], number[seen]
    powers, inverses = _powers(text.shape[1] + 1)
    sums = np.zeros((items, text.shape[1] + 1), np.uint64)
    np.cumsum(text * powers[:-1], axis=1, out=sums[:, 1:])
    found[item, number, 0] = _rows((sums[item, end] - sums[item, begin]) * inverses[begin], sizes.word_rows)
    marked = np.where(in_word, text, np.uint64(_END))
    np.cumsum(marked * powers[:-1], axis=1, out=sums[:, 1:])
    first = begin[:, None] - 1 + np.arange(sizes.pieces)
    for place, width in enumerate(PIECE_BYTES):
        inside = first + width <= end[:, None] + 1
        at = np.where(inside, first, 0)
        values = (sums[item[:, None], at + width] - sums[item[:, None], at]) * inverses[at] + np.uint64(width)
        columns = slice(1 + place * sizes.pieces, 1 + (place + 1) * sizes.pieces)
        found[item, number, columns] = np.where(inside, _rows(values, sizes.piece_rows), 0)
    return found
