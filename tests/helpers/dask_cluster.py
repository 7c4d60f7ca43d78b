# SPDX-License-Identifier: GPL-3.0-or-later
"""A Dask cluster on loopback: a scheduler and workers in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from command import environment


class Cluster:
    """Scheduler and workers; whatever still runs at the end is killed.

    Attributes:
        address: of the scheduler.
        workers: processes of one thread each, which nobody starts again.
    """

    def __init__(self, folder: Path, workers: int, **variables: str) -> None:
        self._folder, self._variables = folder, variables
        self.workers: list[subprocess.Popen] = []
        file = folder / "scheduler.json"
        dashboard = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        options = ("--host", "127.0.0.1", "--port", "0", *dashboard, "--scheduler-file", str(file))
        self.scheduler = self._start("scheduler", *options)
        over = time.monotonic() + 200
        while not file.exists() or not file.read_text().endswith("}"):
            assert time.monotonic() < over and self.scheduler.poll() is None, self._log("scheduler").read_text()
            time.sleep(0.05)
        self.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> subprocess.Popen:
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self._folder))
        worker = self._start("worker", self.address, "--host", "127.0.0.1", *options)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, count: int) -> None:
        """Until the scheduler knows so many."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *details: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                process.kill()
            process.wait()

    def _log(self, part: str) -> Path:
        return self._folder / f"{part}.log"

    def _start(self, part: str, *options: str) -> subprocess.Popen:
        code = f"from distributed.cli.dask_{part} import main; main()"
        variables = {"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}", **self._variables}
        with open(self._log(part), "a") as log:
            return subprocess.Popen(
                [sys.executable, "-c", code, *options],
                env=environment(OMP_NUM_THREADS="1", **variables),
                stdout=log,
                stderr=log,
            )
