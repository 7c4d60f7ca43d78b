# SPDX-License-Identifier: GPL-3.0-or-later
"""Window flow control: how many frames may be on their way without feedback."""

from __future__ import annotations

from collections import OrderedDict

from sdr_sc.link.frames.ledger import unwrap

_RECENT_FRAMES = 256  # feedback may come after its time-out
_ROUND_TRIPS = 4.0  # of the slowest so far: a busy machine stands still now and then
_LONGEST_PATIENCE_S = 2.0


class InFlight:
    """Frames that were sent and are neither acknowledged nor given up.

    Without it, a transmitter faster than the link would fill buffers with frames that were made for an old SNR.

    Args:
        limit: frames on their way before `may_send` says no; 0 for no limit.
        timeout_s: after which a frame is given up.
        modulo: at which frame numbers wrap.

    Attributes:
        given_up: frames that counted as lost.
        acknowledged: index of the latest frame that feedback came for; -1 before the first.
    """

    def __init__(self, limit: int, timeout_s: float, modulo: int) -> None:
        self.limit = limit
        self.timeout_s = timeout_s
        self.given_up = 0
        self.acknowledged = -1
        self._modulo = modulo
        self._sent_at: OrderedDict[int, float] = OrderedDict()
        self._latest = -1  # nothing sent
        self._slowest_s: float | None = None

    def sent(self, index: int, now: float) -> None:
        """Frame ``index`` (counted without wrapping) leaves at time ``now``, s."""
        self._sent_at[index] = now
        self._latest = index

    def acknowledge(self, frame_num: int, now: float) -> bool:
        """Feedback for a frame arrived at time ``now``, s; frames before it that had none will get none.

        Returns False, and does nothing, if no such frame was sent lately: another transmitter's.
        """
        index = self.index_of(frame_num)
        if index is None:
            return False
        self.acknowledged = max(self.acknowledged, index)
        while self._sent_at and next(iter(self._sent_at)) <= index:
            oldest, sent_s = self._sent_at.popitem(last=False)
            self.given_up += int(oldest != index)
            if oldest == index:
                self._slowest_s = max(self._slowest_s or 0.0, now - sent_s)
        return True

    def is_recent(self, frame_num: int) -> bool:
        """Whether such a frame was sent lately; may be asked in any thread."""
        return self.index_of(frame_num) is not None

    def index_of(self, frame_num: int) -> int | None:
        """Index of the frame of this number, None if none was sent lately; may be asked in any thread."""
        latest = self._latest
        if latest < 0:
            return None
        index = unwrap(frame_num, latest, self._modulo)
        return index if 0 <= latest - index <= _RECENT_FRAMES and index >= 0 else None

    def may_send(self, now: float) -> bool:
        """Whether another frame may leave."""
        self._give_up(now)
        return self.limit == 0 or len(self._sent_at) < self.limit

    def may_send_at_end(self, now: float) -> bool:
        """The same at the end of a stream, where frames get `patience_s`."""
        self._give_up(now, max(self.timeout_s, self.patience_s))
        return self.limit == 0 or len(self._sent_at) < self.limit

    def settled(self, now: float) -> bool:
        """Whether no frame is on its way any more."""
        self._give_up(now)
        return not self._sent_at

    def settled_at_end(self, now: float) -> bool:
        """The same for the last frames of a stream, for which nothing else waits: they get `patience_s`."""
        self._give_up(now, max(self.timeout_s, self.patience_s))
        return not self._sent_at

    @property
    def patience_s(self) -> float:
        """How long the last frames may take, by the slowest feedback so far; at most 2 s, which it is without any."""
        if self._slowest_s is None:
            return _LONGEST_PATIENCE_S
        return min(_ROUND_TRIPS * self._slowest_s, _LONGEST_PATIENCE_S)

    def _give_up(self, now: float, after_s: float | None = None) -> None:
        after_s = self.timeout_s if after_s is None else after_s
        while self._sent_at and now - next(iter(self._sent_at.values())) > after_s:
            self._sent_at.popitem(last=False)
            self.given_up += 1
