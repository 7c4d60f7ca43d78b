# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs for pools of processes, which find them by the name of this module."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sdr_sc.errors import SdrScError


def squared_slowly_first(job: int, more: int) -> int:
    time.sleep(0.2 if job == 3 else 0.0)
    return job * job + more


def threads(name: str) -> str | None:
    return os.environ.get(name)


def killed_once(job: int, folder: Path) -> int:
    mark = folder / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def killed_always(job: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raises(job: int) -> None:
    if job < 100:
        raise SdrScError(f"job {job} fails.")
    time.sleep(5.0)
