# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sdr_sc.experiments.measurements import Row


@click.group()
def command() -> None:
    """Measure what the testbed promises; each subcommand prints its rows and can write them as JSON."""


@command.command("link")
@click.option("--model", default="fashion_mnist_student", show_default=True, help="Weights file or shipped model.")
@click.option(
    "--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of noise, offsets and the images' order."
)
@click.option("--quick", is_flag=True, help="The same rows on less data, in under a minute.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def link(model: str, seed: int, quick: bool, json_path: Path | None) -> None:
    """The closed loop: lost frames, SNR estimate, response of the CAM, start-up and demonstration time.

    Status 1 if a goal is missed.
    """
    from sdr_sc.experiments.bench_link import bench_link

    _bench(lambda log: bench_link(model, quick, seed, log), json_path, {"model": model, "seed": seed, "quick": quick})


@command.command("phy")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of frames, channels, noise.")
@click.option("--quick", is_flag=True, help="The same rows on less data, in half a minute.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def phy(seed: int, quick: bool, json_path: Path | None) -> None:
    """Transmitter and receiver: lost and false frames, detection, payload SNR, SNR estimates, fuzz, throughput, memory.

    Status 1 if a goal is missed.
    """
    from sdr_sc.experiments.bench_phy import bench_phy

    _bench(lambda log: bench_phy(quick, seed, log), json_path, {"seed": seed, "quick": quick}, goals_first=True)


def summary(rows: list[Row]) -> list[str]:
    """Lines on what was not measured and why, and on how many goals are met."""
    from sdr_sc.experiments.phy_data import NOT_MEASURED

    missing = [row.name for row in rows if NOT_MEASURED in row.name]
    goals = [row for row in rows if row.goal is not None]
    met = sum(row.ok is True for row in goals)
    return [*missing, f"{met} of {len(goals)} goals met"]


def _bench(
    measure: Callable[[Callable[[str], None]], list[Row]],
    json_path: Path | None,
    config: dict,
    goals_first: bool = False,
) -> None:
    """Measure, print, and write; with ``goals_first`` the printed rows with a goal come first, and a summary last."""
    from rich.console import Console

    from sdr_sc.experiments.measurements import check_writable, print_rows, write_json

    if json_path is not None:
        check_writable(json_path)
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = measure(lambda what: console.print(f"measuring: {what} ..."))
    print_rows(sorted(rows, key=lambda row: row.goal is None) if goals_first else rows, console=console)
    if goals_first:
        for line in summary(rows):
            console.print(line)
    if json_path is not None:
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)
