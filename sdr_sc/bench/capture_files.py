# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on files: memory and time of the verbs on a large recording, and SigMF's own validation of what was written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sdr_sc.capture import open_capture
from sdr_sc.documents import read_json
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import Row

_MEMORY_GOAL_MIB = 64.0
_PART = 2_000_000  # samples
_KIB = 1024
_SHIM = (
    "import resource, subprocess, sys\n"
    "status = subprocess.call(sys.argv[1:])\n"
    "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    "sys.exit(status)\n"
)
"""Runs a command and prints its peak memory: a child begins with its parent's as its peak, so this parent is small."""


def large_file_rows(folder: Path, size_bytes: float, small: Path, log: Callable[[str], None]) -> list[Row]:
    """The verbs on a large, sparse recording against the same on a small one.

    Args:
        size_bytes: of the samples.
        small: a recording whose samples and frames lie in the middle of the large one.
    """
    large = folder / "large"
    start, count = make_sparse(large, small, size_bytes)
    log(f"a recording of {size_bytes / 1e9:g} GB: info, check, cut, replay of a part")
    with open_capture(small) as capture:
        whole = capture.sample_count
    first, last = max(start - _PART, 0), start + min(count, _PART)
    verbs: dict[str, tuple[list[str], list[str]]] = {
        "info": (["capture", "info", "{file}"], ["capture", "info", "{file}"]),
        "check without checksum": (["capture", "check", "--no-hash", "{file}"],) * 2,
        "check with checksum": (["capture", "check", "{file}"],) * 2,
        "cut of a part": (
            ["capture", "cut", "{file}", f"{folder}/cut_large", "--samples", f"{first}:{last}"],
            ["capture", "cut", "{file}", f"{folder}/cut_small", "--samples", f"0:{whole}"],
        ),
        "replay of a part": (
            ["replay", "{file}", "--out", f"{folder}/out", "--samples", f"{first}:{last}"],
            ["replay", "{file}", "--out", f"{folder}/out"],
        ),
    }
    rows = []
    for name, commands in verbs.items():
        log(f"{name}")
        sizes, times = [], []
        for file, command in zip((large, small), commands, strict=True):
            peak_mib, took_s = _measure([part.format(file=file) for part in command], tolerate=name.startswith("check"))
            sizes.append(peak_mib)
            times.append(took_s)
        title = f"{size_bytes / 1e9:g} GB, {name}"
        rows += [
            Row.at_most(
                f"{title}: memory above that for a small recording", sizes[0] - sizes[1], "MiB", _MEMORY_GOAL_MIB
            ),
            Row(f"{title}: memory, peak", sizes[0], "MiB"),
            Row(f"{title}: time", times[0], "s"),
        ]
    large.with_suffix(".sigmf-data").unlink()
    large.with_suffix(".sigmf-meta").unlink()
    return rows


def make_sparse(file: Path, small: Path, size_bytes: float) -> tuple[int, int]:
    """A recording that is mostly a hole, with the samples and frames of a small one in its middle.

    Returns:
        Place and number of the small one's samples.
    """
    meta = read_json(small.with_suffix(".sigmf-meta"), "metadata", "record it again")
    with open_capture(small) as capture:
        sample_bytes = capture.raw(0, 1).nbytes
        total = int(size_bytes) // sample_bytes
        start, count = total // 2, capture.sample_count
        with open(file.with_suffix(".sigmf-data"), "wb") as data:
            data.truncate(total * sample_bytes)
            data.seek(start * sample_bytes)
            for place in range(0, count, 1 << 16):
                data.write(capture.raw(place, min(1 << 16, count - place)).tobytes())
    for note in meta["annotations"]:
        note["core:sample_start"] += start
    meta["captures"] = [{"core:sample_start": 0}]
    meta["global"]["sdr_sc:sample_count"] = total
    # A checksum has to be there, or check would read nothing; that it differs is what check reports.
    file.with_suffix(".sigmf-meta").write_text(json.dumps(meta))
    return start, count


def _measure(command: list[str], tolerate: bool) -> tuple[float, float]:
    """Peak memory of a command, MiB, and its time, s; with ``tolerate`` faults that it finds are its work."""
    began = time.monotonic()
    shim = [sys.executable, "-S", "-c", _SHIM]
    done = subprocess.run(
        [*shim, sys.executable, "-m", "sdr_sc.cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told, _, peak = done.stdout.rpartition("peak ")
    if done.returncode not in ((0, 1) if tolerate else (0,)) or "Traceback" in told:
        raise SdrScError(f"sdr-sc {' '.join(command)} failed: {(told.strip().splitlines() or ['no output'])[-1]}")
    return int(peak) / _KIB, time.monotonic() - began


def validity_row(folder: Path) -> Row:
    """SigMF's own validation on every metadata file below a folder."""
    files = sorted(folder.rglob("*.sigmf-meta"))
    failed = []
    for file in files:
        done = subprocess.run(
            [sys.executable, "-m", "sigmf.validate", str(file)], capture_output=True, text=True, timeout=600
        )
        if done.returncode:
            failed.append(f"{file.name}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    told = f" ({failed[0]})" if failed else ""
    return Row.at_most(f"files that sigmf_validate refuses{told}", len(failed), "files", 0, len(files))
