# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults at random moments of real runs: nothing aborts, results can be read, and the cause is reported."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from sdr_sc.bench.hardening.fault_kinds import (
    foreign_air,
    nan_in_a_file,
    nan_in_some_answers,
    remove_folder,
    small_disk,
    take_files,
)
from sdr_sc.bench.hardening.fault_runs import Program, Verdict, judge
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.loopback import LOOPBACK
from sdr_sc.flowgraph.usrp_pair import free_ports
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import NOT_MEASURED, Row
from sdr_sc.simusrp import build as simusrp

TRIES = 20
_START_LIMIT_S, _END_LIMIT_S = 180.0, 120.0
_IMAGES, _ITEMS_PER_FRAME = 2400, 4
_LATEST = 0.4  # of a run's frames: its rows reach the disk half a second late, and the fault must not miss its end
_RUN_S = 6.0  # within which the fault comes to a receiver, after its first results


@dataclass(frozen=True)
class _Try:
    """One run with a fault."""

    folder: Path
    rng: np.random.Generator
    pair: bool


@dataclass(frozen=True)
class _Kind:
    """A fault: its name, what the error's line has to hold, and how it is put upon a run."""

    name: str
    cause: str
    run: Callable[[_Try, str], Verdict]


def bench_faults(quick: bool, seed: int, log: Callable[[str], None]) -> list[Row]:
    """All rows.

    Args:
        quick: each fault twice.
        seed: of the moments, and of what is broken.
        log: takes what is measured, and what went wrong.
    """
    simusrp.module_path()
    rows, tries = [], 2 if quick else TRIES
    with scratch_folder() as scratch:
        for number, kind in enumerate(_KINDS):
            log(f"{kind.name}, {tries} times")
            try:
                verdicts = [_tried(kind, Path(scratch), seed, number, turn, log) for turn in range(tries)]
            except _NotHereError as error:
                rows.append(Row(f"{kind.name}{NOT_MEASURED}{error}", float("nan"), ""))
                continue
            for field in fields(Verdict):
                found = sum(bool(getattr(verdict, field.name)) for verdict in verdicts)
                rows.append(Row.at_most(f"{kind.name}: runs with {_WORDS[field.name]}", found, "runs", 0, tries))
    return rows


_WORDS = {
    "aborts": "an abort, or no end",
    "tracebacks": "a traceback",
    "unreadable": "results that cannot be read",
    "unreported": "a cause that is not reported in one line, or status 0",
}


class _NotHereError(Exception):
    """This fault cannot be made on this machine, by this user."""


def _tried(kind: _Kind, scratch: Path, seed: int, number: int, turn: int, log: Callable[[str], None]) -> Verdict:
    folder = scratch / f"{number}_{turn}"
    verdict = kind.run(_Try(folder, np.random.default_rng((seed, number, turn)), turn % 2 == 1), kind.cause)
    for field in fields(Verdict):
        for words in getattr(verdict, field.name):
            log(f"{kind.name}, turn {turn}: {field.name}: {words}")
    return verdict


class _Run:
    """The simulated link in one process, or a receiver that records, beside its transmitter.

    Args:
        disk: where it writes its results.
        logs: for what it prints.
        pair: whether it is the receiver of a pair.
    """

    def __init__(self, disk: Path, logs: Path, pair: bool, options: tuple[str, ...] = ()) -> None:
        self.results, self.recording = disk / "out", disk / "recording" if pair else None
        self._transmitter: Program | None = None
        if not pair:
            words = ["run", str(LOOPBACK), "--", "--folder", str(self.results), "--images", str(_IMAGES)]
            self.program = Program([*words, "--items-per-frame", str(_ITEMS_PER_FRAME), *options], logs / "run.log")
            return
        air = f"fault{uuid.uuid4().hex[:8]}"
        feedback, sent = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
        common = ["--feedback", feedback, "--sent", sent]
        words = ["rx", "--args", f"type=simusrp,name=rx,air={air}", "--out", str(self.results), *common]
        self.program = Program([*words, "--record", str(self.recording), *options], logs / "rx.log")
        words = ["tx", "--args", f"type=simusrp,name=tx,air={air}", "--out", str(logs / "tx"), *common]
        # It outlasts the fault, and ends soon where the receiver goes on.
        self._transmitter = Program([*words, "--images", "0", "--seconds", "15"], logs / "tx.log")

    @property
    def folders(self) -> list[Path]:
        """Where ``frames.csv`` is."""
        return [path.parent for path in self.results.glob("**/frames.csv")]

    def rows(self) -> int:
        """Rows of ``frames.csv`` so far, the header included."""
        return sum((folder / "frames.csv").read_bytes().count(b"\n") for folder in self.folders)

    def wait_for_results(self) -> None:
        """Until its first file is there."""
        if not self.program.wait_until(lambda: bool(self.folders), _START_LIMIT_S):
            raise SdrScError(f"a run ended before its fault, or did not begin: {self.program.text[-300:]!r}.")

    def verdict(self, cause: str) -> Verdict:
        """What is wrong with its end."""
        status = self.program.end(_END_LIMIT_S)
        return judge(status, self.program.text, cause, self.folders, self.recording)

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *details: object) -> None:
        self.program.kill()
        if self._transmitter is not None:
            self._transmitter.kill()


