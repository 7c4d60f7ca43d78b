# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver asks for, and the bytes that it is asked in.

A request is 6 bytes, and 6 more with a bit for each item of every group that it asks about (big-endian)::

    number u8 (1..255) | run u32 | groups u8 | groups of: frame_num u16, n_items u8, k_from - 1 u8, k_to - 1 u8,
                                                          items: a bit each, the first in the highest place

With 128 added to the number of groups it feeds answers back, too: after that number stands ``repeats`` (u8), and
after each group's items a byte with the answer to each that it asks about, 255 for none. The frame that answers it
then begins with a symbol for each item, ``repeats`` times: 1 for one of which more follows, -1 for one whose answer is
the transmitter's own, of which nothing follows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO, MAX_ITEMS, MAX_K, MAX_REFINED_SYMBOLS, MAX_REQUEST

MOST_GROUPS = 32
MOST_COMPARED = 512
MOST_REPEATS = 32
NO_ANSWER = 255
LONGEST_BYTES = 7 + MOST_GROUPS * (6 + -(-MAX_ITEMS // 8)) + MOST_COMPARED
UNREADABLE = "unreadable request"

_WITH_ANSWERS = 128
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
        answers: to each item that it asks about, in the same order, 0..254, and 255 for none; None where the
            transmitter is not to compare.
        repeats: symbols that say of each item whether more follows; 0 without answers.

    Raises:
        Refusal: the values are out of range, or ask for an item twice.

    >>> request = Request(7, 1, (Group(3, 4, 2, 4, (0, 3)),))
    >>> request.symbols, Request.from_bytes(request.to_bytes()) == request, len(request.to_bytes())
    (4, True, 12)
    """

    number: int
    run: int
    groups: tuple[Group, ...]
    answers: tuple[int, ...] | None = None
    repeats: int = 0

    def __post_init__(self) -> None:
        items = [(group.frame_num, item) for group in self.groups for item in group.items]
        fits = (
            1 <= self.number <= MAX_REQUEST
            and 0 <= self.run < 1 << 32
            and 1 <= len(self.groups) <= MOST_GROUPS
            and len({*items}) == len(items)
            and self.symbols <= MAX_REFINED_SYMBOLS
        )
        if self.answers is None:
            fits = fits and self.repeats == 0
        else:
            fits = (
                fits
                and len(self.answers) == len(items) <= MOST_COMPARED
                and all(0 <= answer <= NO_ANSWER for answer in self.answers)
                and 1 <= self.repeats <= MOST_REPEATS
            )
        if not fits:
            raise Refusal(UNREADABLE)

    @property
    def selection_symbols(self) -> int:
        """Symbols that say of which items more follows."""
        return self.repeats * sum(len(group.items) for group in self.groups)

    @property
    def symbols(self) -> int:
        """Complex symbols of the answer, at most."""
        return sum(group.symbols for group in self.groups) + self.selection_symbols

    def to_bytes(self) -> bytes:
        """As it is fed back."""
        compared, place = self.answers is not None, 0
        parts = [_HEAD.pack(self.number, self.run, len(self.groups) + compared * _WITH_ANSWERS)]
        if compared:
            parts.append(bytes([self.repeats]))
        for group in self.groups:
            asked = np.zeros(group.n_items, np.uint8)
            asked[list(group.items)] = 1
            parts.append(_GROUP.pack(group.frame_num, group.n_items, group.k_from - 1, group.k_to - 1))
            parts.append(np.packbits(asked).tobytes())
            if self.answers is not None:
                parts.append(bytes(self.answers[place : place + len(group.items)]))
                place += len(group.items)
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
        compared, count = divmod(count, _WITH_ANSWERS)
        repeats = raw[_HEAD.size] if compared else 0
        place, groups, answers = _HEAD.size + compared, [], b""
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
            if compared:
                answers += raw[place : place + len(items)]
                place += len(items)
        if place != len(raw):
            raise Refusal(UNREADABLE)
        return cls(number, run, tuple(groups), tuple(answers) if compared else None, repeats)


def groups_of(
    wanted: Iterable[tuple[int, int, int, int, int]],
    most_symbols: int = MAX_REFINED_SYMBOLS,
    repeats: int = 0,
) -> tuple[Group, ...]:
    """Groups of as many items as fit, the first ones first.

    Args:
        wanted: frame_num, n_items, item, k_from, k_to of each.
        most_symbols: of them all.
        repeats: further symbols of each item; with these no more than `MOST_COMPARED` items.

    >>> groups_of([(3, 4, 0, 2, 4), (3, 4, 2, 2, 4), (5, 4, 1, 4, 8)], most_symbols=6)
    (Group(frame_num=3, n_items=4, k_from=2, k_to=4, items=(0, 2)),)
    """
    chosen: dict[tuple[int, int, int, int], list[int]] = {}
    symbols = count = 0
    for frame_num, n_items, item, k_from, k_to in wanted:
        key, more = (frame_num, n_items, k_from, k_to), k_to - k_from + repeats
        full = symbols + more > most_symbols or (repeats > 0 and count == MOST_COMPARED)
        if full or (key not in chosen and len(chosen) == MOST_GROUPS):
            continue
        symbols, count = symbols + more, count + 1
        chosen.setdefault(key, []).append(item)
    return tuple(Group(*key, tuple(sorted(items))) for key, items in chosen.items())
