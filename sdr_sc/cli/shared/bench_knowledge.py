# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench knowledge`` and ``answering``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.cli.shared.measure import measure_and_print
from sdr_sc.cli.shared.options import MODEL


def _sizes(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
    words = value.split(",")
    if not all(word.strip().isdecimal() and 1 <= int(word) <= 1 << 20 for word in words):
        raise click.BadParameter("give whole numbers up to 1048576 with commas between, for example 10000,100000")
    return tuple(map(int, words))


@click.command("knowledge")
@click.option(
    "--entries",
    "sizes",
    default="10000,100000,1000000",
    show_default=True,
    callback=_sizes,
    help="Of the bases, with commas.",
)
@click.option("--queries", default=500, show_default=True, type=click.IntRange(10), help="Of each base.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of vectors and queries.")
@click.option("--quick", is_flag=True, help="The same rows of 10,000 entries and 100 queries.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def knowledge(sizes: tuple[int, ...], queries: int, seed: int, quick: bool, json_path: Path | None) -> None:
    """Knowledge bases by their size: time of a query, what the index finds, memory, and making one; one thread.

    A million entries need 0.4 GB of disk, 1 GB of memory and two minutes. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.knowledge import knowledge_rows

    sizes, queries = ((10_000,), 100) if quick else (sizes, queries)
    config = {"entries": sizes, "queries": queries, "seed": seed, "quick": quick}
    measure_and_print(lambda log: knowledge_rows(sizes, queries, seed, log), json_path, config)


@click.command("answering")
@click.option(
    "--model", type=MODEL, default="multitask_student", show_default=True, help="Weights file or shipped model."
)
@click.option("--entries", default=1000, show_default=True, type=click.IntRange(100, 100_000), help="Of the base.")
@click.option("--frames", default=500, show_default=True, type=click.IntRange(20), help="Of each size.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of entries and noise.")
@click.option("--quick", is_flag=True, help="The same rows of 50 frames.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def answering(model: str, entries: int, frames: int, seed: int, quick: bool, json_path: Path | None) -> None:
    """Knowledge bases in a receiver: processor time of an item with the decoder alone, and with bases beside it."""
    from sdr_sc.bench.answering import answering_rows

    frames = 50 if quick else frames
    config = {"model": model, "entries": entries, "frames": frames, "seed": seed, "quick": quick}
    measure_and_print(lambda log: answering_rows(model, entries, frames, seed, log), json_path, config)
