# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for the air: how far ahead bursts are made, and when the last one has left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from sdr_sc.link.timing.burst_timing import BurstTiming
from sdr_sc.link.timing.device_clock import DeviceClock

_AHEAD_S = 0.1  # on top of the lead: what is made further ahead is made for an old SNR
_WAITING_FRAMES = 8
_AIR_MARGIN_S = 0.25  # from a burst's end to the news of it
_SLICE_S, _POLL_S = 0.3, 0.005
_LONGEST_WAIT_S = 60.0
_STANDSTILL_S = 2.0


class AirQueue:
    """Bursts with send times between their making and their end on the air.

    With a clock, device time says how far they are. Without one, device time may wait for the bursts themselves: then
    only the device's answers show it, and nothing waits for them for ever.

    Args:
        timing: of the bursts.

    Attributes:
        clock: device time; None if it is not known.
        answers: reads how many bursts the device has reported the end of; None if nobody knows.
        made: bursts so far.
    """

    def __init__(self, timing: BurstTiming) -> None:
        self.timing = timing
        self.clock: DeviceClock | None = None
        self.answers: Callable[[], int] | None = None
        self.made = 0
        self._answered = (0, -math.inf)
        self._over: float | None = None

    def next(self, samples: int) -> tuple[int, float]:
        """Send time of the next burst, as full seconds and their fraction."""
        self.made += 1
        return self.timing.next(samples, None if self.clock is None else self.clock.now_s())

    def is_full(self, frames_made: int) -> bool:
        """Whether no more frames should be made for now.

        Args:
            frames_made: of which the later ones may still be on their way here.
        """
        if frames_made - self.made >= _WAITING_FRAMES:
            return True
        if self.clock is not None:
            return self._ahead_s() > self.timing.lead_s + _AHEAD_S
        waiting, still_s = self._unanswered()
        return waiting is not None and waiting >= _WAITING_FRAMES and still_s < _STANDSTILL_S

    def wait(self) -> bool:
        """Wait for a moment; whether the last burst is off the air, or it will not be known when it is."""
        now = time.monotonic()
        if self._over is None:
            self._over = now + self._limit_s()
        end_of_slice = now + _SLICE_S
        while now < end_of_slice:
            waiting, still_s = self._unanswered()
            if self.clock is not None:
                past = self._ahead_s() < -_AIR_MARGIN_S
            else:
                past = waiting is not None and still_s > _STANDSTILL_S
            if past or now > self._over or (waiting is not None and waiting <= 0):
                return True
            time.sleep(_POLL_S)
            now = time.monotonic()
        return False

    def _ahead_s(self) -> float:
        assert self.clock is not None
        return self.timing.ahead_s(self.clock.now_s())

    def _limit_s(self) -> float:
        if self.clock is not None:
            return min(self._ahead_s() + 2 * _AIR_MARGIN_S, _LONGEST_WAIT_S + self.timing.period_s)
        return self.timing.lead_s if self.answers is None else _LONGEST_WAIT_S

    def _unanswered(self) -> tuple[int | None, float]:
        """Bursts without an answer, None if nobody knows; and for how long there was none, s."""
        if self.answers is None:
            return None, 0.0
        now, count = time.monotonic(), self.answers()
        if count != self._answered[0] or self._answered[1] == -math.inf:
            self._answered = count, now
        return self.made - count, now - self._answered[1]
