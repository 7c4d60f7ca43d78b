# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that ask a run for its end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from sdr_sc.shown import leave_terminal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP came: ends what runs as Ctrl-C does, so that it writes its results and clears away.

    Attributes:
        status: exit status that stands for the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


@contextlib.contextmanager
def ends_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM (systemd, timeout) and SIGHUP (a closed terminal) raise `Terminated`.

    By default they end a process at once, and what it was writing is cut. One that is ignored (nohup) stays so.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        for each in before:  # the end has begun: another one would only cut it short
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGHUP:
            leave_terminal()
        raise Terminated(number)

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopSignals:
    """While entered, Ctrl-C, SIGTERM and SIGHUP are counted, so that a run ends in good order with its results.

    Before `arm` they break off with KeyboardInterrupt: there is nothing to save. From then on none breaks off what
    happens within; stay in it until the results are written. A signal that is ignored, as SIGHUP under nohup, stays so.
    Main thread only.

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
            leave_terminal()
        self.count += 1
        if not self._armed:
            raise Terminated(number)
