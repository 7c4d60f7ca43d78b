# SPDX-License-Identifier: GPL-3.0-or-later
"""When bursts leave: in device time, counted in samples, so that no rounding adds up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_STEP_BACK_S = 0.1  # less is the jitter of asking for the time


@dataclass
class BurstTiming:
    """Send times that rise, each burst after the one before.

    Device time that steps back, as when it is set again, restarts the times.

    Args:
        sample_rate_hz: of the device.
        lead_s: from the making of a burst to its sending; also the time of the first burst where there is no clock.
        period_s: bursts start at multiples of this after the first one; 0 sends each as soon as it may.
        guard_s: at least this between the end of a burst and the next one's start: a device needs a moment to end one.

    >>> timing = BurstTiming(1e6, lead_s=0.02, period_s=0.1)
    >>> timing.next(3000, now_s=5.0), timing.next(3000, now_s=5.01), timing.next(3000, now_s=5.3)
    ((5, 0.02), (5, 0.12), (5, 0.32))
    """

    sample_rate_hz: float
    lead_s: float
    period_s: float = 0.0
    guard_s: float = 20e-6
    _first: int | None = field(default=None, init=False)
    _end: int = field(default=0, init=False)
    _seen_s: float = field(default=-math.inf, init=False)

    def next(self, samples: int, now_s: float | None = None) -> tuple[int, float]:
        """Time of the next burst, as full seconds and their fraction.

        Args:
            samples: its length.
            now_s: device time; None if it is not known, as where time stands still until the burst is there.
        """
        if now_s is not None:
            self._look(now_s)
        earliest = math.ceil(((now_s or 0.0) + self.lead_s) * self.sample_rate_hz)
        if self._first is None:
            self._first = start = earliest
        else:
            free = self._end + math.ceil(self.guard_s * self.sample_rate_hz)
            start = free if now_s is None else max(free, earliest)
            if self.period_s:
                period = max(1, round(self.period_s * self.sample_rate_hz))
                start = self._first + -(-(start - self._first) // period) * period
        self._end = start + samples
        seconds = int(start // self.sample_rate_hz)
        return seconds, (start - seconds * self.sample_rate_hz) / self.sample_rate_hz

    def ahead_s(self, now_s: float) -> float:
        """From now to the end of the last burst, s; 0 or less when all are past.

        Args:
            now_s: device time.
        """
        self._look(now_s)
        return 0.0 if self._first is None else self._end / self.sample_rate_hz - now_s

    def _look(self, now_s: float) -> None:
        if now_s < self._seen_s - _STEP_BACK_S:
            self._first, self._end = None, 0
        self._seen_s = now_s
