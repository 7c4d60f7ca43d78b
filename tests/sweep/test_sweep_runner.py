# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole sweeps on local workers: resumed after a kill, workers that die, Ctrl-C, and the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest
import yaml
from command import environment
from sweeps import MARKS, SMALL, exact, killed_always, killed_once, made_up, slowly, small, tasks_of, with_a_process

from sdr_sc.bench.sweep import bench_sweep
from sdr_sc.cli.main import main
from sdr_sc.errors import SdrScError
from sdr_sc.results.pool import UNWIND_S
from sdr_sc.sweep import runner
from sdr_sc.sweep.results import read_results
from sdr_sc.sweep.workers import LocalWorkers


class InThisProcess:
    """Workers without processes."""

    def run(self, measure, tasks, on_done, on_trouble) -> None:
        for task in tasks:
            on_done(measure(task))


def started(config: Path, *options: object) -> subprocess.Popen:
    """The command in a process group of its own."""
    command = [sys.executable, "-m", "sdr_sc.cli.main", "sweep", str(config), *map(str, options)]
    return subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_points(journal: Path, count: int, process: subprocess.Popen, limit_s: float = 200.0) -> None:
    over = time.monotonic() + limit_s
    while time.monotonic() < over:
        if journal.exists() and journal.read_bytes().count(b"\n") > count:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    raise AssertionError("no points")


def test_a_sweep_that_was_killed_or_interrupted_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = tmp_path / "s.yaml", tmp_path / "s.parquet"
    content = {**SMALL, "items": 800, "snr_db": list(range(0, 20, 2)), "channels": {"r": "tdl_c(delay_spread_ns=300)"}}
    config.write_text(yaml.safe_dump(content))
    for end in (signal.SIGKILL, signal.SIGINT):
        process = started(config, "--workers", 1)
        wait_for_points(tmp_path / "s.parquet.journal", 1 if end == signal.SIGKILL else 5, process)
        os.killpg(process.pid, end)
        told, _ = process.communicate(timeout=200)
        if end == signal.SIGINT:
            assert process.returncode == 130 and "interrupted" in told and "Traceback" not in told
    before = read_results(out).points
    assert 3 <= len(before) < 20, "Ctrl-C leaves a results file"
    monkeypatch.setattr("sdr_sc.sweep.workers.LocalWorkers", lambda count: InThisProcess())
    with pytest.raises(SystemExit) as stop:
        main(["sweep", str(config), "--json", str(tmp_path / "s.json")])
    assert not stop.value.code and f"{len(before)} of 20 points are there already" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"s.yaml", "s.parquet", "s.json"}
    whole = runner.run_sweep(small(**content), tmp_path / "whole.parquet", InThisProcess())
    assert exact(read_results(out).points) == exact(whole)
    rows = {row["name"]: row for row in json.loads((tmp_path / "s.json").read_text())["rows"]}
    accuracy = rows["accuracy, ours, r 10 dB, k=4"]
    assert accuracy["n"] == 800 and accuracy["ci95"][0] < accuracy["value"] < accuracy["ci95"][1]
    assert rows["channel uses per item, ours, r 10 dB, k=4"]["value"] == 4


def test_points_that_are_there_are_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, measured = tmp_path / "s.parquet", []
    monkeypatch.setattr(runner, "measure", lambda task: (measured.append(task.point), made_up(task))[1])
    runner.run_sweep(small(snr_db=[0]), out, InThisProcess())
    found = runner.run_sweep(small(), out, InThisProcess())
    assert len(measured) == len(set(measured)) == len(found) == 4
    stamp = out.stat().st_mtime_ns
    assert len(runner.run_sweep(small(), out, InThisProcess())) == 4 and out.stat().st_mtime_ns == stamp
    runner.run_sweep(small(), out, InThisProcess(), force=True)
    assert len(measured) == 8


def test_a_sweep_that_fails_keeps_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_at_10_db(task):
        if task.point.snr_db == 10:
            raise SdrScError("the point fails.")
        return made_up(task)

    monkeypatch.setattr(runner, "measure", fails_at_10_db)
    with pytest.raises(SdrScError, match="the point fails"):
        runner.run_sweep(small(), tmp_path / "s.parquet", InThisProcess())
    assert {point.snr_db for point in read_results(tmp_path / "s.parquet").points} == {0}


def test_points_of_a_worker_that_is_killed_are_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARKS, str(tmp_path))
    found, told = [], []
    LocalWorkers(2).run(killed_once, tasks_of(small()), found.append, told.append)
    assert (tmp_path / "killed").exists() and len(told) == 1 and "a worker ended (SIGKILL)" in told[0]
    assert sorted(str(r.point) for r in found) == sorted(str(t.point) for t in tasks_of(small()))


def test_a_point_that_kills_every_worker_is_named() -> None:
    told: list[str] = []
    with pytest.raises(SdrScError, match=r"workers ended 3 times at ours, awgn 0 dB, k=4, seed 1 \(SIGKILL\)"):
        LocalWorkers(1).run(killed_always, tasks_of(small()), lambda result: None, told.append)
    assert len(told) == 2


def test_an_error_in_the_sweep_stops_the_workers() -> None:
    measured: list[object] = []

    def full(result: object) -> None:
        measured.append(result)
        raise SdrScError("the disk is full.")

    with pytest.raises(SdrScError, match="the disk is full"):
        LocalWorkers(1).run(slowly, tasks_of(small(snr_db=list(range(40)))), full, print)
    assert len(measured) == 1, "of 80 points"
    assert not active_children(), "workers that go on measuring"


def test_what_a_point_has_started_ends_when_another_point_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARKS, str(tmp_path))
    with pytest.raises(SdrScError, match="the other point fails") as told:
        LocalWorkers(2).run(with_a_process, tasks_of(small(k=[4], snr_db=[0, 10, 20, 30, 40])), print, print)
    assert not list(tmp_path.iterdir()), "a process or its file was left behind, or a worker that is to end went on"
    failed = float(str(told.value).split()[-2])
    assert time.monotonic() - failed < UNWIND_S, "a worker did not end by itself"


def test_the_bench_of_the_speed_has_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdr_sc.bench.sweep._QUICK_ITEMS", 20)
    monkeypatch.setattr("sdr_sc.bench.sweep.LocalWorkers", lambda count: InThisProcess())
    told: list[str] = []
    rows = bench_sweep(True, told.append)
    assert rows[0].n == 52 and rows[0].goal == "<= 300 s" and "from 20 items" in rows[0].name
    assert rows[0].value > 100 * rows[2].value * 1e-6 * 52, "the other 9,980 items count"
    assert rows[1].name.startswith("2 workers over 1") and rows[1].goal == ">= 1.8 times" and len(told) == 2
