# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher probe``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.shared.options import DATA_SET
from sdr_sc.cli.shared.progress import progress_bar
from sdr_sc.cli.shared.teacher_vectors import fetched_teacher, parts_of

if TYPE_CHECKING:
    import numpy as np

    from sdr_sc.distill.teachers.sentences import SentenceTeacher

_BATCH_ITEMS = 256


@click.command("probe")
@click.option(
    "--model", default="all-MiniLM-L6-v2,all-mpnet-base-v2", show_default=True, help="Text models, with commas."
)
@click.option(
    "--data-set", type=DATA_SET, default="wordnet", show_default=True, help="Of texts, see 'sdr-sc data list'."
)
@click.option(
    "--train-items",
    default=18_000,
    show_default=True,
    type=click.IntRange(100),
    help="That are asked about, drawn at random.",
)
@click.option(
    "--labels",
    default=0,
    type=click.IntRange(0),
    help="Of N training items alone, drawn as 'distill --labels N' does; 0 for --train-items at random.",
)
@click.option("--label-seed", default=1, show_default=True, type=click.IntRange(0), help="Of the draw of --labels.")
@click.option("--dimensions", default=64, show_default=True, type=click.IntRange(1, 4096), help="Kept of a vector.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def probe(
    model: str, data_set: str, train_items: int, labels: int, label_seed: int, dimensions: int, threads: int,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Compare text models: how much of a data set's classes and neighbours their vectors hold, whole and as kept.

    A model's answers are kept in the cache, as those of pictures.
    """
    import numpy as np
    import torch

    from sdr_sc.data.texts import text_of
    from sdr_sc.distill.split import draw_labelled
    from sdr_sc.distill.teachers.asked_once import asked_once
    from sdr_sc.distill.teachers.sentences import sentence_model
    from sdr_sc.errors import SdrScError
    from sdr_sc.evidence.large_models.texts import rows_of_teacher
    from sdr_sc.results import rows as measurements
    from sdr_sc.shown import shown, terminal

    console, parts, models = terminal(), parts_of(data_set), list(dict.fromkeys(model.split(",")))
    if parts["train"].modality != "text" or "validation" not in parts:
        raise SdrScError(f"data set {shown(data_set)} has no texts, or no validation part; give another.")
    if json_path is not None:
        measurements.check_writable(json_path)
    for each in models:
        sentence_model(each)
    torch.set_num_threads(threads)
    chosen = {part: np.arange(len(data)) for part, data in parts.items()}
    chosen["train"] = np.sort(np.random.default_rng(1).permutation(len(parts["train"]))[:train_items])
    if labels:
        every = np.arange(len(parts["train"]))
        chosen["train"] = draw_labelled(parts["train"].targets("classification", every), every, labels, label_seed)
    classes = {part: parts[part].targets("classification", places) for part, places in chosen.items()}
    rows = []
    for each in models:
        teacher, found = fetched_teacher(each, console), {}
        with progress_bar(console) as progress:
            for part, places in chosen.items():
                texts = [text_of(item) for item in parts[part].items(places)]
                about = {"texts": parts[part].sha256, "items": len(texts), "model": sentence_model(each).model_sha256}
                if labels and part == "train":
                    about |= {"labels": labels, "label_seed": label_seed}
                task = progress.add_task(f"asking {each} about {part}", total=len(texts))
                ask = partial(_vectors, teacher, texts)
                found[part] = asked_once(each, about, len(texts), ask, _BATCH_ITEMS, partial(progress.advance, task))
        rows += rows_of_teacher(each, found, classes, len(parts["test"].names("classification")), dimensions)
    measurements.print_rows(rows, "what text models hold", console)
    if json_path is not None:
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows)
        console.print(f"wrote {shown(json_path)}", soft_wrap=True)


def _vectors(teacher: SentenceTeacher, texts: Sequence[str], places: np.ndarray) -> np.ndarray:
    return teacher.vectors([texts[place] for place in places])
