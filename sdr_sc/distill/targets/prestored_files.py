# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of pre-stored knowledge: read checked, and written by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import read_plain

AGAIN = "run 'sdr-sc prestore' with its settings again"
"""How to fix most faults."""


def read_whole(path: Path, sha256: str, size: int | None = None) -> bytes:
    """A file's content, checked.

    Raises:
        ContractError: the file is missing or damaged.
    """
    try:
        content = read_plain(path)
    except OSError as error:
        raise ContractError(f"{path} cannot be read ({error.strerror}); {AGAIN}.") from error
    if size is not None and len(content) != size:
        raise ContractError(f"{path} has {len(content)} bytes where {size} belong; delete it and {AGAIN}.")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ContractError(f"{path} is damaged (its SHA-256 is not the manifest's); delete it and {AGAIN}.")
    return content


def remove_partials(folder: Path) -> None:
    """Remove what a kill left of a file that was being written; only under `locked`."""
    for partial in folder.glob("*.partial"):
        with contextlib.suppress(OSError):  # the next write reports it
            partial.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from writing it; a process that ends frees it, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise SdrScError(f"folder {folder} cannot be made ({error.strerror}); choose another --out.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SdrScError(f"another process writes {folder}; wait for it, or choose another --out.") from error
        yield
    finally:
        os.close(handle)
