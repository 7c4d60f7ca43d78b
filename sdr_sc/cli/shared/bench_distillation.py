# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench distillation``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.bench_few_texts import few_texts
from sdr_sc.cli.shared.bench_studies import gain, study
from sdr_sc.cli.shared.measure import measure_and_print
from sdr_sc.cli.shared.options import model_option

if TYPE_CHECKING:
    from sdr_sc.bench.distillation.runs import Run
    from sdr_sc.results.rows import Row


@click.group("distillation")
def distillation() -> None:
    """Schemes of distillation: train them, then print one table after the other."""


distillation.add_command(study)
distillation.add_command(gain)
distillation.add_command(few_texts)


def _distillation_options(function: Callable) -> Callable:
    for option in (
        click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file."),
        click.option("--workers", default=0, type=click.IntRange(0), help="Processes of one thread; 0: one a core."),
        click.option("--scheme", "schemes", multiple=True, help="Only this one; may be repeated [all]."),
        click.option("--seed", "seeds", multiple=True, type=click.IntRange(0), help="Only this one [1, 2, 3]."),
        click.option(
            "--epochs",
            default=40,
            show_default=True,
            type=click.IntRange(1),
            help="Of each run, before its decision epochs.",
        ),
        click.option(
            "--folder",
            default="checkpoints/distillation",
            show_default=True,
            type=click.Path(path_type=Path),
            help="Where the trained runs lie.",
        ),
    ):
        function = option(function)
    return function


@distillation.command("train")
@_distillation_options
@click.option("--prestored", type=click.Path(path_type=Path), help="Folder of 'sdr-sc prestore'.")
@click.option(
    "--uncompressed", type=click.Path(path_type=Path), help="The same with --labels float32 --features pca16x32."
)
@click.option("--teacher", help="For standard distillation, which asks it in every step.")
@click.option(
    "--partial",
    type=click.Path(path_type=Path),
    help="Folder of 'sdr-sc prestore' with a teacher of 'teacher fit --limit 30250'.",
)
@click.option(
    "--every-view",
    type=click.Path(path_type=Path),
    help="Folder of 'sdr-sc prestore --views 18 --labels float32 --features none': says what --teacher would, sooner.",
)
def distillation_train(
    folder: Path,
    epochs: int,
    seeds: tuple[int, ...],
    schemes: tuple[str, ...],
    workers: int,
    json_path: Path | None,
    prestored: Path | None,
    uncompressed: Path | None,
    teacher: str | None,
    partial: Path | None,
    every_view: Path | None,
) -> None:
    """Train every scheme with every seed; what is trained already is left alone, what was interrupted goes on."""
    from sdr_sc.bench.distillation.runs import Sources, train_all
    from sdr_sc.results.rows import Row, check_writable, write_json
    from sdr_sc.shown import terminal

    for target in (folder / "x", *([json_path] if json_path else [])):
        check_writable(target)
    runs = _runs(folder, epochs, seeds, schemes)
    console = terminal()
    train_all(
        runs,
        Sources(prestored, uncompressed, teacher, partial, every_view),
        workers or os.cpu_count() or 1,
        lambda run, word: console.print(f"{run.scheme.name}, seed {run.seed}: {word}"),
    )
    if json_path is not None:
        rows = [
            Row(f"{r.scheme.title}, seed {r.seed}, training", r.contract().training["seconds"], "s")
            for r in runs
            if r.weights.is_file()
        ]
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows)


def _quick_option(function: Callable) -> Callable:
    return click.option("--quick", is_flag=True, help="The same rows on fewer test images, in under a minute.")(
        function
    )


@distillation.command("accuracy")
@_distillation_options
@_quick_option
def distillation_accuracy(**options: Any) -> None:
    """Accuracy of every scheme through the physical layer, over the seeds."""
    from sdr_sc.bench.distillation.accuracy import ACCURACY_POINTS, goal_rows, scheme_rows

    _table(
        options, lambda _k: ACCURACY_POINTS, lambda found, _k, asked: [*goal_rows(found, asked), *scheme_rows(found)]
    )


@distillation.command("ablations")
@_distillation_options
@_quick_option
def distillation_ablations(**options: Any) -> None:
    """What the bottleneck, the features, the CAM, the expected error and the teacher gain, each with its interval over
    the seeds."""
    from sdr_sc.bench.distillation.accuracy import ablation_rows
    from sdr_sc.bench.distillation.points import COMPARED

    _table(options, lambda _k: COMPARED, lambda found, _k, asked: ablation_rows(found, asked))


