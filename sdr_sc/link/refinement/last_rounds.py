# SPDX-License-Identifier: GPL-3.0-or-later
"""When no new items come: how long a transmitter serves what its receiver still asks for, by frames of refinements."""

from __future__ import annotations

from sdr_sc.link.end_of_stream import ENCODER_LINGER_S

MOST_FRAMES = 64
"""Frames without new items one after the other: more than the rounds of all items need, and an end to any feedback."""
LIMIT_S = 20.0
"""After the last new item; with the frames that are still on their way then, less than what stops a run (30 s)."""
QUIET_S = 5.0
"""Without a word from a receiver that refines, which says after each frame what it wants: a busy one takes a while."""
MOST_TRIES = 3
"""Times that a refinement of which no feedback comes is sent."""


class LastRounds:
    """Decides when a stream whose items are used up is over::

        SERVING --the receiver wants nothing more, as it says after the latest frame--> over
        SERVING --nothing on its way, and no word for `QUIET_S`, or for the linger where it never asked--> over
        SERVING --`MOST_FRAMES` frames, or `LIMIT_S`--> over

    Attributes:
        frames: without new items, since the last one with some.

    >>> rounds = LastRounds()
    >>> rounds.heard(1.0, settled_after=6)
    >>> [rounds.over(now, 7, waiting, True, 0.0) for now, waiting in ((1.0, True), (1.1, False), (6.5, False))]
    [False, False, True]
    >>> rounds.heard(7.0, settled_after=7)
    >>> rounds.over(7.0, 7, False, True, 0.0)
    True
    """

    def __init__(self) -> None:
        self.frames = 0
        self._began_s: float | None = None
        self._heard_s: float | None = None
        self._active_s = 0.0
        self._settled_after = -1

    @property
    def may_send(self) -> bool:
        """Whether another frame without new items may leave."""
        return self.frames < MOST_FRAMES

    def sent(self, now: float, new_items: bool) -> None:
        """A frame left at time ``now``, s."""
        self.frames = 0 if new_items else self.frames + 1
        self._active_s = now

    def heard(self, now: float, settled_after: int | None = None) -> None:
        """The receiver asked, or said that it wants nothing after a frame.

        Args:
            now: time, s.
            settled_after: that frame's index.
        """
        self._heard_s = self._active_s = now
        if settled_after is not None:
            self._settled_after = settled_after

    def asks(self, latest: int) -> bool:
        """Whether the receiver has asked, and not said that it wants nothing more after the latest frame."""
        return self._heard_s is not None and self._settled_after != latest

    def over(self, now: float, latest: int, waiting: bool, settled: bool, linger_s: float) -> bool:
        """Whether no more is to be served, asked once the items are used up.

        Args:
            now: time, s.
            latest: index of the latest frame.
            waiting: a request waits to be answered.
            settled: no frame is on its way any more.
            linger_s: for which a receiver that never said a word of refinement is waited for.
        """
        if self._began_s is None:
            self._began_s = now
        if not self.may_send or now - self._began_s > LIMIT_S:
            return True
        if waiting or not settled:
            return False
        if self._settled_after == latest:
            return True
        quiet_s = max(linger_s, ENCODER_LINGER_S) if self._heard_s is None else QUIET_S
        return now - max(self._active_s, self._began_s) > quiet_s
