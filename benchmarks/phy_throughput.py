# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput of transmitter and receiver beside GNU Radio's own; status 1 if a goal is missed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import check_writable, print_rows, write_json


@click.command()
@click.option(
    "--frames",
    type=click.IntRange(20),
    help="Long frames of each of our runs, and short ones of as many samples.  [default: 3000, quick 400]",
)
@click.option("--repeats", type=click.IntRange(1), help="Timed runs of each kind.  [default: 7, quick 3]")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of features and noise.")
@click.option("--quick", is_flag=True, help="The same rows on less data.")
@click.option("--lengths", is_flag=True, help="Ours alone, over the length of the frames.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def main(
    frames: int | None, repeats: int | None, seed: int, quick: bool, lengths: bool, json_path: Path | None
) -> None:
    """Measure the throughput in flowgraphs on one core."""
    if lengths and (frames or repeats):
        raise click.UsageError("--lengths has its own number of frames and repeats; leave --frames and --repeats out.")
    try:
        from sdr_sc.bench.phy.throughput import frame_length_rows, throughput_rows

        if json_path is not None:
            check_writable(json_path)
        if lengths:
            rows = frame_length_rows(quick, seed, _say)
        else:
            rows = throughput_rows(quick, seed, _say, frames, repeats)
        print_rows(rows)
        if json_path is not None:
            config = {"frames": frames, "repeats": repeats, "seed": seed, "quick": quick, "lengths": lengths}
            write_json(json_path, ["python", *sys.argv], rows, {"config": config})
    except SdrScError as error:
        sys.exit(f"phy_throughput: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"phy_throughput: the Python module '{error.name}' is missing; run 'make setup'.")
    if any(row.ok is False for row in rows):
        sys.exit(1)


def _say(what: str) -> None:
    click.echo(f"measuring: {what} ...", err=True)


if __name__ == "__main__":
    main()
