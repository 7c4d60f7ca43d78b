# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence multitask-cost``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.cli.shared.measure import measure_and_print
from sdr_sc.cli.shared.options import DATA_SET, MODEL

_USUAL = {"image_text": ("wordnet", "noto_emoji")}
"""By what a model takes; others take ``wordnet``."""


@click.command("multitask-cost")
@click.argument("model", type=MODEL)
@click.option(
    "--data-set", "data_sets", type=DATA_SET, multiple=True,
    help="Whose test items are encoded; repeatable.  [wordnet, and of a model of pictures and texts noto_emoji, too]",
)  # fmt: skip
@click.option(
    "--teacher", default="all-MiniLM-L6-v2,all-mpnet-base-v2", show_default=True,
    help="Text models to compare with, with commas; '' for none. They need transformers and their packages.",
)  # fmt: skip
@click.option("--items", default=400, show_default=True, type=click.IntRange(1), help="That are timed, one at a time.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Of the items' draw.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def multitask_cost(
    model: str, data_sets: tuple[str, ...], teacher: str, items: int, seed: int, json_path: Path | None
) -> None:
    """Parameters, operations and time of MODEL for an item on one thread, beside the large text model that taught it.

    Of a model of pictures and texts both are timed, each for itself. Times are medians of processor time. Status 1 if a
    goal is missed: 2 ms a text, 10 times faster and 50 times smaller than the teacher.
    """
    from sdr_sc.semantic.model_items import load_items, spec_for
    from sdr_sc.semantic.weights import read_contract

    chosen = data_sets or _USUAL.get(read_contract(model).modality.name, ("wordnet",))
    sets = [load_items(spec_for(model, one)) for one in chosen]

    from sdr_sc.evidence.multitask.cost import bench_multitask_cost

    names = [one for one in teacher.split(",") if one]
    config = {"model": Path(model).name, "data_set": ",".join(chosen), "items": items, "seed": seed}
    measure_and_print(lambda log: bench_multitask_cost(model, sets, names, items, seed, log), json_path, config)
