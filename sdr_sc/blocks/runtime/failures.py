# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a failing block reports its error: one registry for the whole process.

GNU Radio neither raises nor returns an exception of a Python block: the block's thread dies and the flowgraph waits for
ever. So blocks report here (``_guard.py`` does it for them), and a harness that runs the flowgraph watches ``event``.
Without a harness, when a flowgraph that GRC generated runs by itself, ``report`` ends the program itself.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sdr_sc.errors import SdrScError, bare_reason
from sdr_sc.shown import shown


@dataclass(frozen=True)
class BlockFailure:
    """What failed: the block's name and the exception that it raised."""

    block_name: str
    error: BaseException

    def __str__(self) -> str:
        return f"block '{self.block_name}' failed: {describe(self.error)}"


def describe(error: BaseException) -> str:
    """An exception as one line; the class is left out where the message is already a sentence for users.

    Control characters, such as those of a name in a file, are escaped.

    >>> describe(ValueError("three\\nlines"))
    'ValueError: three lines'
    """
    bare = bare_reason(error)
    is_of_uhd = len(bare) < len(" ".join(str(error).split()))
    reason = shown(bare)
    if (isinstance(error, SdrScError) or is_of_uhd) and reason:
        return reason
    kind = type(error).__name__
    return f"{kind}: {reason}" if reason else kind


event = threading.Event()
"""Set from the first report until ``clear``."""

_lock = threading.Lock()
_failures: list[BlockFailure] = []
_faults: list[BlockFailure] = []
_watchers = 0
_exit_hook_registered = False


def report(block_name: str, error: BaseException) -> None:
    """Record a block's failure; from any thread. Without a harness that watches, end the program with status 1."""
    global _exit_hook_registered
    failure = BlockFailure(block_name, error)
    with _lock:
        _failures.append(failure)
        is_first = len(_failures) == 1
        watched = _watchers > 0
        register_hook = not watched and not _exit_hook_registered
        _exit_hook_registered = _exit_hook_registered or register_hook
    event.set()
    if watched or not is_first:
        return
    print(f"sdr_sc: error: {failure}", file=sys.stderr, flush=True)
    if register_hook:
        atexit.register(_exit_with_error)
    # A main() that GRC generated stops its flowgraph on SIGTERM, and then exits with 0: hence also the hook.
    if callable(signal.getsignal(signal.SIGTERM)):
        os.kill(os.getpid(), signal.SIGTERM)


def report_fault(block_name: str, error: BaseException) -> None:
    """Record what makes a run's status an error although it goes on to its end, with whole results; from any thread."""
    global _exit_hook_registered
    fault = BlockFailure(block_name, error)
    with _lock:
        _faults.append(fault)
        watched = _watchers > 0
        register_hook = not watched and not _exit_hook_registered
        _exit_hook_registered = _exit_hook_registered or register_hook
    if not watched:
        print(f"sdr_sc: error: {fault}", file=sys.stderr, flush=True)
        if register_hook:
            atexit.register(_exit_with_error)


def faults() -> list[BlockFailure]:
    """What `report_fault` was reported since ``clear``."""
    with _lock:
        return list(_faults)


def first() -> BlockFailure | None:
    """The first failure since ``clear``: later ones are most often its consequences."""
    with _lock:
        return _failures[0] if _failures else None


def clear() -> None:
    """Forget all failures, and that the program has to end with an error."""
    with _lock:
        _failures.clear()
        _faults.clear()
        event.clear()


@contextmanager
def watching() -> Iterator[None]:
    """While entered, ``report`` only records. The outermost one starts with an empty registry."""
    global _watchers
    with _lock:
        if _watchers == 0:
            _failures.clear()
            _faults.clear()
            event.clear()
        _watchers += 1
    try:
        yield
    finally:
        with _lock:
            _watchers -= 1


def _exit_with_error() -> None:
    if first() is None and not faults():
        return
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(1)
