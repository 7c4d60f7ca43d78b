# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in processes of one thread each: the only pool of processes, with one policy for whatever ends them.

Ctrl-C ends the run: it reaches this process, which ends the others. An error of a job, or of what is done with its
result, ends the run too; jobs that are running get time to end what they have started. When a process is killed, what
was not finished is begun again in new ones, a few times. When this process is killed, the others end by themselves.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from sdr_sc.errors import SdrScError

MOST_DEATHS = 3
"""Processes that a job may lose; then it is what ends them."""
UNWIND_S = 10.0
"""For a job that is to end; then its process is killed."""

_log = logging.getLogger(__name__)
Job = TypeVar("Job")
_working = _ending = False  # of a worker: it has a job; it was asked to end


def run_jobs(
    function: Callable[..., Any],
    jobs: Sequence[Job],
    arguments: tuple,
    workers: int,
    on_done: Callable[[Job, Any], None],
    on_trouble: Callable[[str], None] = _log.warning,
    name: Callable[[Job], object] = str,
) -> None:
    """Call ``function(job, *arguments)`` for each job, begun in their order, in processes.

    Args:
        function: of a module; it, the jobs and the arguments have to be picklable.
        workers: processes.
        on_done: given each job that ends and what it returned, in this thread; what it raises ends the run.
        on_trouble: given a line on processes that were lost and replaced.
        name: of a job, for errors.

    Raises:
        SdrScError: processes end again and again.
        Exception: what a job raised; the others are stopped.
    """
    left = dict(enumerate(jobs))
    deaths: Counter[int] = Counter()
    while (end := _run_pool(function, left, arguments, workers, on_done)) is not None:
        # Jobs are begun in their order, so those at the front were with the processes.
        deaths.update(list(left)[:workers])
        number, count = deaths.most_common(1)[0]
        if count == MOST_DEATHS:
            raise SdrScError(
                f"workers ended {MOST_DEATHS} times at {name(left[number])} ({end}); what is finished is kept: if it "
                "was for want of memory, try again with fewer --workers."
            )
        on_trouble(f"a worker ended ({end}); what it had not finished is begun again.")


def map_jobs(function: Callable[..., Any], jobs: Sequence[Any], arguments: tuple, workers: int) -> list[Any]:
    """What ``function(job, *arguments)`` returns for each job, in their order; with one worker in this process.

    Args, Raises: as for `run_jobs`.
    """
    if workers == 1:
        return [function(job, *arguments) for job in jobs]
    found: dict[int, Any] = {}

    def keep(numbered: tuple[int, Any], result: Any) -> None:
        found[numbered[0]] = result

    run_jobs(_numbered, list(enumerate(jobs)), (function, arguments), workers, keep, name=lambda one: one[1])
    return [found[number] for number in range(len(jobs))]


def _numbered(job: tuple[int, Any], function: Callable[..., Any], arguments: tuple) -> Any:
    return function(job[1], *arguments)


def _run_pool(
    function: Callable[..., Any],
    left: dict[int, Job],
    arguments: tuple,
    workers: int,
    on_done: Callable[[Job, Any], None],
) -> str | None:
    """Take from ``left`` what is done; returns how a process ended if one did, None otherwise."""
    if not left:
        return None
    processes: list[BaseProcess] = []
    with _one_thread_each():
        # A forked child would inherit the locks of threads that it has not; spawned ones start clean.
        pool = ProcessPoolExecutor(min(workers, len(left)), mp_context=get_context("spawn"), initializer=_begin)
        try:
            futures = {pool.submit(_worked, function, job, arguments): number for number, job in left.items()}
            processes = list(pool._processes.values())
            for future in as_completed(futures):
                result, number = future.result(), futures[future]
                on_done(left[number], result)
                del left[number]
            return None
        except BrokenProcessPool:
            pass  # the pool ends the other processes itself
        except BaseException:
            # The executor would wait for what is running, which may be hours.
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


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let the processes that are started within have one thread each: small arrays gain nothing by more."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin() -> None:
    """Of a worker. Ctrl-C goes to the whole process group; the parent ends its workers itself, or they end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _unwind)
    _end_with_parent()


def _end_with_parent() -> None:
    """End this process when its parent has ended in whatever way.

    A parent that is killed ends nothing; its processes would work on for hours, and nobody would have their results.
    """
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def _unwind(number: int, frame: object) -> None:
    """Let a worker that is to end first end what it has started: the processes of a flowgraph, and their files."""
    global _ending
    _ending = True
    if not _working:
        _end_now()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the pool repeats it
    killer = threading.Timer(UNWIND_S, os.kill, (os.getpid(), signal.SIGKILL))  # should something swallow this
    killer.daemon = True
    killer.start()
    raise SystemExit(128 + number)


def _end_now() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


def _worked(function: Callable[..., Any], job: Any, arguments: tuple) -> Any:
    """A job. The pool would take a worker's end for the job's error, and give the worker the next job."""
    global _working
    _working = True
    try:
        return function(job, *arguments)
    finally:
        _working = False
        if _ending:
            _end_now()
