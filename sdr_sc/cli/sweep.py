# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc sweep``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.sweep.config import SweepConfig
    from sdr_sc.sweep.grid import Point
    from sdr_sc.sweep.tally import PointResult
    from sdr_sc.sweep.workers import Workers

QUICK_ITEMS = 200
_FEW_POINTS = 40


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Results file  [CONFIG with the ending .parquet]")
@click.option("--workers", default=0, type=click.IntRange(0), help="Processes of one thread; 0: one a core.")
@click.option("--cluster", help="Address of a Dask scheduler whose workers measure, such as tcp://10.0.0.5:8786.")
@click.option("--force", is_flag=True, help="Measure all again, and replace the results.")
@click.option("--quick", is_flag=True, help=f"{QUICK_ITEMS} items a point, to CONFIG.quick.parquet.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def command(
    config: Path,
    out: Path | None,
    workers: int,
    cluster: str | None,
    force: bool,
    quick: bool,
    json_path: Path | None,
) -> None:
    """Measure schemes x channels x SNR x k x seeds, as a YAML file says (docs/sweeps.md).

    Points that the results file has are not measured again: what was interrupted goes on, and a grid may grow.
    However it ends, finished points are kept.
    """
    from sdr_sc.results import rows as measurements
    from sdr_sc.shown import terminal
    from sdr_sc.sweep.config import load_config
    from sdr_sc.sweep.runner import sweep_rows

    if cluster is not None and workers:
        raise click.UsageError("--workers are this machine's; leave it out with --cluster.")
    sweep = load_config(config)
    if quick:
        sweep = replace(sweep, items=min(QUICK_ITEMS, sweep.items), stop=None)
    out = out or config.with_suffix(".quick.parquet" if quick else ".parquet")
    for target in (out, *([json_path] if json_path else [])):
        measurements.check_writable(target)
    console = terminal(width=None if sys.stdout.isatty() else 120)
    results = _with_progress(sweep, out, _workers(workers, cluster), force, console)
    rows = sweep_rows(results, sweep.data_set)
    if len(results) <= _FEW_POINTS:
        measurements.print_rows(rows, console=console)
    if json_path is not None:
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": sweep.to_dict()})
        console.print(f"wrote {json_path}", soft_wrap=True)
    console.print(f"{len(results)} points in {out}", soft_wrap=True)


def _workers(count: int, cluster: str | None) -> Workers:
    if cluster is not None:
        from sdr_sc.sweep.cluster import DaskWorkers

        return DaskWorkers(cluster)
    from sdr_sc.sweep.workers import LocalWorkers

    return LocalWorkers(count or len(os.sched_getaffinity(0)))


def _with_progress(
    sweep: SweepConfig, out: Path, workers: Workers, force: bool, console: Console
) -> dict[Point, PointResult]:
    from sdr_sc.cli.shared.progress import progress_bar
    from sdr_sc.sweep.runner import Hooks, run_sweep

    with progress_bar(console) as progress:
        bar = progress.add_task("points", total=None)

        def on_start(points: int, there: int) -> None:
            if there:
                progress.console.print(f"{there} of {points} points are there already", soft_wrap=True)
            progress.update(bar, total=points, completed=there)

        hooks = Hooks(
            on_start,
            lambda _result: progress.advance(bar),
            lambda line: progress.console.print(f"[yellow]warning:[/] {line}", soft_wrap=True),
        )
        return run_sweep(sweep, out, workers, force, hooks, ["sdr-sc", *sys.argv[1:]])
