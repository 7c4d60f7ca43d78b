# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on recording in real time: samples lost, and memory over time."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from sdr_sc.capture import open_capture
from sdr_sc.capture.datatype import FORMATS
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import NOT_MEASURED, Row
from sdr_sc.simusrp import build as simusrp

RATE_HZ = 10e6
_POLL_S = 0.25
_GRACE_S = 120.0
_MEMORY_GOAL_MIB = 32.0


def recording_rows(folder: Path, seconds: float, log: Callable[[str], None]) -> list[Row]:
    """A simulated USRP in real time at 10 MS/s, recorded by ``sdr-sc record usrp`` in a process of its own.

    Args:
        folder: for the recording, whose samples are removed afterwards.
        seconds: of each recording.
    """
    simusrp.module_path()
    rows = []
    for datatype in ("cf32_le", "ci16_le"):
        name = f"recording at {RATE_HZ / 1e6:g} MS/s for {seconds:g} s, {datatype}"
        needed = RATE_HZ * seconds * FORMATS[datatype].sample_bytes
        free = shutil.disk_usage(folder).free
        if free < 1.2 * needed:
            rows.append(Row(f"{name}{NOT_MEASURED}it needs {1.2 * needed / 1e9:.1f} GB in TMPDIR", math.nan, "samples"))
            continue
        log(name)
        file = folder / f"rate_{datatype}"
        growth_mib, peak_mib = _record(file, seconds, datatype)
        capture = open_capture(file)
        lost = _missing(file) + round(RATE_HZ * seconds) - capture.sample_count
        rows += [
            Row.at_most(f"{name}: samples lost", lost, "samples", 0, capture.sample_count),
            Row.at_most(f"{name}: memory growth after the first fifth", growth_mib, "MiB", _MEMORY_GOAL_MIB),
            Row(f"{name}: memory, peak", peak_mib, "MiB"),
        ]
        capture.close()
        file.with_suffix(".sigmf-data").unlink()  # the metadata stays, to be validated
    return rows


def _missing(file: Path) -> int:
    """Samples that were lost within a recording, by its segments."""
    with open_capture(file) as capture:
        last = capture.segments[-1]
    return 0 if last.global_index is None else last.global_index - last.sample_start


def _record(file: Path, seconds: float, datatype: str) -> tuple[float, float]:
    """Growth of the process' memory after the first fifth of the time, and its peak, MiB."""
    args = f"type=simusrp,air=bench{uuid.uuid4().hex[:8]},pace=rt,rx_buffer_ms=500"  # as num_recv_frames on a device
    command = [sys.executable, "-m", "sdr_sc.cli.main", "record", "usrp", str(file), "--args", args]
    command += ["--rate", str(RATE_HZ), "--seconds", str(seconds), "--datatype", datatype]
    memory: list[tuple[float, float]] = []
    data = file.with_suffix(".sigmf-data")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    over = time.monotonic() + seconds + _GRACE_S
    try:
        while process.poll() is None:
            if time.monotonic() > over:
                raise SdrScError(f"sdr-sc record did not end within {seconds + _GRACE_S:g} s.")
            if data.exists() and data.stat().st_size:
                memory.append((time.monotonic(), _resident_mib(process.pid)))
            time.sleep(_POLL_S)
    finally:
        if process.poll() is None:
            process.kill()
        _, errors = process.communicate()
    if process.returncode:
        raise SdrScError(f"sdr-sc record failed: {(errors.strip().splitlines() or ['no output'])[-1]}")
    return _growth(memory)


def _growth(memory: list[tuple[float, float]]) -> tuple[float, float]:
    """Growth from the first fifth of the time on, and peak, of times and sizes; NaN without any.

    >>> _growth([(0.0, 10.0), (2.0, 50.0), (5.0, 51.0), (10.0, 52.0)])
    (2.0, 52.0)
    """
    used = [(at, size) for at, size in memory if size > 0]
    if not used:
        return math.nan, math.nan
    begin, end = used[0][0], used[-1][0]
    late = [size for at, size in used if at >= begin + 0.2 * (end - begin)]
    return max(late) - late[0], max(size for _, size in used)


def _resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM, MiB; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
