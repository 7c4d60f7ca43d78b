# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in processes of one thread each, which end with the first error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from sdr_sc.errors import SdrScError

Job = TypeVar("Job")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let the processes that are started within have one thread each: small networks gain nothing by more."""
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


def run_jobs(
    function: Callable[..., Any],
    jobs: Sequence[Job],
    arguments: tuple,
    workers: int,
    on_done: Callable[[Job, Any], None],
) -> None:
    """Call ``function(job, *arguments)`` for each job, begun in their order; function and job have to be picklable.

    Args:
        on_done: told of each job that ends, and of what it returned.

    Raises:
        SdrScError: a process was killed.
        Exception: what a job raised; the others are stopped.
    """
    with one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        try:
            futures = {pool.submit(function, job, *arguments): job for job in jobs}
            for future in as_completed(futures):
                on_done(futures[future], future.result())
        except BaseException as error:
            # The executor would wait for what is running, which may be hours.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise SdrScError(
                    "a process was killed, for want of memory perhaps; try again with fewer --workers."
                ) from error
            raise
        finally:
            pool.shutdown(cancel_futures=True)
