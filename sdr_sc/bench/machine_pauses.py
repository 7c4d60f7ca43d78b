# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the machine itself stood still: what no program on it can make up for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

_TICK_S = 0.002
_STAT = Path("/proc/stat")


class MachinePauses:
    """Watches in a thread of its own, while entered, for times in which not even a sleeping thread was woken.

    On a virtual machine these are times in which its host ran others (steal); on any, times in which all cores were
    taken.

    Attributes:
        longest_ms: the longest pause so far, beyond the tick of 2 ms.
        steal_percent: part of the cores' time that the host gave to others; None where the system does not say.

    >>> with MachinePauses() as pauses:
    ...     time.sleep(0.05)
    >>> 0 <= pauses.longest_ms < 5000
    True
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.steal_percent: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="machine-pauses", daemon=True)

    def __enter__(self) -> MachinePauses:
        self._before = _cpu_times()
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._thread.join()
        after = _cpu_times()
        if self._before is not None and after is not None and after[1] > self._before[1]:
            self.steal_percent = 100 * (after[0] - self._before[0]) / (after[1] - self._before[1])

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.is_set():
            time.sleep(_TICK_S)
            now = time.monotonic()
            self.longest_ms = max(self.longest_ms, 1e3 * (now - last - _TICK_S))
            last = now


def _cpu_times() -> tuple[int, int] | None:
    """Steal, and all times of all cores, in the system's ticks."""
    try:
        fields = [int(field) for field in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return (fields[7], sum(fields)) if len(fields) == 8 else None