def _disk_full(one: _Try, cause: str) -> Verdict:
    with small_disk(one.folder / "disk") as disk, _Run(disk.folder, one.folder, one.pair) as run:
        run.wait_for_results()
        _wait_a_moment(run, one.rng)
        disk.fill(run.program.worker)
        return run.verdict(cause)


def _folder_removed(one: _Try, cause: str) -> Verdict:
    with _Run(one.folder / "disk", one.folder, one.pair) as run:
        run.wait_for_results()
        _wait_a_moment(run, one.rng)
        remove_folder(run.results)
        return run.verdict(cause)


def _no_more_files(one: _Try, cause: str) -> Verdict:
    with _Run(one.folder / "disk", one.folder, one.pair) as run:
        run.wait_for_results()
        _wait_a_moment(run, one.rng)
        take_files(run.program.worker)
        return run.verdict(cause)


def _model_nan(one: _Try, cause: str) -> Verdict:
    path = one.folder / "model.safetensors"
    one.folder.mkdir(parents=True, exist_ok=True)
    (nan_in_a_file if one.pair else nan_in_some_answers)(path, one.rng)
    with _Run(one.folder / "disk", one.folder, False, ("--model", str(path))) as run:
        return run.verdict(cause)


def _foreign_memory(one: _Try, cause: str) -> Verdict:
    air = f"fault{uuid.uuid4().hex[:8]}"
    try:
        file = foreign_air(air)
    except SdrScError as error:
        raise _NotHereError(str(error).rstrip(".")) from error
    verb = "rx" if one.pair else "tx"
    words = [verb, "--args", f"type=simusrp,air={air}", "--out", str(one.folder / "out")]
    ports = free_ports(2)
    words += ["--feedback", f"tcp://127.0.0.1:{ports[0]}", "--sent", f"tcp://127.0.0.1:{ports[1]}"]
    program = Program(words, one.folder / f"{verb}.log")
    try:
        return judge(program.end(_END_LIMIT_S), program.text, cause, [], None)
    finally:
        program.kill()
        file.unlink(missing_ok=True)


def _wait_a_moment(run: _Run, rng: np.random.Generator) -> None:
    if run.recording is not None:  # it goes on for as long as its transmitter
        over = time.monotonic() + rng.uniform(0.0, _RUN_S)
        run.program.wait_until(lambda: time.monotonic() > over, _RUN_S)
        return
    frames = round(rng.uniform(0.0, _LATEST) * _IMAGES / _ITEMS_PER_FRAME)
    run.program.wait_until(lambda: run.rows() > frames, _START_LIMIT_S)


_KINDS = (
    _Kind("disk full", "No space left|File too large|quota", _disk_full),
    _Kind("results folder removed", "removed|No such file", _folder_removed),
    _Kind("no more files may be opened (EMFILE)", "Too many open files|No file descriptors", _no_more_files),
    _Kind("model that computes no numbers", "model.safetensors.*no finite numbers", _model_nan),
    _Kind("foreign shared memory", "user|owner|uid", _foreign_memory),
)
