# SPDX-License-Identifier: GPL-3.0-or-later
"""What the codeword of a frame with indices says, as bits: which items are sent how, and by which entries.

Most significant bits first: how many items have an entry, and of these how many a residual; which ones, as the number
of that choice among all of them (the combinatorial number system); k and level where they are needed; and the entries
as digits of one number whose base is how many entries there are. Zeros follow. The reader takes any bits: what is out
of range, or not followed by zeros, is no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from sdr_sc.phy.frame.header import MAX_ITEMS
from sdr_sc.semantic.knowledge.both_ends.split import LEVEL_BITS

PLAIN, ENTRY, RESIDUAL = range(3)
"""How an item is sent: all its features, its entry alone, or entry and residual."""


@dataclass(frozen=True, eq=False)
class Message:
    """What is sent of a frame's items.

    Attributes:
        kinds: uint8 (items,), `PLAIN`, `ENTRY` or `RESIDUAL`.
        entries: int64 (items that are not plain,), numbers of entries, in the order of the items.
        k: feature symbols of a plain item; 0 where there is none.
        residual_k: symbols of a residual; 0 where there is none.
        entry_level, residual_level: see `sdr_sc.semantic.knowledge.both_ends.split`; 0 where there is none.
    """

    kinds: np.ndarray
    entries: np.ndarray
    k: int = 0
    residual_k: int = 0
    entry_level: int = 0
    residual_level: int = 0

    def count(self, kind: int) -> int:
        """Items of a kind."""
        return int(np.count_nonzero(self.kinds == kind))

    @property
    def symbols(self) -> int:
        """Of features and residuals together."""
        return self.k * self.count(PLAIN) + self.residual_k * self.count(RESIDUAL)


class _Writer:
    def __init__(self) -> None:
        self.number, self.bits = 0, 0

    def put(self, value: int, bits: int) -> None:
        self.number, self.bits = self.number << bits | value, self.bits + bits

    def array(self) -> np.ndarray:
        raw = self.number.to_bytes(-(-self.bits // 8) or 1, "big")
        return np.unpackbits(np.frombuffer(raw, np.uint8))[-self.bits :] if self.bits else np.empty(0, np.uint8)


class _Reader:
    """Raises ValueError where the bits are used up."""

    def __init__(self, bits: np.ndarray) -> None:
        raw = np.packbits(bits).tobytes()
        self._number, self._left = int.from_bytes(raw, "big") >> (8 * len(raw) - len(bits)), len(bits)

    def get(self, bits: int) -> int:
        self._left -= bits
        if self._left < 0:
            raise ValueError("too short")
        value = self._number >> self._left
        self._number &= (1 << self._left) - 1
        return value

    def rest(self) -> int:
        return self._number


def _width(values: int) -> int:
    """Bits for so many different values."""
    return (values - 1).bit_length()


def message_bits(items: int, indexed: int, residuals: int, entries: int, sizes: int) -> int:
    """Bits of a message.

    Args:
        items: of the frame.
        indexed: of these, with an entry; of which ``residuals`` with a residual.
        entries: how many the base has.
        sizes: how many k the model has.

    >>> message_bits(50, 50, 0, 10_000, 10)  # 50 indices of 13.3 bits, two counts, one level
    682
    """
    bits = _width(items + 1) + _width(indexed + 1) + _width(comb(items, indexed)) + _width(comb(indexed, residuals))
    bits += _width(sizes) * ((indexed < items) + (residuals > 0))
    return bits + LEVEL_BITS * ((residuals < indexed) + (residuals > 0)) + _width(entries**indexed)


def write_message(message: Message, entries: int, k_list: Sequence[int]) -> np.ndarray:
    """A message as bits.

    Args:
        entries: how many the base has.
        k_list: of the model.

    Returns:
        uint8 of 0 and 1, `message_bits` long.
    """
    is_indexed = message.kinds != PLAIN
    residual = message.kinds[is_indexed] == RESIDUAL
    items, indexed, residuals = len(is_indexed), int(is_indexed.sum()), int(residual.sum())
    out = _Writer()
    out.put(indexed, _width(items + 1))
    out.put(residuals, _width(indexed + 1))
    out.put(rank_of(is_indexed), _width(comb(items, indexed)))
    out.put(rank_of(residual), _width(comb(indexed, residuals)))
    if indexed < items:
        out.put(list(k_list).index(message.k), _width(len(k_list)))
    if residuals:
        out.put(list(k_list).index(message.residual_k), _width(len(k_list)))
        out.put(message.residual_level, LEVEL_BITS)
    if residuals < indexed:
        out.put(message.entry_level, LEVEL_BITS)
    number = 0
    for entry in message.entries.tolist():
        number = number * entries + entry
    out.put(number, _width(entries**indexed))
    return out.array()


def read_message(bits: np.ndarray, items: int, entries: int, k_list: Sequence[int]) -> Message | None:
    """The message in bits, of any content, with zeros after it; None where they are none.

    Args:
        bits: uint8 of 0 and 1.
        items: of the frame, as its header says, 1..255.
        entries: how many the base has.
        k_list: of the model.

    >>> sent = Message(np.array([ENTRY, PLAIN, RESIDUAL], np.uint8), np.array([7, 2]), 8, 4, 20, 9)
    >>> found = read_message(np.append(write_message(sent, 10, (4, 8, 16)), [0, 0]), 3, 10, (4, 8, 16))
    >>> found.kinds.tolist(), found.entries.tolist(), found.k, found.residual_k, found.entry_level, found.residual_level
    ([1, 0, 2], [7, 2], 8, 4, 20, 9)
    """
    if not 1 <= items <= MAX_ITEMS or len(bits) > 1 << 16:
        return None
    reader = _Reader(bits)
    try:
        indexed = _bounded(reader.get(_width(items + 1)), items + 1)
        residuals = _bounded(reader.get(_width(indexed + 1)), indexed + 1)
        is_indexed = choice_of(reader.get(_width(comb(items, indexed))), items, indexed)
        residual = choice_of(reader.get(_width(comb(indexed, residuals))), indexed, residuals)
        k = residual_k = residual_level = entry_level = 0
        if indexed < items:
            k = k_list[_bounded(reader.get(_width(len(k_list))), len(k_list))]
        if residuals:
            residual_k = k_list[_bounded(reader.get(_width(len(k_list))), len(k_list))]
            residual_level = reader.get(LEVEL_BITS)
        if residuals < indexed:
            entry_level = reader.get(LEVEL_BITS)
        number = _bounded(reader.get(_width(entries**indexed)), entries**indexed)
    except ValueError:
        return None
    if reader.rest():
        return None
    digits = np.zeros(indexed, np.int64)
    for place in range(indexed - 1, -1, -1):
        number, digits[place] = divmod(number, entries)
    kinds = np.full(items, PLAIN, np.uint8)
    kinds[is_indexed] = np.where(residual, RESIDUAL, ENTRY)
    return Message(kinds, digits, k, residual_k, entry_level, residual_level)


def _bounded(value: int, end: int) -> int:
    if value >= end:
        raise ValueError("out of range")
    return value


def rank_of(chosen: np.ndarray) -> int:
    """Number of a choice, bool (n,), among all of as many.

    >>> [rank_of(np.array(one, bool)) for one in ([1, 1, 0], [1, 0, 1], [0, 1, 1])]
    [0, 1, 2]
    """
    return sum(comb(place, count) for count, place in enumerate(np.flatnonzero(chosen).tolist(), 1))


def choice_of(rank: int, items: int, count: int) -> np.ndarray:
    """The choice of a number: bool (items,).

    Raises:
        ValueError: there are not so many.
    """
    _bounded(rank, comb(items, count))
    chosen = np.zeros(items, bool)
    place = items
    for left in range(count, 0, -1):
        place -= 1
        while comb(place, left) > rank:
            place -= 1
        chosen[place] = True
        rank -= comb(place, left)
    return chosen
