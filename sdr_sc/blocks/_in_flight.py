# SPDX-License-Identifier: GPL-3.0-or-later
"""Window flow control: how many frames may be on their way without feedback."""

from __future__ import annotations

from collections import OrderedDict

from sdr_sc.blocks._pdu import unwrap

_RECENT_FRAMES = 256  # feedback may come behind its time-out


class InFlight:
    """Frames that were sent and are neither acknowledged nor given up.

    Without it, a transmitter faster than the link would fill buffers with frames that were made for an old SNR.

    Args:
        limit: frames on their way before `may_send` says no; 0 for no limit.
        timeout_s: after which a frame is given up.
        modulo: at which frame numbers wrap.
    """

    def __init__(self, limit: int, timeout_s: float, modulo: int) -> None:
        self.limit = limit
        self.timeout_s = timeout_s
        self.given_up = 0
        self._modulo = modulo
        self._sent_at: OrderedDict[int, float] = OrderedDict()
        self._latest = -1  # nothing sent

    def sent(self, index: int, now: float) -> None:
        """Frame ``index`` (counted without wrapping) leaves at time ``now``, s."""
        self._sent_at[index] = now
        self._latest = index

    def acknowledge(self, frame_num: int) -> bool:
        """Feedback for a frame arrived; frames before it that had none will get none.

        Returns False, and does nothing, if no such frame was sent lately: another transmitter's.
        """
        if not self.is_recent(frame_num):
            return False
        index = unwrap(frame_num, self._latest, self._modulo)
        while self._sent_at and next(iter(self._sent_at)) <= index:
            oldest, _ = self._sent_at.popitem(last=False)
            self.given_up += int(oldest != index)
        return True

    def is_recent(self, frame_num: int) -> bool:
        """Whether such a frame was sent lately; may be asked in any thread."""
        latest = self._latest
        return latest >= 0 and 0 <= latest - unwrap(frame_num, latest, self._modulo) <= _RECENT_FRAMES

    def may_send(self, now: float) -> bool:
        """Whether another frame may leave."""
        self._give_up(now)
        return self.limit == 0 or len(self._sent_at) < self.limit

    def settled(self, now: float) -> bool:
        """Whether no frame is on its way any more."""
        self._give_up(now)
        return not self._sent_at

    def _give_up(self, now: float) -> None:
        while self._sent_at and now - next(iter(self._sent_at.values())) > self.timeout_s:
            self._sent_at.popitem(last=False)
            self.given_up += 1
