# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on the speed of sweeps: the whole test set over SNR and k, and what a second worker gains."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.experiments.measurements import Row
from sdr_sc.experiments.sweep.config import SweepConfig, config_from
from sdr_sc.experiments.sweep.points import PointResult
from sdr_sc.experiments.sweep.runner import Hooks, run_sweep
from sdr_sc.experiments.sweep.workers import LocalWorkers

WORKERS = 2
_GOAL_S = 300.0
_GOAL_SPEED_UP = 1.8
_ITEMS, _QUICK_ITEMS = 10_000, 500


@dataclass(frozen=True)
class Timing:
    """Of one sweep.

    Attributes:
        wall_s: from start to end.
        start_s: until the first point was there.
        processor_s: of all points together, on one core.
        points_per_s: behind the first point.
    """

    wall_s: float
    start_s: float
    processor_s: float
    points_per_s: float


def bench_sweep(quick: bool, log: Callable[[str], None]) -> list[Row]:
    """All rows; the same sweep with two workers and with one.

    Args:
        quick: fewer items. The time of the whole sweep is then the time taken, and the processor time of the other
            items spread over the workers.
    """
    items = _QUICK_ITEMS if quick else _ITEMS
    grid = {"schemes": ["ours"], "snr_db": {"from": -5, "to": 25, "step": 2.5}, "k": [2, 4, 8, 16], "items": items}
    config = config_from(grid)
    points = len(config.snr_db) * len(config.k)
    taken = {}
    for workers in (WORKERS, 1):
        log(f"{items} items at {points} points, {workers} worker{'s' * (workers > 1)}")
        taken[workers] = _time(config, workers)
    both, one = taken[WORKERS], taken[1]
    whole_s = both.wall_s + (_ITEMS / items - 1) * both.processor_s / WORKERS
    name = f"phy sweep, {_ITEMS:,} items x {len(config.snr_db)} SNRs x {len(config.k)} k, {WORKERS} workers"
    if quick:
        name += f", from {items} items and their processor time"
    gain = both.points_per_s / one.points_per_s
    return [
        Row.at_most(name, whole_s, "s", _GOAL_S, points),
        Row.at_least(f"{WORKERS} workers over 1, points per second", gain, "times", _GOAL_SPEED_UP, points),
        Row("processor time of an item, both networks and the link", 1e6 * one.processor_s / items / points, "us"),
        Row(f"until the first point is there, {WORKERS} workers", both.start_s, "s"),
    ]


def _time(config: SweepConfig, workers: int) -> Timing:
    begun, arrived, processor_s = time.monotonic(), [], []

    def on_point(result: PointResult) -> None:
        arrived.append(time.monotonic() - begun)
        processor_s.append(result.seconds)

    with tempfile.TemporaryDirectory(prefix="sdr_sc_") as scratch:
        run_sweep(config, Path(scratch) / "speed.parquet", LocalWorkers(workers), hooks=Hooks(on_point=on_point))
    wall_s = time.monotonic() - begun
    return Timing(wall_s, arrived[0], sum(processor_s), (len(arrived) - 1) / (arrived[-1] - arrived[0]))
