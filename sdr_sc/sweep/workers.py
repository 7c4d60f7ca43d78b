# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine that measure points; `sdr_sc.sweep.cluster` has those of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sdr_sc.results.pool import run_jobs
from sdr_sc.sweep.grid import Task
from sdr_sc.sweep.tally import PointResult

Measure = Callable[[Task], PointResult]
OnDone = Callable[[PointResult], None]
OnTrouble = Callable[[str], None]


class Workers(Protocol):
    """Something that measures points."""

    def run(self, measure: Measure, tasks: Sequence[Task], on_done: OnDone, on_trouble: OnTrouble) -> None:
        """Measure all tasks, begun in their order.

        Args:
            measure: a function of a module, so that its name can be sent.
            on_done: called with each result in this thread; what it raises ends the run.
            on_trouble: called with a line on workers that were lost and replaced.

        Raises:
            SdrScError: a point cannot be measured, or workers end again and again.
        """
        ...


class LocalWorkers:
    """Processes of one thread each.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, measure: Measure, tasks: Sequence[Task], on_done: OnDone, on_trouble: OnTrouble) -> None:
        """See `Workers.run` and `sdr_sc.results.pool`."""
        run_jobs(measure, tasks, (), self._count, lambda _, result: on_done(result), on_trouble, lambda t: t.point)
