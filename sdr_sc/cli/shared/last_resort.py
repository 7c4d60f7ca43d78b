# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a command that nothing else caught: one line on what happened; a traceback for those who ask for it."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

from sdr_sc.shown import reason_of, shown

DEBUG = "SDR_SC_DEBUG"
"""Environment variable: anything but '' and 0 shows tracebacks."""

_PACKAGE = str(Path(__file__).resolve().parents[2])
_ASK = f"{DEBUG}=1 shows where"

_PRINTERS = ("rich", "click")

_FIXES = {
    errno.ENOSPC: "make room there, or choose another place",
    errno.EDQUOT: "make room there, or choose another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n 4096)",
    errno.ENFILE: "end other programs, the system's limit of open files is reached",
    errno.EACCES: "make rights there, or choose another place",
    errno.EPERM: "make rights there, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENOENT: "check the path",
    errno.EADDRINUSE: "end the program that uses it, or choose another port",
}


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def sentence(error: BaseException) -> str:
    """An exception that is no sentence for users as one.

    >>> sentence(MemoryError())
    'there is not enough memory; end other programs, or give it less to do at once. SDR_SC_DEBUG=1 shows where.'
    >>> sentence(PermissionError(13, "Permission denied", "x\\x1b.txt"))
    'x\\\\x1b.txt: Permission denied; make rights there, or choose another place. SDR_SC_DEBUG=1 shows where.'
    """
    if isinstance(error, MemoryError):
        return f"there is not enough memory; end other programs, or give it less to do at once. {_ASK}."
    if isinstance(error, RecursionError):
        return f"something is nested too deeply to be read; look for a damaged file. {_ASK}."
    if isinstance(error, UnicodeError):
        return (
            f"a text cannot be written or read here ({reason_of(error)}); set a UTF-8 locale (LC_ALL=C.UTF-8). {_ASK}."
        )
    if isinstance(error, OSError) and error.errno is not None:
        names = " and ".join(_name(name) for name in (error.filename, error.filename2) if name is not None)
        what = f"{names}: {error.strerror or error}" if names else shown(error.strerror or error, 200)
        return f"{what}; {_FIXES.get(error.errno, 'look there, and repeat it')}. {_ASK}."
    return f"unexpected {type(error).__name__}: {reason_of(error)}{_where(error)}; {_ASK}; please report it."


def of_output(error: OSError) -> bool:
    """Whether it was standard output or error that could not be written: what prints is the innermost that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if error.filename is not None or not frames:
        return False
    inner = frames[-1]
    return any(f"{os.sep}{name}{os.sep}" in inner.filename for name in _PRINTERS) or "print(" in (inner.line or "")


def show_traceback(error: BaseException) -> None:
    """The traceback on standard error."""
    traceback.print_exception(error, file=sys.stderr)


def _name(name: object) -> str:
    return shown(os.fsdecode(name) if isinstance(name, bytes) else name)


def _where(error: BaseException) -> str:
    """File and line of ours where it was raised, or where what raised it was called."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_PACKAGE)]
    return f" (in {os.path.relpath(ours[-1].filename, _PACKAGE)}, line {ours[-1].lineno})" if ours else ""
