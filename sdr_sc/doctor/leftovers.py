# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed programs of this user have left: shared memory, temporary folders, and what is mounted in these."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.places import dead_scratch_folders
from sdr_sc.simusrp import airs


@dataclass(frozen=True)
class Leftover:
    """A file or folder of a process that is not alive, and the bytes that it takes."""

    path: Path
    size_bytes: int


def find_leftovers() -> list[Leftover]:
    """Look in shared memory and in the folder for temporary files; other users' things are never among them."""
    files = [file for found in airs.left_over().values() for file in found]
    return [Leftover(path, _bytes_of(path)) for path in [*files, *dead_scratch_folders()]]


def remove_leftovers() -> list[Leftover]:
    """Remove them; returns those that are gone."""
    found = find_leftovers()
    airs.clean()
    for folder in dead_scratch_folders():
        for mounted in reversed(_mounted_below(folder)):  # the small disks of benches, which root alone can mount
            subprocess.run(["umount", "-l", str(mounted)], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    return [leftover for leftover in found if not leftover.path.exists()]


def _mounted_below(folder: Path) -> list[Path]:
    """File systems that are mounted in a folder, in the order in which they were mounted."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    escaped = [line.split(" ")[4] for line in lines]  # a blank in a path is \040
    paths = [Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), one)) for one in escaped]
    return [path for path in paths if folder.resolve() in path.parents]


def _bytes_of(path: Path) -> int:
    total = 0
    for part in [path, *path.rglob("*")] if path.is_dir() else [path]:
        try:
            total += part.lstat().st_blocks * 512
        except OSError:
            pass  # gone meanwhile
    return total
