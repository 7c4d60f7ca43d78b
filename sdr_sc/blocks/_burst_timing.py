# SPDX-License-Identifier: GPL-3.0-or-later
"""When bursts leave: in device time, counted in samples, so that no rounding adds up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class BurstTiming:
    """Send times that rise, each burst behind the one before.

    Args:
        sample_rate_hz: of the device.
        lead_s: from the making of a burst to its sending; also the time of the first burst where there is no clock.
        period_s: bursts start at multiples of this behind the first one; 0 sends each as soon as it may.

    >>> timing = BurstTiming(1e6, lead_s=0.02, period_s=0.1)
    >>> timing.next(3000, now_s=5.0), timing.next(3000, now_s=5.01), timing.next(3000, now_s=5.3)
    ((5, 0.02), (5, 0.12), (5, 0.32))
    """

    sample_rate_hz: float
    lead_s: float
    period_s: float = 0.0
    _first: int | None = field(default=None, init=False)
    _end: int = field(default=0, init=False)

    def next(self, samples: int, now_s: float | None = None) -> tuple[int, float]:
        """Time of the next burst, as full seconds and their fraction.

        Args:
            samples: its length.
            now_s: device time; None if it is not known, as where time stands still until the burst is there.
        """
        earliest = math.ceil(((now_s or 0.0) + self.lead_s) * self.sample_rate_hz)
        if self._first is None:
            self._first = start = earliest
        else:
            start = self._end if now_s is None else max(self._end, earliest)
            if self.period_s:
                period = max(1, round(self.period_s * self.sample_rate_hz))
                start = self._first + -(-(start - self._first) // period) * period
        self._end = start + samples
        seconds = int(start // self.sample_rate_hz)
        return seconds, (start - seconds * self.sample_rate_hz) / self.sample_rate_hz
