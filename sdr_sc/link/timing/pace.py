# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a source of recorded samples may be ahead of the blocks after it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

MAX_WAITING = 256
"""Frames that may wait for a decoder. GNU Radio drops messages that wait in thousands, and only logs it; with
fewer than a piece of the recording holds, the decoder would run out of them while the next piece is on its way."""

_POLL_S = 0.0005
_PATIENCE_S = 0.05  # no call of a block may hold up the flowgraph's end for long


class RealTime:
    """Lets samples through when their time has come.

    Args:
        rate_hz: samples per second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._began: float | None = None

    def due(self, given: int, wanted: int) -> int:
        """Waits a moment if need be; how many samples more than ``given`` may leave, at most ``wanted``."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        limit = now + _PATIENCE_S
        # 10 ms at once, or what is left: a call for each sample that is due would cost more than the samples.
        least = min(wanted, max(1, int(0.01 * self._rate_hz)))
        while (count := int((now - self._began) * self._rate_hz) - given) < least and now < limit:
            time.sleep(min(max((least - count) / self._rate_hz, 1e-4), limit - now + 1e-4))
            now = time.monotonic()
        return max(0, min(count, wanted))


class Followed:
    """The blocks after a source: whether they keep up, and whether they are done.

    Args:
        receiver: the OFDM receiver.
        ends: pairs of a semantic decoder, and of the task sink that takes its answers, or None.
        between: blocks between source and receiver, in their order.
    """

    def __init__(self, receiver: Any, ends: Sequence[tuple[Any, Any]], between: Sequence[Any] = ()) -> None:
        self._receiver, self._ends, self._between = receiver, tuple(ends), tuple(between)

    @property
    def waiting(self) -> int:
        """Frames that the slowest decoder has before it."""
        delivered = self._receiver.receiver.counters.delivered
        return max((delivered - decoder.frames_handled for decoder, _ in self._ends), default=0)

    def wait_for_room(self) -> bool:
        """Wait a moment while too many frames wait; whether there is room."""
        limit = time.monotonic() + _PATIENCE_S
        while self.waiting > MAX_WAITING:
            if time.monotonic() > limit:
                return False
            time.sleep(_POLL_S)
        return True

    def settled(self, given: int) -> bool:
        """Whether ``given`` samples of the source have come to their end: as answers that the sinks have counted."""
        samples = given
        for block in self._between:
            if block.samples_in < samples:
                return False
            samples = block.samples_out
        if self._receiver.sample_limit.done < samples or self.waiting > 0:
            return False
        return all(sink is None or sink.answers_taken >= decoder.frames_answered for decoder, sink in self._ends)
