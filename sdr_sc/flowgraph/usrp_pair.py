# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc tx`` and ``sdr-sc rx`` in processes of their own, on an air of their own, for measurements."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdr_sc.errors import SdrScError
from sdr_sc.results.run_folder import Table, only_run, read_frames
from sdr_sc.results.run_summary import read_summary
from sdr_sc.simusrp import build as simusrp

GRACE_S = 60.0
"""For the start of an end, or its end."""


@dataclass(frozen=True)
class PairResult:
    """What both ends left behind.

    Attributes:
        transmitter, receiver: their counters, see `sdr_sc.flowgraph.usrp`.
        rows: figures of the receiver, as in ``summary.json``, by name.
        frames: the receiver's ``frames.csv``.
    """

    transmitter: dict[str, Any]
    receiver: dict[str, Any]
    rows: dict[str, float]
    frames: Table

    @property
    def faults(self) -> dict[str, int]:
        """Underflows, late bursts, overflows, gaps and lost frames, by name, where there are any."""
        found = {**self.transmitter["faults"], **self.receiver["faults"]}
        for name in ("gaps", "frames_lost", "answers_unknown", "frames_refused"):
            if self.receiver[name]:
                found[name.replace("_", " ")] = self.receiver[name]
        if self.transmitter["frames_without_feedback"]:
            found["frames without feedback"] = self.transmitter["frames_without_feedback"]
        return found


def run_pair(
    folder: Path,
    seconds: float | None,
    tx_options: list[str],
    rx_options: list[str],
    tx_args: str = "",
    rx_args: str = "",
    limit_s: float | None = None,
) -> PairResult:
    """Run both ends until the transmitter ends.

    Args:
        folder: for their results and logs.
        seconds: after which the transmitter stops; None for when its images are sent.
        tx_options, rx_options: further options of the verbs.
        tx_args, rx_args: further device arguments, each with a comma in front.
        limit_s: until the transmitter has to have ended, with its start; None for two minutes more than ``seconds``.
            Each frame that is lost takes it the time-out of its feedback.

    Raises:
        SdrScError: an end failed, or did not end; with its last line.
    """
    simusrp.module_path()
    air = f"bench{uuid.uuid4().hex[:8]}"
    addresses = [f"tcp://127.0.0.1:{port}" for port in free_ports(2)]
    common = ["--feedback", addresses[0], "--sent", addresses[1]]
    stop = [] if seconds is None else ["--seconds", str(seconds)]
    processes = {
        end: _start(folder, end, f"type=simusrp,name={end},air={air}{args}", [*common, *options])
        for end, args, options in (("rx", rx_args, rx_options), ("tx", tx_args, [*tx_options, *stop]))
    }
    try:
        for end, end_limit_s in (("tx", limit_s or (seconds or 0.0) + 2 * GRACE_S), ("rx", 2 * GRACE_S)):
            try:
                status = processes[end].wait(end_limit_s)
            except subprocess.TimeoutExpired:
                raise SdrScError(
                    f"sdr-sc {end} did not end within {end_limit_s:g} s, and its log ends with "
                    f"{_last_line(folder / f'{end}.log')!r}; run it again with less else on this machine."
                ) from None
            if status:
                raise SdrScError(f"sdr-sc {end} failed: {_last_line(folder / f'{end}.log')}")
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
    run = only_run(folder / "rx")
    (tx, _), (rx, _) = read_summary(only_run(folder / "tx")), read_summary(run)
    rows = {row["name"]: row["value"] for row in rx["rows"]}
    return PairResult(tx["transmitter"], rx["accounting"], rows, read_frames(run))


def _start(folder: Path, end: str, device_args: str, options: list[str]) -> subprocess.Popen:
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "sdr_sc.cli.main",
        end,
        "--args",
        device_args,
        "--out",
        str(folder / end),
        *options,
    ]
    with open(folder / f"{end}.log", "w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ))


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def free_ports(count: int) -> list[int]:
    """Ports of this machine that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
