# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc prestore``: ask a teacher once about views of every training image, and store what it knows."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.shared.options import data_set_option, file_stem
from sdr_sc.cli.shared.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.distill.targets.prestore import Prestorer
    from sdr_sc.distill.targets.prestored import PrestoredKnowledge
    from sdr_sc.results.rows import Row

GOAL_BYTES = 20
DEFAULT_CODECS = ("top4", "pca16x4")


@click.command()
@click.option("--teacher", "spec", required=True, help="File of 'sdr-sc teacher fit', ONNX file, or module:callable.")
@data_set_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write, or to go on with  [checkpoints/DATA_SET_prestored].",
)
@click.option(
    "--views", default=4, show_default=True, type=click.IntRange(1), help="Views of an image; the first is itself."
)
@click.option(
    "--labels", default=DEFAULT_CODECS[0], show_default=True, help="Soft labels: topK, full8, float16 or float32."
)
@click.option(
    "--features", default=DEFAULT_CODECS[1], show_default=True, help="Features: none, pcaDxB, float16 or float32."
)
@click.option("--shift", default=1, show_default=True, help="Largest move of a view, pixels.")
@click.option("--erase", default=0, show_default=True, help="Side of the erased square, pixels; 0 for none.")
@click.option("--erase-share", default=0.5, show_default=True, help="Part of the views with an erased square.")
@click.option("--flip/--no-flip", default=True, show_default=True, help="Flip half of the views left to right.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the views.")
@click.option(
    "--shard-items", default=2048, show_default=True, type=click.IntRange(1), help="Images a file: what a kill costs."
)
@click.option("--limit", default=0, type=click.IntRange(0), help="The first N images only; 0 for all.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]), help="Where.")
@click.option("--threads", default=0, type=click.IntRange(0), help="CPU threads; 0 for all cores.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def command(
    spec: str,
    data_set: str,
    out: Path | None,
    views: int,
    labels: str,
    features: str,
    shift: int,
    erase: int,
    erase_share: float,
    flip: bool,
    seed: int,
    shard_items: int,
    limit: int,
    device: str,
    threads: int,
    json_path: Path | None,
) -> None:
    """Ask a teacher once about views of every training image, and store what it knows in a few bytes a view.

    Run again with the same settings, it goes on where it was stopped, makes damaged files again, and checks the whole.
    Status 1 if the default codecs need more than their goal with all images; the folder can be used all the same.
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.results import rows as measurements
    from sdr_sc.shown import shown, terminal

    out = out or Path("checkpoints") / f"{file_stem(data_set)}_prestored"
    measurements.check_writable(out, as_folder=True)
    if json_path:
        measurements.check_writable(json_path)
    data = load_dataset(data_set, "train")
    data = data.first(limit or len(data))

    import torch

    from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
    from sdr_sc.distill.teachers.base import no_better_than_chance
    from sdr_sc.distill.teachers.load import load_teacher
    from sdr_sc.semantic.modalities.image_views import ViewPolicy

    config = PrestoreConfig(
        views=views,
        labels=labels,
        features=features,
        policy=ViewPolicy(shift, erase, erase_share, flip),
        seed=seed,
        shard_items=shard_items,
        git=measurements.git_commit(),
    )
    if threads:
        torch.set_num_threads(threads)
    console = terminal()
    teacher = load_teacher(spec, device, data.images.shape[1:], len(data.class_names))
    prestorer = Prestorer(teacher, data, config, out)
    complete, asked = prestorer.complete, (len(data) - prestorer.items_done) * views + prestorer.basis_images
    start = time.perf_counter()
    stored = _run(prestorer, len(data), views, out, console)
    seconds = time.perf_counter() - start
    rows = _rows(stored, limit == 0)
    if not complete:
        rows.append(measurements.Row("time", seconds, "s"))
        rows.append(measurements.Row("speed", asked / seconds, "images/s", n=asked))
    measurements.print_rows(rows, "pre-stored knowledge", console)
    correct = sum(shard.correct for shard in stored.manifest.shards)
    doubt = no_better_than_chance(teacher.name, correct, data.labels)
    if doubt is not None:
        click.echo(f"sdr-sc: warning: {shown(doubt)}; check the order of its classes and its preprocessing", err=True)
    if json_path is not None:
        manifest = {name: value for name, value in asdict(stored.manifest).items() if name != "shards"}
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"manifest": manifest})
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        console.print(f"a goal is missed; {out} is complete and can be used all the same", soft_wrap=True)
        raise SystemExit(1)


def _run(prestorer: Prestorer, items: int, views: int, out: Path, console: Console) -> PrestoredKnowledge:
    """Store with a progress bar, or only check what is complete already."""
    if prestorer.complete:
        stored = prestorer.run()
        console.print(f"{out} is complete already: every file is whole and fits teacher and data", soft_wrap=True)
        return stored
    if prestorer.redone:
        console.print(f"missing or damaged, made again: {', '.join(prestorer.redone)}", soft_wrap=True)
    if prestorer.items_done:
        console.print(f"going on: {prestorer.items_done:,} of {items:,} images are stored", soft_wrap=True)
    if prestorer.basis_images:
        console.print(f"first {prestorer.basis_images:,} plain images, for the basis of the features")
    done, start = 0, 0.0
    with progress_bar(console, "{task.fields[rate]:.0f} images/s") as progress:
        task = progress.add_task("pre-storing", total=items, completed=prestorer.items_done, rate=0.0)

        def on_items(count: int) -> None:
            # The clock starts with the first batch's end: what came before it is the basis.
            nonlocal done, start
            now = time.perf_counter()
            if start:
                done += count
                progress.update(task, advance=count, rate=done * views / (now - start))
            else:
                start = now
                progress.update(task, advance=count)

        stored = prestorer.run(on_items)
    console.print(f"wrote {out}", soft_wrap=True)
    return stored


def _rows(stored: PrestoredKnowledge, whole: bool) -> list[Row]:
    from sdr_sc.results.rows import Row

    manifest, views = stored.manifest, stored.items * stored.views
    size, name = stored.bytes_per_view, "size of a view, all files"
    # The goal is set for the default codecs and all images; of few images, the basis is the larger part.
    judged = whole and (manifest.labels, manifest.features) == DEFAULT_CODECS
    shards = manifest.shards
    return [
        Row.at_most(name, size, "B", GOAL_BYTES, views) if judged else Row(name, size, "B", n=views),
        Row("size, total", size * views / 1e6, "MB"),
        Row("decoded class is the teacher's", 100 * sum(s.agreeing for s in shards) / views, "%", n=views),
        Row("mean KL(teacher || decoded)", sum(s.kl_nats for s in shards) / views, "nats", n=views),
        Row(
            "teacher's accuracy, plain images", 100 * sum(s.correct for s in shards) / stored.items, "%", n=stored.items
        ),
    ]
