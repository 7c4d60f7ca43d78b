# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on the speed of sweeps: the whole test set over SNR and k, and what a second worker gains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row
from sdr_sc.sweep.config import SweepConfig, config_from
from sdr_sc.sweep.runner import Hooks, run_sweep
from sdr_sc.sweep.tally import PointResult
from sdr_sc.sweep.workers import LocalWorkers

WORKERS = 2
_GOAL_S = 300.0
_GOAL_SPEED_UP = 1.8
_ITEMS, _QUICK_ITEMS = 10_000, 500
_ROUNDS, _ROUND_ITEMS = 3, 2_000
"""Of two workers and one in turn: a machine that slows down in between would decide a single comparison."""


@dataclass(frozen=True)
class Timing:
    """Of one sweep.

    Attributes:
        wall_s: from start to end.
        start_s: until the first point was there.
        processor_s: of all points together, on one core.
        points_per_s: after the first point.
    """

    wall_s: float
    start_s: float
    processor_s: float
    points_per_s: float


def bench_sweep(quick: bool, log: Callable[[str], None]) -> list[Row]:
    """All rows; the sweep with two workers, and a smaller one with two and with one in turn.

    Args:
        quick: fewer items. The time of the whole sweep is then the time taken, and the processor time of the other
            items spread over the workers.
    """
    items = _QUICK_ITEMS if quick else _ITEMS
    grid = {"schemes": ["ours"], "snr_db": {"from": -5, "to": 25, "step": 2.5}, "k": [2, 4, 8, 16], "items": items}
    config = config_from(grid)
    points = len(config.snr_db) * len(config.k)
    log(f"{items} items at {points} points, {WORKERS} workers")
    both = _time(config, WORKERS)
    whole_s = both.wall_s + (_ITEMS / items - 1) * both.processor_s / WORKERS
    name = f"phy sweep, {_ITEMS:,} items x {len(config.snr_db)} SNRs x {len(config.k)} k, {WORKERS} workers"
    if quick:
        name += f", from {items} items and their processor time"
    rounds, fewer = (1, config) if quick else (_ROUNDS, config_from({**grid, "items": _ROUND_ITEMS}))
    gains = []
    for turn in range(rounds):
        log(f"{fewer.items} items at {points} points, {WORKERS} workers and one in turn, {turn + 1} of {rounds}")
        two, one = (_time(fewer, workers) for workers in (WORKERS, 1))
        gains.append(two.points_per_s / one.points_per_s)
    gain = Row.at_least(
        f"{WORKERS} workers over 1, points per second, median", median(gains), "times", _GOAL_SPEED_UP, rounds
    )
    return [
        Row.at_most(name, whole_s, "s", _GOAL_S, points),
        replace(gain, samples=tuple(gains)),
        Row("processor time of an item, both networks and the link", 1e6 * both.processor_s / items / points, "us"),
        Row(f"until the first point is there, {WORKERS} workers", both.start_s, "s"),
    ]


def _time(config: SweepConfig, workers: int) -> Timing:
    begun, arrived, processor_s = time.monotonic(), [], []

    def on_point(result: PointResult) -> None:
        arrived.append(time.monotonic() - begun)
        processor_s.append(result.seconds)

    with scratch_folder() as scratch:
        run_sweep(config, Path(scratch) / "speed.parquet", LocalWorkers(workers), hooks=Hooks(on_point=on_point))
    wall_s = time.monotonic() - begun
    return Timing(wall_s, arrived[0], sum(processor_s), (len(arrived) - 1) / (arrived[-1] - arrived[0]))
