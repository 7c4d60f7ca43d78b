# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine that measure points; `sdr_sc.sweep.cluster` has those of a Dask cluster."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Protocol

from sdr_sc.errors import SdrScError
from sdr_sc.results.worker_process import end_with_parent, one_thread_each
from sdr_sc.sweep.grid import Point, Task
from sdr_sc.sweep.tally import PointResult

MOST_DEATHS = 3
"""Workers that a point may lose; then it is what ends them."""
Measure = Callable[[Task], PointResult]
OnDone = Callable[[PointResult], None]
OnTrouble = Callable[[str], None]


class Workers(Protocol):
    """Something that measures points."""

    def run(self, measure: Measure, tasks: Sequence[Task], on_done: OnDone, on_trouble: OnTrouble) -> None:
        """Measure all tasks, begun in their order.

        Args:
            measure: a function of a module, so that its name can be sent.
            on_done: told of each result in this thread; what it raises ends the run.
            on_trouble: told, in a line, of workers that were lost and replaced.

        Raises:
            SdrScError: a point cannot be measured, or workers end again and again.
        """
        ...


_UNWIND_S = 10.0
_measuring = _ending = False  # of a worker: it has a point; it was asked to end


def _begin() -> None:
    """Ctrl-C goes to the whole process group; the parent ends its workers itself, or they end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _unwind)
    end_with_parent()


def _unwind(number: int, frame: object) -> None:
    """Let a worker that is to end first end what it has started: the processes of a flowgraph, and their files."""
    global _ending
    _ending = True
    if not _measuring:
        _end_now()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the pool repeats it
    killer = threading.Timer(_UNWIND_S, os.kill, (os.getpid(), signal.SIGKILL))  # should something swallow this
    killer.daemon = True
    killer.start()
    raise SystemExit(128 + number)


def _end_now() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


def _measured(measure: Measure, task: Task) -> PointResult:
    """A point. The pool would take a worker's end for the point's error, and give the worker the next point."""
    global _measuring
    _measuring = True
    try:
        return measure(task)
    finally:
        _measuring = False
        if _ending:
            _end_now()


class LocalWorkers:
    """Processes of one thread each.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, measure: Measure, tasks: Sequence[Task], on_done: OnDone, on_trouble: OnTrouble) -> None:
        """See `Workers.run`. When a process is killed, the pool is made anew for what is not measured yet."""
        left = {task.point: task for task in tasks}
        deaths: Counter[Point] = Counter()
        while (end := self._run_pool(measure, left, on_done)) is not None:
            # Tasks are begun in their order, so those at the front were with the processes.
            deaths.update(list(left)[: self._count])
            point, count = deaths.most_common(1)[0]
            if count == MOST_DEATHS:
                raise SdrScError(
                    f"workers ended {MOST_DEATHS} times at {point} ({end}); finished points are kept: if it was for "
                    "want of memory, try again with fewer --workers."
                )
            on_trouble(f"a worker ended ({end}); what it had not finished is measured again.")

    def _run_pool(self, measure: Measure, left: dict[Point, Task], on_done: OnDone) -> str | None:
        """Take from ``left`` what is measured; returns how a process ended if one did, None otherwise."""
        processes: list[BaseProcess] = []
        with one_thread_each():
            pool = ProcessPoolExecutor(self._count, mp_context=get_context("spawn"), initializer=_begin)
            try:
                futures = [pool.submit(_measured, measure, task) for task in left.values()]
                processes = list(pool._processes.values())
                for future in as_completed(futures):
                    result = future.result()
                    on_done(result)
                    del left[result.point]
                return None
            except BrokenProcessPool:
                pass  # the pool ends the other processes itself
            except BaseException:
                # The executor would wait for what is running, which may be minutes.
                for process in processes:
                    process.terminate()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return _end_of(processes)


def _end_of(processes: Sequence[BaseProcess]) -> str:
    """How the process that broke a pool ended; the others were terminated by the pool."""
    codes = [process.exitcode for process in processes if process.exitcode not in (None, 0, -signal.SIGTERM)]
    if not codes:
        return "it is not known how"
    code = int(codes[0] or 0)
    return signal.Signals(-code).name if code < 0 else f"with status {code}"
