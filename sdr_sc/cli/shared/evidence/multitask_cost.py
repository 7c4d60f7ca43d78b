# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence multitask-cost``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.cli.shared.measure import measure_and_print
from sdr_sc.cli.shared.options import DATA_SET, MODEL


@click.command("multitask-cost")
@click.argument("model", type=MODEL)
@click.option("--data-set", type=DATA_SET, default="wordnet", show_default=True, help="Whose test items are encoded.")
@click.option(
    "--teacher", default="all-MiniLM-L6-v2,all-mpnet-base-v2", show_default=True,
    help="Text models to compare with, with commas; '' for none. They need transformers and their packages.",
)  # fmt: skip
@click.option("--items", default=400, show_default=True, type=click.IntRange(1), help="That are timed, one at a time.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Of the items' draw.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def multitask_cost(model: str, data_set: str, teacher: str, items: int, seed: int, json_path: Path | None) -> None:
    """Parameters, operations and time of MODEL for an item on one thread, beside the large text model that taught it.

    Times are medians of processor time. Status 1 if a goal is missed: 2 ms a text, 10 times faster and 50 times smaller
    than the teacher.
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.evidence.multitask.cost import bench_multitask_cost

    names, data = [one for one in teacher.split(",") if one], load_dataset(data_set, "test")
    config = {"model": Path(model).name, "data_set": data_set, "items": items, "seed": seed}
    measure_and_print(lambda log: bench_multitask_cost(model, data, names, items, seed, log), json_path, config)
