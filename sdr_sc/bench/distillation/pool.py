# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in processes of one thread each, which end with the first error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from sdr_sc.errors import SdrScError
from sdr_sc.results.worker_process import end_with_parent, one_thread_each

Job = TypeVar("Job")


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
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent)
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
