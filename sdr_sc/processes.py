# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process made something, and whether it has ended; for every layer.

A pid means something within one boot and one pid namespace alone: containers that share a folder or ``/dev/shm`` have
the same pids for other processes, and do not see each other's. What another one made is therefore never taken for dead.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

MARK = r"\d{1,10}-\d{1,20}-[0-9a-f]{0,8}-\d{1,20}"
"""Pattern of what `process_mark` returns."""
_PR_SET_PDEATHSIG = 1


def start_ticks(pid: int) -> int:
    """When a process began, in ticks since the machine did: with the pid it names one process. 0 if it is not alive.

    Raises:
        OSError: that cannot be seen now, such as for want of file handles.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def lives(pid: int, ticks: int) -> bool:
    """Whether the process that began at ``ticks`` lives; True also where that cannot be seen now."""
    try:
        return start_ticks(pid) == ticks
    except OSError:
        return True


@functools.cache
def pid_namespace() -> int:
    """Number of this process's pid namespace; 0 where ``/proc`` shows another one, or is not there."""
    with contextlib.suppress(OSError):
        if os.readlink("/proc/self") == str(os.getpid()):
            return os.stat("/proc/self/ns/pid").st_ino
    return 0


@functools.cache
def _boot() -> str:
    """The machine's boot, in 8 hexadecimal digits. A failure is not kept.

    Raises:
        OSError: it cannot be read.
    """
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]


def process_mark() -> str:
    """Names this process for as long as the files live that it makes: pid, start, boot and pid namespace."""
    try:
        return _mark_of(os.getpid())
    except OSError:  # then nobody can know whether it lives
        return f"{os.getpid()}-0--0"


@functools.cache
def _mark_of(pid: int) -> str:
    return f"{pid}-{start_ticks(pid)}-{_boot()}-{pid_namespace()}"


def is_of_here(mark: str) -> bool:
    """Whether the process with a mark belongs to this boot and pid namespace, so that one can know whether it lives."""
    here = process_mark().split("-")[2:]
    return here[1] != "0" and mark.split("-")[2:] == here


def has_ended(mark: str) -> bool:
    """Whether the process with a mark is known to have ended; False also for one of elsewhere.

    >>> has_ended(process_mark()), has_ended("1-5-00000000-9")
    (False, False)
    """
    if not re.fullmatch(MARK, mark) or not is_of_here(mark):
        return False
    pid, ticks, *_ = mark.split("-")
    return not lives(int(pid), int(ticks))


def ends_with_parent(number: int = signal.SIGTERM) -> Callable[[], None]:
    """For ``preexec_fn`` of `subprocess.Popen`: the child gets a signal when the thread that started it has ended.

    A program that is killed ends nothing by itself: what it had started would go on, and perhaps transmit.
    """
    parent = os.getpid()
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: little may be done after fork
    except (OSError, AttributeError):
        return lambda: None

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it ended before it was asked
            os.kill(os.getpid(), number)

    return ask


process_mark()  # now: later there may be no file handle left to look it up


def end_now(status: int) -> NoReturn:
    """End this process without waiting for threads that may be stuck, nor for the destructors of GNU Radio and torch.

    On a busy machine these take longer than all that Ctrl-C had to save.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
