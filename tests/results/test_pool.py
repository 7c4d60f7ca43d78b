# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool of processes: order, threads, workers that are killed, errors, and a parent that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest
from pool_jobs import killed_always, killed_once, raises, squared_slowly_first, threads

from sdr_sc.errors import SdrScError
from sdr_sc.results.pool import MOST_DEATHS, map_jobs, run_jobs

PARENT = """
import os, sys, time
from pathlib import Path
from sdr_sc.results.pool import run_jobs

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
    deadline = time.monotonic() + 200
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


def test_results_come_in_the_order_of_the_jobs() -> None:
    for workers in (1, 2):
        assert map_jobs(squared_slowly_first, [3, 1, 2, 3], (10,), workers) == [19, 11, 14, 19]
    assert map_jobs(squared_slowly_first, [], (10,), 2) == []


def test_a_process_has_one_thread_and_this_one_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert map_jobs(threads, ["OMP_NUM_THREADS", "MKL_NUM_THREADS"], (), 2) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "3" and "MKL_NUM_THREADS" not in os.environ


def test_what_a_killed_process_had_is_done_by_another(tmp_path: Path) -> None:
    found: dict[int, int] = {}
    lines: list[str] = []
    run_jobs(killed_once, [1, 2, 3], (tmp_path,), 2, found.__setitem__, lines.append)
    assert found == {1: 1, 2: 2, 3: 3} and len(lines) == 1 and "a worker ended (SIGKILL)" in lines[0]


def test_a_job_that_kills_its_process_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SdrScError, match=r"workers ended 3 times at job seven \(SIGKILL\).*--workers") as error:
        run_jobs(killed_always, [7], (), 1, print, name=lambda job: {7: "job seven"}[job])
    assert "\n" not in str(error.value) and len(caplog.records) == MOST_DEATHS - 1


def test_an_error_of_a_job_ends_the_run() -> None:
    with pytest.raises(SdrScError, match="job 2 fails"):
        run_jobs(raises, [2, *range(100, 140)], (), 1, print)
    assert not active_children()
