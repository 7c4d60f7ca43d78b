# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc tx`` and ``sdr-sc rx`` in processes of their own, as a user runs them in two terminals."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command import environment


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass
class Ends:
    """Both ends of a link on an air of their own; whatever still runs at the end is killed.

    Attributes:
        pace: ``step`` or ``rt``.
        program: of Python, which is `sdr-sc`.
    """

    folder: Path
    pace: str
    air: str = field(default_factory=lambda: f"test{uuid.uuid4().hex[:8]}")
    running: list[subprocess.Popen] = field(default_factory=list)
    program: tuple[str, ...] = ("-m", "sdr_sc.cli.main")

    def __post_init__(self) -> None:
        self.feedback, self.sent = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *details: object) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    def start(self, end: str, *options: object, device: str = "", feedback: str = "") -> subprocess.Popen:
        """Start an end; its results go to a folder of its own below ``folder/end``."""
        args = f"type=simusrp,name={end},air={self.air},pace={self.pace}"
        addresses = ("--feedback", feedback or self.feedback, "--sent", self.sent)
        command = [sys.executable, *self.program, end, "--args", args + device, *addresses]
        log = open(self.log(end), "a")  # noqa: SIM115
        process = subprocess.Popen(
            [*command, "--out", str(self.folder / end), *map(str, options)],
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.running.append(process)
        return process

    def log(self, end: str) -> Path:
        """What an end printed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{end}.log"

    def wait(self, process: subprocess.Popen, limit_s: float = 300.0) -> int:
        """Exit status of an end."""
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running; {[p.read_text() for p in self.folder.glob('*.log')]}") from None

    def summary(self, end: str, run: int = -1) -> dict[str, Any]:
        """``summary.json`` of a run of an end, the latest by default."""
        files = sorted((self.folder / end).glob("*/summary.json"), key=os.path.getmtime)
        assert files, self.log(end).read_text()
        return json.loads(files[run].read_text())

    def frames(self, run: int = -1) -> list[dict[str, str]]:
        """``frames.csv`` of a run of the receiver."""
        files = sorted((self.folder / "rx").glob("*/frames.csv"), key=os.path.getmtime)
        with open(files[run], newline="") as file:
            return list(csv.DictReader(file))

    def delivered(self, run: int = -1) -> list[int]:
        """Indices of the frames that were delivered; in real time a slow machine loses some of the others."""
        return [int(frame["frame_index"]) for frame in self.frames(run) if frame["status"] == "delivered"]

    def wait_for_frames(self, count: int, run: int = -1, limit_s: float = 300.0, delivered: bool = False) -> None:
        """Wait until the receiver has written so many frames down, or so many that were delivered."""
        over = time.monotonic() + limit_s
        while time.monotonic() < over:
            if list((self.folder / "rx").glob("*/frames.csv")):
                if len(self.delivered(run) if delivered else self.frames(run)) >= count:
                    return
            time.sleep(0.1)
        raise AssertionError(f"fewer than {count} frames; {[p.read_text() for p in self.folder.glob('*.log')]}")
