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
@click.option("--quick", is_flag=True, help="The same rows on less data, in a minute or two.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def phy(seed: int, quick: bool, json_path: Path | None) -> None:
    """Transmitter and receiver: lost and false frames, detection, payload SNR, SNR estimates, fuzz, throughput, memory.

    Status 1 if a goal is missed.
    """
    from sdr_sc.experiments.bench_phy import bench_phy

    _bench(lambda log: bench_phy(quick, seed, log), json_path, {"seed": seed, "quick": quick})


def _bench(measure: Callable[[Callable[[str], None]], list[Row]], json_path: Path | None, config: dict) -> None:
    from rich.console import Console

    from sdr_sc.experiments.measurements import check_writable, print_rows, write_json

    if json_path is not None:
        check_writable(json_path)
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = measure(lambda what: console.print(f"measuring: {what} ..."))
    print_rows(rows, console=console)
    if json_path is not None:
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)
