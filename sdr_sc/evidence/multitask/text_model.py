# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bits texts cost if they are sent as such: code lengths of a character model that both ends hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SYMBOLS = 256


@dataclass(frozen=True)
class _Order:
    """Counts of one length of context: hashes of contexts and of contexts with the byte after them, rising."""

    contexts: np.ndarray
    times: np.ndarray
    kinds: np.ndarray
    pairs: np.ndarray
    pair_times: np.ndarray


class TextModel:
    """Bytes predicted from those before them, by interpolated Witten-Bell counts (Witten and Bell, "The zero-frequency
    problem", IEEE Trans. Information Theory 37(4), 1991), never changed after training.

    A text begins after a byte of its own that ends it, too. Contexts are told apart by 64-bit hashes.

    Args:
        texts: of training.
        order: bytes of the longest context.

    >>> model = TextModel(["a small dog", "a small cat", "the large dog"] * 20, 4)
    >>> seen, other = model.bits(["a small dog", "zebra"])
    >>> seen < 12 < 40 < other
    True
    """

    def __init__(self, texts: Sequence[str], order: int = 5) -> None:
        stream, _ = _joined(texts)
        self.order = order
        self._orders = [self._counted(stream, length) for length in range(order + 1)]

    @staticmethod
    def _counted(stream: np.ndarray, length: int) -> _Order:
        context, pair = _hashes(stream, length)
        pairs, first, pair_times = np.unique(pair, return_index=True, return_counts=True)
        contexts, place, times = np.unique(context, return_inverse=True, return_counts=True)
        kinds = np.bincount(place[first], minlength=len(contexts))
        return _Order(contexts, times, kinds, pairs, pair_times)

    def bits(self, texts: Sequence[str]) -> np.ndarray:
        """Code length of each text, its end included: float64 (texts,), bits; an arithmetic coder adds two bits to a
        whole frame of them."""
        stream, text_of = _joined(texts)
        chance = np.full(len(stream) - 1, 1.0 / _SYMBOLS)
        for length, counts in enumerate(self._orders):
            context, pair = _hashes(stream, length)
            times, kinds = _found(counts.contexts, context, counts.times, counts.kinds)
            (both,) = _found(counts.pairs, pair, counts.pair_times)
            chance = np.where(times > 0, (both + kinds * chance) / np.maximum(times + kinds, 1), chance)
        return np.bincount(text_of[1:], -np.log2(chance), minlength=len(texts))


def _joined(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of all texts with a 0 before the first and after each: uint64; and the text that each belongs to."""
    raw = [one.encode() + b"\0" for one in texts]
    stream = np.frombuffer(b"\0" + b"".join(raw), np.uint8).astype(np.uint64)
    return stream, np.concatenate(([0], np.repeat(np.arange(len(raw)), [len(one) for one in raw])))


def _hashes(stream: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each byte but the first: of the ``length`` bytes before it within its text, and of these with itself."""
    context = np.full(len(stream) - 1, length, np.uint64)
    inside = np.ones(len(stream) - 1, bool)  # a context ends at the byte that begins the text
    for back in range(1, length + 1):
        before = np.zeros(len(stream) - 1, np.uint64)
        before[back - 1 :] = stream[: len(stream) - back]
        context = (context ^ (np.where(inside, before, 0) + np.uint64(1))) * _MIX
        context ^= context >> np.uint64(29)
        inside &= before > 0
    pair = (context ^ (stream[1:] + np.uint64(257))) * _MIX
    return context, pair ^ (pair >> np.uint64(31))


def _found(keys: np.ndarray, wanted: np.ndarray, *values: np.ndarray) -> list[np.ndarray]:
    """Values by their keys, 0 where there is none."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[place] == wanted
    return [np.where(known, one[place], 0) for one in values]
