# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether both ends of a link hold the same version of a knowledge base, as far as its transmitter knows.

The receiver announces its base with each frame that it answers (`announcement`): id, version and checksum. A
transmitter names entries (`sdr_sc.semantic.knowledge.both_ends`) while the latest announcement is of its own base and
holds: until a frame is given up without feedback, for as many time-outs as the SNR that was fed back, and for
`MOST_FRAMES` frames that were acknowledged without another one. A receiver that restarts with another base, or with
none, is thus sent features; frames that were under way meanwhile are lost and counted there, as their check is changed
by the base's checksum.
"""

from __future__ import annotations

import math
from collections import Counter
from enum import Enum
from typing import Any

import numpy as np

from sdr_sc.link.adaptation import STALE_TIMEOUTS
from sdr_sc.link.network.pdu_schema import BASE, ENTRIES_READ
from sdr_sc.semantic.knowledge.both_ends.tag import BaseTag

MOST_FRAMES = 16


class Agreement(Enum):
    """What a transmitter knows of its receiver's base; entries are named in the first case alone."""

    AGREED = "agreed"
    NO_BASE = "no base at the transmitter"
    NOT_ANNOUNCED = "no base announced"
    STALE = "announcement out of date"
    OTHER_BASE = "other base"
    OTHER_VERSION = "other version"
    OTHER_CONTENT = "other content"


def announcement(tag: BaseTag, frame_num: int, entries_read: bool | None = None) -> dict[str, Any]:
    """Metadata of the PDU by which a receiver announces its base.

    Args:
        frame_num: of the frame that it received.
        entries_read: whether it could read the entries that the frame names; None where it names none.
    """
    meta: dict[str, Any] = {BASE: np.frombuffer(tag.to_bytes(), np.uint8), "frame_num": frame_num}
    return meta if entries_read is None else {**meta, ENTRIES_READ: int(entries_read)}


def read_announcement(meta: dict[str, Any]) -> BaseTag | None:
    """The base that a PDU's metadata announces; None where it is none, as of a foreign host.

    >>> tag = BaseTag("0123456789abcdef", 1, "ab" * 32)
    >>> read_announcement(announcement(tag, 3)) == tag, read_announcement({BASE: "x"})
    (True, None)
    """
    raw = meta.get(BASE)
    if not isinstance(raw, np.ndarray) or raw.dtype != np.uint8 or raw.ndim != 1:
        return None
    return BaseTag.from_bytes(raw.tobytes())


class BaseAgreement:
    """A transmitter's side.

    Args:
        own: its base; None without one. May be set to another one at any time.
        timeout_s: after which a frame without feedback is given up; infinite where losses are known otherwise.

    Attributes:
        frames: frames by what was known when they were made, by the name of the state.
        announced: the latest announcement; None before the first.
        refused: announcements that are none, or of no frame that was sent lately.

    >>> tag = BaseTag("0123456789abcdef", 1, "ab" * 32)
    >>> agreement = BaseAgreement(tag, 0.25)
    >>> agreement.state(0.0, 0, -1).value, agreement.arrived(tag, 0, 1.0, 0), agreement.state(1.1, 0, 0).value
    ('no base announced', None, 'agreed')
    """

    def __init__(self, own: BaseTag | None, timeout_s: float = math.inf) -> None:
        self.own, self._longest_s = own, STALE_TIMEOUTS * timeout_s
        self.announced: BaseTag | None = None
        self.frames: Counter[str] = Counter()
        self.refused = 0
        self._index, self._time_s, self._frames_lost = -1, -math.inf, 0

    def arrived(self, tag: BaseTag | None, index: int | None, now: float, frames_lost: int) -> None:
        """An announcement arrived.

        Args:
            tag: of `read_announcement`.
            index: of the frame that it came with, counted without wrapping; None where none was sent lately.
            now: time, s.
            frames_lost: frames that were given up so far.
        """
        if tag is None or index is None:
            self.refused += 1
        elif index >= self._index:  # one that was overtaken says nothing new
            self.announced, self._index, self._time_s, self._frames_lost = tag, index, now, frames_lost

    def state(self, now: float, frames_lost: int, acknowledged: int) -> Agreement:
        """What is known now.

        Args:
            now: time, s.
            frames_lost: as for `arrived`.
            acknowledged: index of the latest frame that feedback came for; -1 before the first.
        """
        own, other = self.own, self.announced
        if own is None:
            return Agreement.NO_BASE
        if other is None:
            return Agreement.NOT_ANNOUNCED
        in_time = now - self._time_s <= self._longest_s and acknowledged - self._index <= MOST_FRAMES
        if not in_time or frames_lost != self._frames_lost:
            return Agreement.STALE
        if own == other:
            return Agreement.AGREED
        if own.base_id != other.base_id:
            return Agreement.OTHER_BASE
        return Agreement.OTHER_CONTENT if own.version == other.version else Agreement.OTHER_VERSION

    def asked(self, now: float, frames_lost: int, acknowledged: int) -> bool:
        """Whether the next frame may name entries, which is counted. Arguments as for `state`."""
        state = self.state(now, frames_lost, acknowledged)
        self.frames[state.value] += 1
        return state is Agreement.AGREED
