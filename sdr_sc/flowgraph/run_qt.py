# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a Qt flowgraph made by grcc: its own ``main`` runs, watched for block errors, a deadline and signals."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from types import FrameType, ModuleType
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.errors import FlowgraphError, MissingDependencyError, SdrScError
from sdr_sc.flowgraph import harness
from sdr_sc.flowgraph.generated import warn_of_deaf_receivers
from sdr_sc.flowgraph.run_child import STOP_SIGNALS
from sdr_sc.shown import leave_terminal

POLL_MS = 50
_NO_WINDOW_PLATFORMS = ("offscreen", "minimal")


def require_display() -> None:
    """Qt aborts the process when it finds no display.

    Raises:
        MissingDependencyError: no display, and no Qt platform that does without.
    """
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise MissingDependencyError(
            "this flowgraph opens a window, but there is no display (DISPLAY is not set); "
            "run it with 'xvfb-run -a sdr-sc run ...' or with QT_QPA_PLATFORM=offscreen."
        )


def run_qt(
    module: ModuleType, cls: Any, options: argparse.Namespace, timeout_s: float | None, close: bool = False
) -> None:
    """Run until the window is closed, a block fails, the deadline passes or a signal comes.

    Args:
        module, cls: the generated module and its top block.
        options: for the top block's constructor.
        timeout_s: deadline in seconds, or None.
        close: end when the flowgraph's work is done; always so on a Qt platform without windows.

    Raises:
        SdrScError: what went wrong. ``Interrupted``: a signal came.
    """
    require_display()
    runner = _Runner(cls, timeout_s, close or os.environ.get("QT_QPA_PLATFORM", "") in _NO_WINDOW_PLATFORMS)
    real_signal, real_hook = signal.signal, sys.excepthook
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            real_signal(number, runner.interrupt)
    # main() would install handlers that stop without a limit in time and then exit with 0.
    signal.signal = lambda number, handler: signal.getsignal(number)  # type: ignore[assignment]
    # Without a hook PyQt aborts the process on an exception in a slot.
    sys.excepthook = lambda kind, error, trace: runner.end(error)
    # Qt reads its own options from here; the flowgraph's are parsed already.
    sys.argv = sys.argv[:1]
    try:
        module.main(runner.make, options)
    except SdrScError:
        raise
    except Exception as error:
        raise FlowgraphError(f"flowgraph {cls.__name__} cannot run: {failures.describe(error)}.") from error
    finally:
        signal.signal, sys.excepthook = real_signal, real_hook
        stopped = runner.stop()
        if runner.tb is not None and hasattr(module, "snippets_main_after_stop"):
            module.snippets_main_after_stop(runner.tb)
    if runner.reason is not None:
        raise runner.reason
    harness.raise_first_failure(runner.tb)
    if not stopped:
        raise harness.StuckError("the flowgraph did not stop: a block is stuck in its work or in its stop().")
    if runner.tb is not None:
        warn_of_deaf_receivers(runner.tb)


class _Runner:
    """What the watching timer needs to know; every method is called from the Qt (main) thread."""

    def __init__(self, cls: Any, timeout_s: float | None, close: bool) -> None:
        self.cls = cls
        self.timeout_s = timeout_s
        self.start_s = time.monotonic()
        self.close = close
        self.tb: Any = None
        self.reason: BaseException | None = None
        self.finished: threading.Event | None = None

    def make(self, **arguments: Any) -> Any:
        """Called by main() in place of the class: the Qt application is there, the flowgraph does not run yet."""
        from PyQt5 import QtCore

        from sdr_sc.flowgraph.generated import build

        self.tb = build(self.cls, arguments)
        start = self.tb.start

        def start_and_note_end(*args: Any) -> None:
            start(*args)
            self.finished = harness.in_thread(self.tb.wait, "flowgraph-wait")

        self.tb.start = start_and_note_end
        # The timer also lets Python run its signal handlers while Qt's loop has control.
        timer = QtCore.QTimer(self.tb)
        timer.timeout.connect(self.poll)
        timer.start(POLL_MS)
        return self.tb

    def poll(self) -> None:
        failure = harness.first_failure(self.tb)
        if self.reason is not None:
            # The first call came before Qt's loop ran, when it has no effect.
            self.end(self.reason)
        elif failure is not None:
            self.end(failure)
        elif self.timeout_s is not None and time.monotonic() > self.start_s + self.timeout_s:
            self.end(
                harness.DeadlineError(f"the flowgraph was still running after {self.timeout_s:g} s and was stopped.")
            )
        elif self.close and self.finished is not None and self.finished.is_set():
            self.end(None)

    def interrupt(self, number: int, _frame: FrameType | None) -> None:
        from sdr_sc.flowgraph.generated import Interrupted

        if number == signal.SIGHUP:
            leave_terminal()
        self.end(Interrupted(128 + number))

    def end(self, reason: BaseException | None) -> None:
        """Leave Qt's loop; the first reason counts."""
        from PyQt5 import QtWidgets

        self.reason = self.reason or reason
        QtWidgets.QApplication.quit()

    def stop(self) -> bool:
        if self.tb is None:
            return True
        interrupted = self.reason is not None and not isinstance(self.reason, Exception)
        limit_s = harness.INTERRUPT_LIMIT_S if interrupted else harness.STOP_LIMIT_S
        return harness.stop_flowgraph(self.tb, self.finished, limit_s)
