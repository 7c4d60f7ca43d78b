# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of a pool end with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import os, sys, time
from pathlib import Path
from sdr_sc.bench.distillation.pool import run_jobs

def job(path):
    Path(path).with_suffix(".part").write_text(str(os.getpid()))
    Path(path).with_suffix(".part").rename(path)
    time.sleep(600)

if __name__ == "__main__":
    run_jobs(job, [sys.argv[1]], (), 1, print)
"""


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_parent_leaves_no_process_behind(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(told)])
    deadline = time.monotonic() + 60
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    child = int(told.read_text())
    assert _runs(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    alive = _runs(child)
    if alive:
        os.kill(child, signal.SIGKILL)
    assert not alive
