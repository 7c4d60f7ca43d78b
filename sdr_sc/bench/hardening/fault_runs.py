# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of ours as children, and what is wrong with how they ended and with what they left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdr_sc.capture import open_capture
from sdr_sc.errors import SdrScError
from sdr_sc.processes import ends_with_parent
from sdr_sc.results.run_folder import read_frames, read_images, read_items
from sdr_sc.results.run_summary import read_summary

_COMMAND = ("-m", "sdr_sc.cli.main")
_POLL_S = 0.02
_ERROR = "sdr-sc: error: "


class Program:
    """``sdr-sc VERB ...`` in a process group of its own, with all that it prints in one file.

    It ends with the process that started it.

    Args:
        words: verb and options.
        log: file for what it prints.
    """

    def __init__(self, words: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            # A shell's background jobs ignore Ctrl-C, and all that they start inherits it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with open(log, "wb") as target:
            self.process = subprocess.Popen(
                [sys.executable, *_COMMAND, *words],
                stdout=target,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=ends_with_parent(signal.SIGKILL),  # also while it is stopped
            )

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    @property
    def worker(self) -> int:
        """The process that does the work: its only child, or itself."""
        try:
            found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            found = []
        return int(found[0]) if found else self.process.pid

    def wait_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Wait for a condition; False if the program ends before, or time is up."""
        over = time.monotonic() + limit_s
        while time.monotonic() < over:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(_POLL_S)
        return False

    def end(self, limit_s: float) -> int | None:
        """Its exit status; None if it had to be killed, since it did not end in time."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self) -> None:
        """End it, and its children, whatever they do."""
        for number in (signal.SIGCONT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                break
        self.process.wait()


@dataclass
class Verdict:
    """What is wrong with a run that met a fault, in words; empty where nothing is.

    Attributes:
        aborts: it was ended by a signal, or did not end.
        tracebacks: of Python or C++.
        unreadable: results that cannot be read as far as they go.
        unreported: the cause is not given in one line, or the status says that all went well.
    """

    aborts: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unreported: list[str] = field(default_factory=list)


def judge(status: int | None, text: str, cause: str, results: Sequence[Path], recording: Path | None) -> Verdict:
    """What is wrong with a run that met a fault.

    Args:
        status: exit status; None where it did not end.
        text: all that it printed.
        cause: a pattern that the error's line has to match.
        results: folders; those that are not there are left out.
        recording: a pair, without ending; None for none.
    """
    verdict, last = Verdict(), (text.strip().splitlines() or ["nothing printed"])[-1]
    if status is None:
        verdict.aborts.append(f"did not end: {last}")
    elif status < 0 or "outside Python" in text or "terminate called" in text:
        verdict.aborts.append(f"status {status}: {last}")
    if "Traceback (most recent call last)" in text:
        verdict.tracebacks.append(last)
    lines = [line for line in text.splitlines() if line.startswith(_ERROR)]
    # Long lines may be broken by a terminal's width where a console prints them; an error's line never is.
    if status == 0 or len(lines) != 1 or not re.search(cause, lines[0]):
        verdict.unreported.append(f"status {status}: {' / '.join(lines) or last}")
    for folder in results:
        if folder.is_dir():
            verdict.unreadable += unreadable_in(folder)
    if recording is not None:
        verdict.unreadable += unreadable_recording(recording)
    return verdict


def unreadable_in(folder: Path) -> list[str]:
    """Results in a folder that cannot be read, as sentences; a file that is not there, or is empty, is none."""
    found = []
    readers: dict[str, Callable[[Path], object]] = {
        "frames.csv": read_frames,
        "items.csv": read_items,
        "summary.json": read_summary,
        "images.npz": read_images,
    }
    for name, reader in readers.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size == 0:
            continue
        try:
            reader(folder)
            if path.suffix == ".csv" and not path.read_bytes().endswith(b"\n"):
                raise SdrScError(f"{path} ends within a line")
        except (SdrScError, OSError) as error:
            found.append(f"{path}: {error}")
    return found


def unreadable_recording(pair: Path) -> list[str]:
    """Why a recording cannot be read; empty if it can, or if there is none."""
    meta = pair.with_name(pair.name + ".sigmf-meta")
    if not meta.is_file():
        return []
    try:
        with open_capture(meta) as capture:
            sum(1 for _ in capture.frames())
            if capture.sample_count:
                capture.samples(0, min(capture.sample_count, 1000))
    except (SdrScError, OSError, ValueError) as error:
        return [f"{pair}: {error}"]
    return []
