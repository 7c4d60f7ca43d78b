# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps on a real Dask cluster of two workers on loopback: the same figures, also when workers or scheduler go."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from command import assert_one_line_error, sdr_sc
from dask_cluster import Cluster
from sweeps import SMALL, exact, killed_always, slowly, small, tasks_of

from sdr_sc.cli.main import main
from sdr_sc.errors import SdrScError
from sdr_sc.sweep.cluster import DaskWorkers
from sdr_sc.sweep.points import measure
from sdr_sc.sweep.results import read_results


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory):
    with Cluster(tmp_path_factory.mktemp("cluster"), 2) as running:
        yield running


def test_a_sweep_survives_a_killed_worker_and_gives_what_one_machine_gives(cluster: Cluster, tmp_path: Path) -> None:
    content = {**SMALL, "items": 1000, "snr_db": [-3, 0, 3, 6, 9]}
    config = tmp_path / "s.yaml"
    config.write_text(yaml.safe_dump(content))
    journal, victim = tmp_path / "s.parquet.journal", cluster.workers[0]
    left_at_kill: list[int] = []

    def kill_one() -> None:
        over = time.monotonic() + 200
        while time.monotonic() < over and not left_at_kill:
            if journal.exists() and (points := journal.read_bytes().count(b"\n") - 1) >= 2:
                victim.kill()
                left_at_kill.append(10 - points)
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    done = sdr_sc("sweep", config, "--cluster", cluster.address, timeout_s=100)
    killer.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert victim.wait(10) == -9 and left_at_kill[0] >= 3, "there was work left when it was killed"
    found = read_results(tmp_path / "s.parquet").points
    alone = {task.point: measure(task) for task in tasks_of(small(**content))}
    assert exact(found) == exact(alone) and len(found) == 10
    assert "Traceback" not in done.stdout + done.stderr


def test_a_lost_worker_is_reported_and_its_points_are_measured_by_another(cluster: Cluster) -> None:
    found, told = [], []
    victim = cluster.add_worker()
    cluster.wait_for_workers(2)

    def on_done(result) -> None:
        found.append(result.point)
        if len(found) == 2:
            victim.kill()

    tasks = tasks_of(small(snr_db=list(range(5))))
    DaskWorkers(cluster.address).run(slowly, tasks, on_done, told.append)
    assert sorted(map(str, found)) == sorted(str(task.point) for task in tasks)
    assert len(told) == 1 and "was lost; what it had not finished is measured again" in told[0]


def test_workers_of_another_commit_are_refused(cluster: Cluster) -> None:
    task = replace(tasks_of(small())[0], fingerprint="sdr_sc 0.0, commit x, data y")
    with pytest.raises(SdrScError, match="a worker runs sdr_sc .* where this program is sdr_sc 0.0"):
        DaskWorkers(cluster.address).run(measure, [task], print, print)


def test_a_cluster_that_cannot_be_reached_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "s.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        for address in (nobody, "127.0.0.1:x", "nonsense://x:1", "tcp://no.such.host.invalid:8786"):
            with pytest.raises(SystemExit) as stop:
                main(["sweep", str(config), "--cluster", address])
            told = subprocess.CompletedProcess([], int(stop.value.code or 0), *capsys.readouterr())
            assert_one_line_error(told, f"the Dask cluster at {address} cannot be reached", "check that its scheduler")
    assert list(tmp_path.iterdir()) == [config]


def test_a_cluster_that_has_no_workers_or_ends_is_reported_and_keeps_what_was_measured(tmp_path: Path) -> None:
    kept = []

    def on_done(result) -> None:
        kept.append(result)
        cluster.scheduler.kill()

    with Cluster(tmp_path, 0, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        with pytest.raises(SdrScError, match=r"has had no worker for 1 s; start some with 'dask worker tcp://"):
            DaskWorkers(cluster.address, 1.0).run(slowly, tasks_of(small()), print, print)
        cluster.add_worker()
        with pytest.raises(SdrScError, match="lost worker after worker at ours, awgn 0 dB, k=4"):
            DaskWorkers(cluster.address, 30.0).run(killed_always, tasks_of(small(snr_db=[0], k=[4])), print, print)
        cluster.add_worker()
        tasks = tasks_of(small(snr_db=list(range(20))))
        with pytest.raises(SdrScError, match="was lost; finished points are kept: run the same command again"):
            DaskWorkers(cluster.address, 30.0).run(slowly, tasks, on_done, print)
    assert 1 <= len(kept) < len(tasks)
