# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files that must belong to the one who runs this; for every layer.

Whoever may write a cache of code, or a file in shared memory, decides what this process does: such places are used only
if they are this user's own and nobody else may write them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sdr_sc.errors import SdrScError
from sdr_sc.processes import MARK, has_ended, process_mark
from sdr_sc.shown import shown

TEMPORARY_CACHE = "sdr_sc-cache-"
"""How the names of caches in the folder for temporary files begin."""
_REPLACED = "SDR_SC_REPLACED_HOME"
_SCRATCH = "sdr_sc-scratch-"


def why_not_own(status: os.stat_result) -> str:
    """Why a file or folder is not to be trusted: '' if it is this user's and nobody else may write it.

    >>> why_not_own(os.stat_result((0o100600, 1, 1, 1, os.geteuid(), 0, 0, 0, 0, 0)))
    ''
    """
    if status.st_uid != os.geteuid():
        return f"it belongs to user {status.st_uid}, not to user {os.geteuid()}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def why_not_private(status: os.stat_result) -> str:
    """As `why_not_own`, and '' only if nobody else may read it either.

    >>> why_not_private(os.stat_result((0o100644, 1, 1, 1, os.geteuid(), 0, 0, 0, 0, 0)))
    'others may read it (mode 0644)'
    """
    reason = why_not_own(status)
    if not reason and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"others may read it (mode {stat.S_IMODE(status.st_mode):04o})"
    return reason


def own_folder(path: Path) -> Path:
    """Make a folder for this user alone (mode 0700), or take one that is there and is so.

    Raises:
        SdrScError: it cannot be made or written, is a link or no folder, or is another user's.
    """
    name = shown(path)
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700, parents=True)
        status = path.lstat()
    except OSError as error:
        raise SdrScError(f"folder {name} cannot be made ({error.strerror or error}); choose another.") from None
    if not stat.S_ISDIR(status.st_mode):
        raise SdrScError(f"{name} is a link or a file where a folder has to be; remove it.")
    reason = why_not_own(status)
    if reason:
        raise SdrScError(f"folder {name} is not used, because {reason}; remove it, or name another place.")
    if not os.access(path, os.W_OK | os.X_OK):
        raise SdrScError(f"folder {name} cannot be written; make rights there.")
    return path


def has_writable_home() -> bool:
    """Whether ``HOME`` names a folder in which this user may make files."""
    home = os.environ.get("HOME", "")
    return os.path.isabs(home) and os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK)


def replaced_home() -> str | None:
    """The ``HOME`` that `use_writable_home` has replaced, in this process or one that started it."""
    return os.environ.get(_REPLACED)


def use_writable_home() -> None:
    """Give this process and its children a ``HOME`` of their own where theirs is not there or cannot be written.

    Call it before numba, GNU Radio or libuhd are imported: numba's cache and the settings of GNU Radio (``.gnuradio``),
    libuhd and matplotlib lie in HOME, and each of them fails without it. Settings that can be read are still found, by
    ``XDG_CONFIG_HOME`` and ``XDG_DATA_HOME``.

    Raises:
        SdrScError: there is no folder that can be written.
    """
    if has_writable_home():
        return
    home = os.environ.get("HOME", "")
    private = own_folder(cache_folder() / "home")
    for name, folder in {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share"}.items():
        if os.path.isabs(home) and os.path.isdir(os.path.join(home, folder)):
            os.environ.setdefault(name, os.path.join(home, folder))
    os.environ["HOME"] = str(private)
    os.environ[_REPLACED] = home


def cache_folder() -> Path:
    """A folder for caches, this user's own: below ``XDG_CACHE_HOME`` or ``~/.cache``, or a temporary one that stays.

    A service or a container may have no home that can be written. Where even the usual temporary name is somebody
    else's, the folder is a new one for this process.

    Raises:
        SdrScError: no folder for temporary files can be written.
    """
    return _cache_folder(os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", ""))


@functools.cache
def _cache_folder(named: str, home: str) -> Path:
    bases = [Path(named)] if os.path.isabs(named) else []
    bases += [Path(home) / ".cache"] if os.path.isabs(home) and os.path.isdir(home) else []
    places = [base / "sdr_sc" for base in bases]
    try:
        places.append(Path(tempfile.gettempdir()) / f"{TEMPORARY_CACHE}{os.geteuid()}")
    except OSError:
        raise SdrScError("no folder for caches and temporary files can be written; set TMPDIR to one.") from None
    for place in places:
        try:
            return own_folder(place)
        except SdrScError:
            continue
    return Path(tempfile.mkdtemp(prefix=TEMPORARY_CACHE))


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for temporary files, this user's own, which is gone afterwards.

    Its name holds the process id, by which `dead_scratch_folders` finds those whose process was killed.

    Raises:
        SdrScError: it cannot be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(
            prefix=f"{_SCRATCH}{process_mark()}-",
            ignore_cleanup_errors=True,  # what was removed or locked meanwhile costs no run its results
        )
    except OSError as error:
        reason = error.strerror or error
        raise SdrScError(
            f"a folder for temporary files cannot be made ({reason}); make room there, or set TMPDIR to another place."
        ) from None
    with folder as name:
        yield Path(name)


def dead_scratch_folders() -> list[Path]:
    """Temporary folders of this user's processes that are not alive any more.

    Other users' are never among them, nor those of another boot or of a container, whose processes cannot be seen.
    """
    pattern = re.compile(re.escape(_SCRATCH) + rf"({MARK})-\w+")
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(_SCRATCH + "*")):
        named = pattern.fullmatch(folder.name)
        try:
            status = folder.lstat()
        except OSError:
            continue
        if named and stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            if has_ended(named[1]):
                found.append(folder)
    return found
