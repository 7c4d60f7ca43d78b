# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench``."""

from __future__ import annotations

import sys
from pathlib import Path

import click


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
    from rich.console import Console

    from sdr_sc.experiments.bench_link import bench_link
    from sdr_sc.experiments.measurements import check_writable, print_rows, write_json

    if json_path is not None:
        check_writable(json_path)
    console = Console()
    rows = bench_link(model, quick, seed, lambda what: console.print(f"measuring: {what} ..."))
    print_rows(rows, console=console)
    if json_path is not None:
        config = {"model": model, "seed": seed, "quick": quick}
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)