@distillation.command("cam")
@_distillation_options
@_quick_option
def distillation_cam(**options: Any) -> None:
    """Channel uses that the CAM saves against a fixed k, SNR uniform in -5..25 dB; of the scheme 'ours' alone."""
    from sdr_sc.bench.distillation.accuracy import cam_points, cam_rows

    _table({**options, "schemes": ("ours",)}, cam_points, cam_rows)


@distillation.command("time")
@click.option("--prestored", required=True, type=click.Path(path_type=Path), help="Folder of 'sdr-sc prestore'.")
@click.option(
    "--teacher",
    "teachers",
    required=True,
    multiple=True,
    help="The teacher that it was made with; again for the same one in another runtime.",
)
@click.option(
    "--epochs", default=40, show_default=True, type=click.IntRange(1), help="Of a training, before its decision epochs."
)
@click.option("--quick", is_flag=True, help="Fewer steps.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def distillation_time(
    prestored: Path, teachers: tuple[str, ...], epochs: int, quick: bool, json_path: Path | None
) -> None:
    """Time of an epoch and of a whole training, against the teacher in the loop."""
    from sdr_sc.bench.distillation.cost import time_rows

    config = {"prestored": str(prestored), "teachers": list(teachers), "epochs": epochs, "quick": quick}
    measure_and_print(lambda log: time_rows(prestored, teachers, epochs, quick, log), json_path, config)


@distillation.command("size")
@model_option
@click.option("--teacher", required=True, type=click.Path(path_type=Path), help="Fitted teacher (safetensors).")
@click.option("--quick", is_flag=True, help="Fewer images.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def distillation_size(model: str, teacher: Path, quick: bool, json_path: Path | None) -> None:
    """Parameters of teacher and encoder, and their time for one image on one core."""
    from sdr_sc.bench.distillation.cost import size_rows

    config = {"model": model, "teacher": str(teacher), "quick": quick}
    measure_and_print(lambda log: size_rows(model, teacher, quick, log), json_path, config)


def _runs(folder: Path, epochs: int, seeds: tuple[int, ...], schemes: tuple[str, ...]) -> list[Run]:
    from sdr_sc.bench.distillation.runs import Run
    from sdr_sc.distill.studies.schemes import DEFAULT_SEEDS, pick

    # All schemes with one seed, then all with the next: an interrupted matrix is still one that compares.
    return [Run(scheme, seed, epochs, folder) for seed in seeds or DEFAULT_SEEDS for scheme in pick(schemes)]


def _table(options: dict[str, Any], points: Callable, rows: Callable) -> None:
    """Measure the trained runs and print what ``rows`` makes of them.

    Args:
        points: gives the points for the runs' list of k.
        rows: gives the rows for the results, the list of k, and the schemes and seeds that were asked for.
    """
    from sdr_sc.bench.distillation.points import QUICK_IMAGES, measure_all
    from sdr_sc.data import fashion_mnist
    from sdr_sc.errors import SdrScError

    names = ("folder", "epochs", "seeds", "schemes")
    asked = _runs(*(options[name] for name in names))
    items = len(fashion_mnist.load("train"))
    runs = [run for run in asked if run.is_done(run.scheme.config(run.seed, run.epochs, items))]
    if not runs:
        raise SdrScError(
            f"{options['folder']} has none of these runs; train them with 'sdr-sc bench distillation train'."
        )
    k_list = max((run.contract().k_list for run in runs), key=len)
    images = QUICK_IMAGES if options["quick"] else 0

    def measured(log: Callable[[str], None]) -> list[Row]:
        workers = options["workers"] or os.cpu_count() or 1
        for run in asked:
            if run not in runs:
                log(f"nothing of {run.weights.name}, which is not trained")
        found = measure_all(runs, points(k_list), workers, lambda run: log(f"{run.weights.name} done"), images)
        return rows(found, k_list, [(run.scheme.name, run.seed) for run in asked])

    config = {
        **{name: options[name] for name in ("folder", "epochs", "quick")},
        "schemes": list(dict.fromkeys(run.scheme.name for run in runs)),
        "seeds": sorted({run.seed for run in runs}),
        "images": images or len(fashion_mnist.load("test")),
    }
    measure_and_print(measured, options["json_path"], config, goals_first=True)
