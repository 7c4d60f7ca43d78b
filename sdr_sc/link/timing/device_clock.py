# SPDX-License-Identifier: GPL-3.0-or-later
"""A device's time without asking the device each time, which may take a millisecond."""

from __future__ import annotations

import time
from collections.abc import Callable

_REFRESH_S = 1.0


class DeviceClock:
    """The device's time, carried on by the machine's monotonic clock between questions.

    Args:
        read: asks the device; seconds.
        refresh_s: how long an answer is carried on; the two clocks drift by microseconds a second.
    """

    def __init__(self, read: Callable[[], float], refresh_s: float = _REFRESH_S) -> None:
        self._read, self._refresh_s = read, refresh_s
        self._asked, self._offset = float("-inf"), 0.0

    def now_s(self) -> float:
        """Device time, s."""
        now = time.monotonic()
        if now - self._asked > self._refresh_s:
            try:
                answer = self._read()
            except RuntimeError:  # a device that is gone: whoever watches its samples and answers reports it
                if self._asked == float("-inf"):
                    raise
                self._asked = now
                return now + self._offset
            after = time.monotonic()
            self._offset = answer - 0.5 * (now + after)
            self._asked = now = after
        return now + self._offset
