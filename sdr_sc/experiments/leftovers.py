# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed programs of this user have left on the machine: shared memory and temporary folders."""

from __future__ import annotations

import shutil
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
        shutil.rmtree(folder, ignore_errors=True)
    return [leftover for leftover in found if not leftover.path.exists()]


def _bytes_of(path: Path) -> int:
    total = 0
    for part in [path, *path.rglob("*")] if path.is_dir() else [path]:
        try:
            total += part.lstat().st_blocks * 512
        except OSError:
            pass  # gone meanwhile
    return total
