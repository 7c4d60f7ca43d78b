# SPDX-License-Identifier: GPL-3.0-or-later
"""Small sweeps for tests, and results that nobody measured."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.sweep.config import SweepConfig, config_from
from sdr_sc.sweep.grid import Point, Task, make_tasks
from sdr_sc.sweep.results import columns
from sdr_sc.sweep.tally import PointResult

SMALL: dict[str, Any] = {
    "schemes": ["ours"],
    "channels": {"awgn": ""},
    "snr_db": [0, 10],
    "k": [4, "cam"],
    "items": 100,
    "items_per_frame": 50,
}
MARKS = "SDR_SC_TEST_MARKS"
"""Variable with a folder in which workers leave a file before they end."""
_had_a_process: list[bool] = []


def small(**changes: Any) -> SweepConfig:
    """A sweep of seconds."""
    return config_from({**SMALL, **changes})


def tasks_of(config: SweepConfig) -> list[Task]:
    """Its tasks, for models with the shipped student's list of k."""
    return list(make_tasks(config, dict.fromkeys((s.label for s in config.schemes), (2, 4, 8, 16, 32)), "abc").values())


def one_task(**changes: Any) -> Task:
    """The task of a sweep with one point."""
    (task,) = tasks_of(small(**{"snr_db": [10], "k": [8], **changes}))
    return task


def made_up(task: Task) -> PointResult:
    """A result without any measurement."""
    sizes = np.array([50, 50], np.int32)
    correct = np.array([45, 40], np.int32)
    confusion = np.zeros((10, 11), np.int32)
    confusion[0, 0], confusion[0, 10] = 85, 15
    few = np.arange(3, dtype=np.int32)
    return PointResult(
        task.point, "phy", 100, 85, 15, 2, 0, 800, 2000, 9.5, correct, sizes, correct, sizes, confusion, few, few, 0.5,
        task.git, np.array([0, 2, 0], np.int32), np.array([0, 2000, 0]),
    )  # fmt: skip


def exact(results: dict[Point, PointResult]) -> dict[Point, dict[str, Any]]:
    """Results without what differs from run to run."""
    return {point: {**columns(result), "seconds": 0, "git": ""} for point, result in results.items()}


def slowly(task: Task) -> PointResult:
    """Measures nothing, in its time."""
    time.sleep(0.3)
    return made_up(task)


def killed_once(task: Task) -> PointResult:
    """The worker that has the second point is killed, the first time."""
    mark = Path(os.environ[MARKS]) / "killed"
    if task.point.snr_db == 10 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return made_up(task)


def killed_always(task: Task) -> PointResult:
    """No worker survives this."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def with_a_process(task: Task) -> PointResult:
    """The point at 0 dB has a process of its own, and a file, which it ends and removes; that at 10 dB fails then, and
    others take long. A process that goes on after the first one leaves another file."""
    marks = Path(os.environ[MARKS])
    if _had_a_process:
        (marks / "went on").touch()
    if task.point.snr_db > 10:
        time.sleep(100)
    if task.point.snr_db == 0:
        _had_a_process.append(True)
        process = subprocess.Popen(["sleep", "100"])
        try:
            (marks / str(process.pid)).touch()
            process.wait()
        finally:
            process.kill()
            process.wait()
            (marks / str(process.pid)).unlink()
    while not any(name.name.isdigit() for name in marks.iterdir()):
        time.sleep(0.02)
    raise SdrScError(f"the other point fails at {time.monotonic()} s.")


def another_git(result: PointResult) -> PointResult:
    """The same, by another commit."""
    return replace(result, git="other")
