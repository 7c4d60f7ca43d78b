# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all, and files that are read as what they are; for every layer."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from sdr_sc.errors import SdrScError
from sdr_sc.processes import MARK, has_ended, is_of_here, process_mark
from sdr_sc.shown import shown

LITTER_AGE_S = 60.0
"""What a dead process left is removed once nobody has written it for so long."""
FOREIGN_LITTER_AGE_S = 86_400.0
"""The same for what was left on another machine, before a restart of this one, or in a container: whether the process
lives cannot be seen, and a file is written within seconds."""

_FIXES = {
    errno.EMFILE: "raise the limit of open files ('ulimit -n')",
    errno.ENFILE: "end other programs: the system has too many open files",
    errno.ENOENT: "leave the folder in place until the end",
    errno.ESTALE: "leave the folder in place until the end",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose a place that can be written",
    errno.EPERM: "choose a place that can be written",
    errno.EISDIR: "give a file's name",
    errno.ENOTDIR: "give a path through folders alone",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "remove the links that lead to each other",
    errno.ENXIO: "let a program read that pipe first, or choose another place",
    errno.EIO: "check that disk, or choose another place",
}


def fix_for(error: OSError, otherwise: str = "make room there, or choose another place") -> str:
    """What helps when a file cannot be written, for the end of the error's sentence.

    >>> fix_for(OSError(errno.EMFILE, "Too many open files"))
    "raise the limit of open files ('ulimit -n')"
    """
    return _FIXES.get(error.errno or 0, otherwise)


def open_plain(path: str | Path) -> BinaryIO:
    """Open a file to read, if it is a regular one: a pipe nobody writes to would wait for ever, a device never end.

    Raises:
        OSError: it cannot be opened, or is a folder, pipe, socket or device.
    """
    no_file = OSError(errno.EINVAL, "it is no regular file", str(path))
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise (no_file if error.errno == errno.ENXIO else error) from None  # a socket
    except ValueError:
        raise OSError(errno.EINVAL, "the name holds a zero byte", str(path)) from None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise no_file
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def is_file(path: str | Path) -> bool:
    """Whether there is a regular file; of a name that no file can have, too, where `Path.is_file` raises."""
    return os.path.isfile(path)


def read_plain(path: str | Path) -> bytes:
    """All bytes of a regular file; errors as for `open_plain`."""
    with open_plain(path) as file:
        return file.read()


def write_whole(files: Mapping[Path, bytes], fix: str = "", sync: bool = True) -> None:
    """Write files, none of them in part, and none of them if one cannot be written.

    A kill leaves what was there before, and perhaps a hidden file beside it whose name ends in ``.partial``, which the
    next one who writes that file removes. Devices, pipes, and names of open files such as ``/dev/stdout`` are written
    as they are, and not replaced by a file.

    Args:
        files: content by path; missing folders are made.
        mend: what helps if it fails, for the error's sentence; '' for what the error calls for.
        sync: wait until the disk has them; without, a power cut may leave them empty, and a kill may not.

    Raises:
        SdrScError: a folder or file cannot be written.
    """
    in_place = {path: content for path, content in files.items() if _is_no_plain_file(path)}
    partials = {path: partial_of(path) for path in files if path not in in_place}
    path = Path()
    try:
        for path, content in in_place.items():
            _write_in_place(path, content)
        for path in partials:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_litter(path)
            with open(partials[path], "wb") as target:
                target.write(files[path])
                target.flush()
                if sync:
                    os.fsync(target.fileno())
        for path, partial in partials.items():
            os.replace(partial, path)
    except OSError as error:
        reason = f"{error.strerror or error}); {fix or fix_for(error)}"
        raise SdrScError(f"{shown(path)} cannot be written ({reason}.") from error
    finally:
        for partial in partials.values():
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _is_no_plain_file(path: Path) -> bool:
    """Whether a file of that name must not take the place of what is there; a folder has its own error."""
    if path.is_absolute() and path.parent in (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd")):
        return True
    with contextlib.suppress(OSError, ValueError):
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def _write_in_place(path: Path, content: bytes) -> None:
    # A pipe that nobody reads is an error instead of a wait.
    handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(handle, "wb") as target:
        os.set_blocking(handle, True)
        target.write(content)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file that is too long for the memory: it gets its name when the block ends without an error.

    Raises:
        OSError: it cannot be renamed.
    """
    remove_litter(path)
    partial = partial_of(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def partial_of(path: Path) -> Path:
    """The hidden file in which this process makes another one: two that write the same must not mix their bytes."""
    return path.with_name(f".{path.name}.{process_mark()}.partial")


def remove_litter(path: Path) -> list[Path]:
    """Remove what processes that were killed left of this file: hidden, half written, and of nobody who lives.

    Returns:
        What was removed.
    """
    name = re.compile(rf"\.{re.escape(path.name)}\.({MARK})\.partial")
    removed = []
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            match = name.fullmatch(entry.name)
            if match is None or (is_of_here(match[1]) and not has_ended(match[1])):
                continue
            age_s = LITTER_AGE_S if is_of_here(match[1]) else FOREIGN_LITTER_AGE_S
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > age_s:
                    os.unlink(entry.path)
                    removed.append(Path(entry.path))
    return removed


def write_key_pair(files: tuple[Path, Path], texts: tuple[bytes, bytes], error: type[SdrScError] = SdrScError) -> None:
    """Write the public and the secret half of a key to new files, both or none; the secret one is its owner's alone.

    Args:
        error: what is raised.

    Raises:
        SdrScError: one of them is there already, or cannot be written.
    """
    written: list[Path] = []
    try:
        for file, text, mode in zip(files, texts, (0o644, 0o600), strict=True):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            written.append(file)
            with open(handle, "wb") as target:
                target.write(text)
    except OSError as fault:
        for half in written:
            half.unlink(missing_ok=True)
        fix = "choose another name" if isinstance(fault, FileExistsError) else "choose another folder"
        raise error(f"key {shown(file)} cannot be written ({fault.strerror}); {fix}.") from None
