# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a generated flowgraph in a child process, so that a crash, too, is reported in one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from sdr_sc.flowgraph.compile import grc_environment
from sdr_sc.processes import ends_with_parent
from sdr_sc.shown import leave_terminal, shown

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 2.0
"""How long the child may take after a signal; its own limit is shorter."""


def run_in_child(generated: Path, options: list[str], timeout_s: float | None = None, close: bool = False) -> int:
    """Run a Python flowgraph with ``run_generated`` and return its exit status; see there for what it means.

    SIGINT, SIGTERM and SIGHUP are passed on; if this process is killed, the child gets SIGTERM. Call it from the main
    thread. A child that was killed by a signal gives 1, and one line on stderr that names the signal.
    """
    command = [sys.executable, "-m", "sdr_sc.flowgraph.run_generated", str(generated)]
    if timeout_s is not None:
        command += ["--timeout", repr(timeout_s)]
    if close:
        command.append("--close")
    child = subprocess.Popen([*command, "--", *options], env=grc_environment(), preexec_fn=ends_with_parent())
    signalled: list[int] = []
    kill_at: list[float] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_terminal()
        if not signalled:
            kill_at.append(time.monotonic() + GRACE_S)
            child.send_signal(number)
        signalled.append(number)

    # One that is ignored, as SIGHUP under nohup, stays so, here and in the child.
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        while True:
            try:
                status = child.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                if kill_at and time.monotonic() > kill_at[0]:
                    child.kill()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if child.poll() is None:
            child.kill()
            child.wait()
    if signalled:
        return 128 + signalled[0]
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        print(f"sdr-sc: error: flowgraph {shown(generated.name)} crashed ({name}) outside Python; "
              "its last output is above.", file=sys.stderr)  # fmt: skip
        return 1
    return status
