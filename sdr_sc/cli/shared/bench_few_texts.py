# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench distillation few-texts``."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from sdr_sc.cli.shared.options import DATA_SET


@click.command("few-texts")
@click.option(
    "--data-set", type=DATA_SET, default="wordnet", show_default=True, help="Of texts with classes and entries."
)
@click.option(
    "--vectors",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Of 'sdr-sc teacher vectors'  [checkpoints/wordnet_all-MiniLM-L6-v2.vectors].",
)
@click.option("--labels", multiple=True, type=click.IntRange(1), help="Labelled items; repeatable  [600, 2000].")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(0), help="Repeatable  [1, 2, 3].")
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(1), help="Of every student.")
@click.option(
    "--control", "controls", multiple=True, help="labels, labels_dropout or labels_decay; repeatable  [all of them]."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("checkpoints/few_texts"),
    show_default=True,
    help="Where students and answers lie.",
)
@click.option("--workers", default=0, type=click.IntRange(0), help="Processes of one thread; 0: one a core.")
@click.option("--quick", is_flag=True, help="One seed of 40 steps: a trial whose figures mean nothing.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write rows and answers to this file.")
def few_texts(
    data_set: str, vectors: tuple[Path, ...], labels: tuple[int, ...], seeds: tuple[int, ...], steps: int,
    controls: tuple[str, ...], folder: Path, workers: int, quick: bool, json_path: Path | None,
) -> None:  # fmt: skip
    """Few labels of texts: what a large model's vectors gain over cross entropy on the same labels, over the air.

    Students that are there are taken, one that was stopped goes on; the test part is sent through frames, noise and
    receiver. Gains are paired over items, noise, labels and seeds. Beside them is a linear probe of the teacher's own
    vectors with the same labels, without a channel. The control is the one of several that is best on the validation
    part, each with its best weights there. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.distillation.few_texts import CONTROLS, TextSize, run_few_texts
    from sdr_sc.distill.multitask.vectors import TeacherVectors
    from sdr_sc.distill.studies.schemes import named
    from sdr_sc.results.rows import check_writable, print_rows, write_json
    from sdr_sc.shown import terminal

    named("control", CONTROLS, controls)
    size = TextSize(steps=steps)
    given = {"labels": labels, "seeds": seeds, "controls": controls}
    size = replace(size, **{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
    if quick:
        size, folder = (
            replace(size, seeds=size.seeds[:1], steps=min(steps, 40)),
            folder.with_name(f"{folder.name}_quick"),
        )
    for target in (folder / "x", *([json_path] if json_path else [])):
        check_writable(target)
    files = [TeacherVectors.load(path) for path in vectors or (Path("checkpoints/wordnet_all-MiniLM-L6-v2.vectors"),)]
    console = terminal(width=None if sys.stdout.isatty() else 120)
    result = run_few_texts(size, data_set, files, folder, workers or os.cpu_count() or 1, console.print, not quick)
    print_rows(result.rows, "few labels of texts", console)
    if json_path is not None:
        config = {"data_set": data_set, "size": asdict(size), "teacher": files[0].teacher}
        write_json(
            json_path, ["sdr-sc", *sys.argv[1:]], result.rows, {"config": config, "answers": {"few-texts": result.kept}}
        )
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in result.rows):
        raise SystemExit(1)
