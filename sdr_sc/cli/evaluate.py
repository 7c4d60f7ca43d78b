# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc evaluate``."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from sdr_sc.cli.shared.options import data_set_option, model_option

if TYPE_CHECKING:
    from rich.table import Table

    from sdr_sc.bench.evaluate import Grid
    from sdr_sc.schemes.link import LinkResult

QUICK_IMAGES = 1000
QUICK_SNR_DB = (0.0, 20.0)


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str) -> list[float]:
    try:
        numbers = [float(number) for number in value.split(",")]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(value)
        return numbers
    except ValueError:
        raise click.BadParameter("give numbers with commas between, for example -5,0,20") from None


def _ks(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int | None]:
    try:
        return [None if k.strip() == "cam" else int(k) for k in value.split(",")] if value else []
    except ValueError:
        raise click.BadParameter("give whole numbers, or 'cam', with commas between, for example 4,16,cam") from None


@click.command()
@model_option
@data_set_option
@click.option("--snr", "snr_db", default="-5,0,5,10,15,20,25", show_default=True, callback=_numbers, help="SNRs, dB.")
@click.option(
    "--k", "k_list", default="", callback=_ks, help="Feature symbols per item, 'cam' for the module's choice."
)
@click.option("--images", default=0, type=click.IntRange(0), help="Test images; 0 for all.")
@click.option("--items-per-frame", default=50, show_default=True, type=click.IntRange(1, 255), help="Items in a frame.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the noise.")
@click.option("--threads", default=2, type=click.IntRange(1), show_default=True, help="CPU threads for the networks.")
@click.option("--quick", is_flag=True, help=f"{QUICK_IMAGES} images, 0 and 20 dB, unless set otherwise.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def command(
    model: str,
    data_set: str,
    snr_db: list[float],
    k_list: list[int | None],
    images: int,
    items_per_frame: int,
    seed: int,
    threads: int,
    quick: bool,
    json_path: Path | None,
) -> None:
    """Measure accuracy on the whole test set for every SNR and k, through the physical layer.

    Timing, carrier offset, channel and SNR are estimated; a lost item counts as wrong. The shipped model has goals of
    accuracy on Fashion-MNIST; status 1 if a goal is missed.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from sdr_sc.bench.evaluate import Grid, evaluate, has_goals
    from sdr_sc.data.dataset import first_places
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.results import rows as measurements
    from sdr_sc.semantic.model_items import load_items, spec_for
    from sdr_sc.shown import terminal

    if json_path is not None:
        measurements.check_writable(json_path)
    data = load_items(spec_for(model, data_set), "test")
    contract = contract_for_images(model, data)
    if quick:
        images = images or QUICK_IMAGES
        if click.get_current_context().get_parameter_source("snr_db") is ParameterSource.DEFAULT:
            snr_db = list(QUICK_SNR_DB)
    images = len(first_places(data, images or len(data)))
    grid = Grid(snr_db, k_list or [*contract.k_list, None])
    console = terminal()
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(f"{images} items at {len(grid.snr_db) * len(grid.k)} points", total=None)
        rows, results = evaluate(
            model,
            data,
            grid,
            items_per_frame,
            seed,
            threads,
            lambda frames: progress.update(task, total=frames),
            lambda: progress.advance(task),
            images,
        )
    console.print(_matrix(grid, results))
    if not has_goals(contract, data):
        console.print("there are no goals of accuracy: they are those of the shipped model on Fashion-MNIST")
    measurements.print_rows([row for row in rows if row.ok is not None], "figures with a goal", console)
    if json_path is not None:
        config = {
            "model": contract.name,
            "model_id": contract.model_id,
            "data_set": data.name,
            "images": images,
            "items_per_frame": items_per_frame,
            "seed": seed,
        }
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)


def _matrix(grid: Grid, results: dict[tuple[float, int | None], LinkResult]) -> Table:
    """Accuracy by SNR and k, with the CAM's mean k, frames lost and the SNR estimate over all k."""
    import numpy as np
    from rich.table import Table

    table = Table(title="accuracy (%), lost items count as wrong")
    table.add_column("SNR (dB)", justify="right")
    for k in grid.k:
        table.add_column("CAM" if k is None else f"k={k}", justify="right")
    for heading in ("CAM's k", "frames lost", "SNR estimate (dB)"):
        table.add_column(heading, justify="right")
    for snr_db in grid.snr_db:
        same = [results[snr_db, k] for k in grid.k]
        cam = results.get((snr_db, None))
        errors = np.concatenate([r.snr_estimates_db for r in same])
        table.add_row(
            f"{snr_db:g}",
            *(f"{100 * r.correct / r.items:.1f}" for r in same),
            "" if cam is None else f"{cam.channel_uses / cam.items:.1f}",
            f"{sum(r.frames_lost for r in same)}/{sum(r.frames for r in same)}",
            f"{errors.mean():.2f} ± {errors.std():.2f}" if len(errors) else "-",
        )
    return table
