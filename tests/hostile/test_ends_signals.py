# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals at any moment, in any order: results are written, children end, and nothing is left lying about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import ROOT, environment

from sdr_sc.capture import open_capture
from sdr_sc.cli.shared.signals import StopSignals, Terminated, ends_as_ctrl_c
from sdr_sc.documents import read_json
from sdr_sc.processes import start_ticks

LOOPBACK = ROOT / "flowgraphs" / "sim_loopback.grc"
LIMIT_S = 120.0


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def wait_until(holds: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    over = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < over and (process is None or process.poll() is None)
        time.sleep(0.05)


def start(*words: object, log: Path, ignoring: bool = False) -> subprocess.Popen:
    """A command with its output in a file; ``ignoring``: SIGHUP, as nohup starts it."""

    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignoring else signal.SIG_DFL)

    command = [sys.executable, "-m", "sdr_sc.cli.main", *map(str, words)]
    with open(log, "w") as target:
        return subprocess.Popen(
            command, env=environment(), stdout=target, stderr=target, cwd=log.parent, preexec_fn=nohup
        )


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def frames_in(folder: Path) -> Callable[[], bool]:
    return lambda: any(lines(file) > 20 for file in folder.rglob("frames.csv"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_recording_that_is_ended_from_outside_is_whole(number: int, tmp_path: Path, temporary: Path) -> None:
    log = tmp_path / "log"
    device = f"type=simusrp,air=ended{os.getpid()}"
    process = start("record", "usrp", "pair", "--args", device, "--rate", "200e3", log=log)
    wait_until(lambda: "recording at" in log.read_text(), process)
    process.send_signal(number)
    process.send_signal(number)
    assert process.wait(LIMIT_S) == 0 and "recorded:" in log.read_text()
    with open_capture(tmp_path / "pair") as capture:
        assert capture.sample_count > 0
    assert not list(tmp_path.glob("*journal*")) and not list(temporary.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_demonstration_that_is_ended_from_outside_clears_away(number: int, tmp_path: Path, temporary: Path) -> None:
    log = tmp_path / "log"
    process = start("demo", "--images", 100_000, "--timeout", 1000, log=log)
    wait_until(frames_in(tmp_path), process)
    process.send_signal(number)
    assert process.wait(LIMIT_S) == 128 + number
    assert "sdr-sc: interrupted" in log.read_text() and "Traceback" not in log.read_text()
    assert not list(temporary.iterdir())


def test_a_flowgraph_whose_terminal_is_closed_writes_its_results(tmp_path: Path, temporary: Path) -> None:
    log, results = tmp_path / "log", tmp_path / "results"
    process = start("run", LOOPBACK, "--images", 100_000, "--folder", results, log=log)
    wait_until(frames_in(results), process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) in (129, 143)  # two threads may take one each, and either be the first
    assert (results / "images.npz").is_file() and not list(temporary.iterdir())


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path: Path, temporary: Path) -> None:
    log, results = tmp_path / "log", tmp_path / "results"
    process = start("run", LOOPBACK, "--images", 100_000, "--folder", results, log=log, ignoring=True)
    wait_until(frames_in(results), process)
    (child,) = children(process.pid)
    for pid in (process.pid, child):
        os.kill(pid, signal.SIGHUP)
    seen = lines(results / "frames.csv")
    wait_until(lambda: lines(results / "frames.csv") > seen, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 143


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_flowgraph_ends_in_good_order_when_what_started_it_is_killed(tmp_path: Path, temporary: Path) -> None:
    log, results = tmp_path / "log", tmp_path / "results"
    process = start("run", LOOPBACK, "--images", 100_000, "--folder", results, log=log)
    wait_until(frames_in(results), process)
    (child,) = children(process.pid)
    process.kill()
    process.wait(LIMIT_S)
    wait_until(lambda: not start_ticks(child))
    assert (results / "images.npz").is_file()


SOAK = """
import sys, time
from pathlib import Path
from sdr_sc.bench.hardening.fault_runs import Program
program = Program(["rx", "--args", "type=simusrp,air=orphan"], Path(sys.argv[1]))
print(program.process.pid, flush=True)
time.sleep(1000)
"""


def test_programs_under_a_bench_end_with_it_although_they_are_stopped(tmp_path: Path, temporary: Path) -> None:
    command = [sys.executable, "-c", SOAK, str(tmp_path / "log")]
    bench = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert bench.stdout is not None
    program = int(bench.stdout.readline())
    os.kill(program, signal.SIGSTOP)
    bench.kill()
    bench.communicate()
    wait_until(lambda: not start_ticks(program))


LATE = """
import os, signal, sys
from types import SimpleNamespace
from sdr_sc.flowgraph import usrp as usrp_link
from sdr_sc.results import rows as measurements
from sdr_sc import usrp
from sdr_sc.cli.main import main
counts = {"frames_sent": 1, "frames_without_feedback": 0, "frames_mapped": 0, "bursts_acknowledged": 1, "faults": {},
          "refinement": {"frames_without_items": 0},
          "level": {"clipped": 0, "samples": 1}, "feedback_refused_by_kind": {}}
def run_end(end, parameters, seconds, on_poll, prepare, asked, warn):
    prepare(SimpleNamespace())
    return SimpleNamespace(lost="", usrp_sink=None)
def write(*arguments):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(os.getpid(), number)
    real(*arguments)
real, measurements.write_json = measurements.write_json, write
usrp_link.run_end, usrp_link.transmitter_status = run_end, lambda tb: counts
usrp.device_report = lambda sink: {}
main(["tx", "--out", sys.argv[1]])
"""


def test_a_signal_between_the_end_of_a_run_and_its_summary_costs_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LATE, str(tmp_path)]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=LIMIT_S)
    assert run.returncode == 0, run.stderr
    (summary,) = tmp_path.glob("*-tx/summary.json")
    assert read_json(summary, "summary", "-")["rows"] and "results:" in run.stdout


def test_signals_are_raised_once_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated) as stop, ends_as_ctrl_c():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LIMIT_S)
    assert stop.value.status == 143 and signal.getsignal(signal.SIGTERM) == before
    with StopSignals() as signals:
        signals.arm()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert signals.count == 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        assert signal.getsignal(number) is signal.SIG_IGN
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
