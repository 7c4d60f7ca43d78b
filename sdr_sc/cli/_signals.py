# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that ask a run for its end."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """While entered, Ctrl-C, SIGTERM and SIGHUP are counted, so that a run ends in good order with its results.

    Before `arm` they break off with KeyboardInterrupt: there is nothing to save. Once one has come, none breaks off
    what follows the run. A signal that is ignored, as SIGHUP under nohup, stays so. Main thread only.

    Attributes:
        count: signals that came.
    """

    def __init__(self) -> None:
        self.count = 0
        self._armed = False
        self._before: dict[int, Any] = {}

    def arm(self) -> None:
        """From now on there is something to save."""
        self._armed = True

    def __enter__(self) -> StopSignals:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *details: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.count and self._armed else handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        self.count += 1
        if not self._armed:
            raise KeyboardInterrupt


def _leave_terminal() -> None:
    """Write no more to a terminal that has gone: that would fail, and the results be lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if os.isatty(stream):
            os.dup2(nowhere, stream)
    os.close(nowhere)
