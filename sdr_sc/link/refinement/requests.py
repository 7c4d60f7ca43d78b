# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver asks for, and the bytes that it is asked in.

A request is 6 bytes, and 6 more with a bit for each item of every group that it asks about (big-endian)::

    number u8 (1..255) | run u32 | groups u8 | groups of: frame_num u16, n_items u8, k_from - 1 u8, k_to - 1 u8,
                                                          items: a bit each, the first in the highest place
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, MAX_ITEMS, MAX_K, MAX_REFINED_SYMBOLS, MAX_REQUEST

MOST_GROUPS = 32
LONGEST_BYTES = 6 + MOST_GROUPS * (6 + -(-MAX_ITEMS // 8))
UNREADABLE = "unreadable request"

_HEAD, _GROUP = struct.Struct(">BIB"), struct.Struct(">HBBB")


@dataclass(frozen=True)
class Group:
    """Items of one frame of which the same symbols are wanted.

    Attributes:
        frame_num: of the frame that they were new in.
        n_items: new items of that frame.
        k_from, k_to: the symbols from ``k_from`` up to ``k_to`` of each item.
        items: places in that frame, rising.
    """

    frame_num: int
    n_items: int
    k_from: int
    k_to: int
    items: tuple[int, ...]

    def __post_init__(self) -> None:
        fits = (
            0 <= self.frame_num < FRAME_NUM_MODULO
            and 1 <= self.n_items <= MAX_ITEMS
            and 1 <= self.k_from < self.k_to <= MAX_K
            and len(self.items) > 0
            and 0 <= self.items[0]
            and self.items[-1] < self.n_items
            and all(a < b for a, b in zip(self.items, self.items[1:], strict=False))
        )
        if not fits:
            raise Refusal(UNREADABLE)

    @property
    def symbols(self) -> int:
        """Complex symbols of the answer."""
        return len(self.items) * (self.k_to - self.k_from)


@dataclass(frozen=True)
class Request:
    """All that a receiver asks for at once.

    Attributes:
        number: 1..255, which the frame that answers it names.
        run: 32 bits that distinguish one start of a receiver from another.
        groups: of different items, in the order of the answer's symbols: group by group, item by item.

    Raises:
        Refusal: the values are out of range, or ask for an item twice.

    >>> request = Request(7, 1, (Group(3, 4, 2, 4, (0, 3)),))
    >>> request.symbols, Request.from_bytes(request.to_bytes()) == request, len(request.to_bytes())
    (4, True, 12)
    """

    number: int
    run: int
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        items = [(group.frame_num, item) for group in self.groups for item in group.items]
        fits = (
            1 <= self.number <= MAX_REQUEST
            and 0 <= self.run < 1 << 32
            and 1 <= len(self.groups) <= MOST_GROUPS
            and len({*items}) == len(items)
            and self.symbols <= MAX_REFINED_SYMBOLS
        )
        if not fits:
            raise Refusal(UNREADABLE)

    @property
    def symbols(self) -> int:
        """Complex symbols of the answer."""
        return sum(group.symbols for group in self.groups)

    def to_bytes(self) -> bytes:
        """As it is fed back."""
        parts = [_HEAD.pack(self.number, self.run, len(self.groups))]
        for group in self.groups:
            asked = np.zeros(group.n_items, np.uint8)
            asked[list(group.items)] = 1
            parts.append(_GROUP.pack(group.frame_num, group.n_items, group.k_from - 1, group.k_to - 1))
            parts.append(np.packbits(asked).tobytes())
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Request:
        """Read a request.

        Raises:
            Refusal: it is none; nothing else is ever raised.
        """
        if not _HEAD.size < len(raw) <= LONGEST_BYTES:
            raise Refusal(UNREADABLE)
        number, run, count = _HEAD.unpack_from(raw)
        place, groups = _HEAD.size, []
        for _ in range(count):
            if len(raw) < place + _GROUP.size:
                raise Refusal(UNREADABLE)
            frame_num, n_items, k_from, k_to = _GROUP.unpack_from(raw, place)
            place += _GROUP.size
            octets = raw[place : place + -(-n_items // 8)]
            place += -(-n_items // 8)
            bits = np.unpackbits(np.frombuffer(octets, np.uint8))
            items = tuple(int(item) for item in np.flatnonzero(bits))
            if place > len(raw):
                raise Refusal(UNREADABLE)
            groups.append(Group(frame_num, n_items, k_from + 1, k_to + 1, items))
        if place != len(raw):
            raise Refusal(UNREADABLE)
        return cls(number, run, tuple(groups))


def groups_of(
    wanted: Iterable[tuple[int, int, int, int, int]], most_symbols: int = MAX_REFINED_SYMBOLS
) -> tuple[Group, ...]:
    """Groups of as many items as fit, the first ones first.

    Args:
        wanted: frame_num, n_items, item, k_from, k_to of each.
        most_symbols: of them all.

    >>> groups_of([(3, 4, 0, 2, 4), (3, 4, 2, 2, 4), (5, 4, 1, 4, 8)], most_symbols=6)
    (Group(frame_num=3, n_items=4, k_from=2, k_to=4, items=(0, 2)),)
    """
    chosen: dict[tuple[int, int, int, int], list[int]] = {}
    symbols = 0
    for frame_num, n_items, item, k_from, k_to in wanted:
        key = frame_num, n_items, k_from, k_to
        if symbols + k_to - k_from > most_symbols or (key not in chosen and len(chosen) == MOST_GROUPS):
            continue
        symbols += k_to - k_from
        chosen.setdefault(key, []).append(item)
    return tuple(Group(*key, tuple(sorted(items))) for key, items in chosen.items())
