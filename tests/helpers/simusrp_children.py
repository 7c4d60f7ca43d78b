# SPDX-License-Identifier: GPL-3.0-or-later
"""Run functions in processes that have the simulated USRP in their environment, with deadlines.

libuhd looks for modules only once in a process' life, and pytest's own may have loaded it long ago.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from sdr_sc.simusrp import build

DEADLINE_S = 200.0
_numbers = itertools.count()


def new_air() -> str:
    """Name of an air that nobody else uses."""
    return f"test-{os.getpid()}-{next(_numbers)}"


class Children:
    """Processes that are kept from call to call."""

    def __init__(self) -> None:
        build.build()
        self._pools: dict[int, ProcessPoolExecutor] = {}

    def start(self, number: int, function: Callable[..., Any], *arguments: Any) -> Future:
        """Call a function of a module in child number 0, 1, ..., which works on one call at a time."""
        if number not in self._pools:
            context = multiprocessing.get_context("spawn")
            self._pools[number] = ProcessPoolExecutor(1, mp_context=context)
        before = dict(os.environ)
        os.environ.update(build.environment(), UHD_LOG_LEVEL="warning")
        try:
            return self._pools[number].submit(function, *arguments)  # the first call starts the process
        finally:
            os.environ.clear()
            os.environ.update(before)

    def wait(self, future: Future, deadline_s: float = DEADLINE_S) -> Any:
        """The result; after the deadline all children are killed."""
        try:
            return future.result(deadline_s)
        except TimeoutError:
            self.kill()
            raise

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call in child 0 and wait."""
        return self.wait(self.start(0, function, *arguments))

    def end(self, number: int) -> None:
        """Kill a child; the next call with its number gets a fresh one."""
        pool = self._pools.pop(number)
        for process in list((pool._processes or {}).values()):
            process.kill()
            process.join(10)
        pool.shutdown(wait=False, cancel_futures=True)

    def kill(self) -> None:
        """Kill all children."""
        for number in list(self._pools):
            self.end(number)
