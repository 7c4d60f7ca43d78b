# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence multitask``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdr_sc.cli.shared.options import DATA_SET, MODEL, check_points, number_list


@click.command("multitask")
@click.argument("model", type=MODEL)
@click.option(
    "--data-set", type=DATA_SET, default="wordnet", show_default=True, help="Of the model, see 'sdr-sc data list'."
)
@click.option(
    "--gallery",
    "gallery_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="[beside the model].",
)
@click.option(
    "--vectors",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of 'sdr-sc teacher vectors': the training part's entries, searched beside the gallery's, and what the coded "
    "vector's receiver is trained by.",
)
@click.option("--snr-db", default="-5,0,5,10,20", show_default=True, callback=number_list, help="Es/N0, with commas.")
@click.option("--k", "k_list", default="2,4,8,16,32", show_default=True, callback=number_list, help="Feature symbols.")
@click.option("--channel", default="", help="Models before the noise, such as 'tdl_c(delay_spread_ns=300)'.")
@click.option("--ours-only", is_flag=True, help="Without the rivals, which take most of the time.")
@click.option("--linear-only", is_flag=True, help="Of the rivals the linear one alone.")
@click.option("--quick", is_flag=True, help="On 400 items, with the same gallery.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Of noise and of the rivals.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def multitask(
    model: str, data_set: str, gallery_path: Path | None, vectors: tuple[Path, ...], snr_db: tuple[float, ...],
    k_list: tuple[float, ...], channel: str, ours_only: bool, linear_only: bool, quick: bool, seed: int,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Every task of MODEL from one transmission, through frames, channel and receiver, beside coded messages.

    A gallery has the entries of the data set's test part; its size belongs to every R@k. Of joined sets one member's
    items are measured with ',only=MEMBER'; where that asks questions, all that it asks of each picture is asked. A data
    set that the model was not trained for, such as tux_paint, has a gallery of its own, made from --vectors of its
    names; of classes that the model does not answer there are no rows.
    """
    from sdr_sc.results.rows import check_writable, write_json

    check_points(model, k_list, channel)
    if json_path is not None:
        check_writable(json_path)

    import numpy as np

    from sdr_sc.data.asked import asked_items
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.distill.multitask.joined_vectors import check_one_space, vectors_for
    from sdr_sc.distill.multitask.vectors import TeacherVectors
    from sdr_sc.evidence.multitask.measure import bench_multitask
    from sdr_sc.evidence.multitask.other_data import gallery_of, is_alone, of_model
    from sdr_sc.evidence.multitask.rows import RETRIEVAL, Setting
    from sdr_sc.evidence.pictures.asked import bench_asked
    from sdr_sc.evidence.tables import pivot
    from sdr_sc.results.paired import packed
    from sdr_sc.semantic import weights
    from sdr_sc.semantic.gallery import Gallery
    from sdr_sc.semantic.tasks.question import QUESTION

    contract = weights.read_contract(model)
    names = {task.name for task in contract.tasks}
    train, test = (of_model(contract, data_set, part) for part in ("train", "test"))
    files, others = [TeacherVectors.load(one) for one in vectors], None
    if files:
        # Of a member of joined sets the entries of all: the others' are searched, too.
        whole = train if is_alone(data_set) else load_dataset(data_set.partition(",")[0], "train")
        entries = whole.targets(RETRIEVAL, np.arange(len(whole)))
        has, known = entries >= 0, vectors_for(whole, "train", files)
        others = Gallery.of_entries(whole.names(RETRIEVAL), entries[has], known[has], check_one_space(files))
    path, gallery = gallery_path or weights.resolve(model).with_suffix(".gallery"), None
    if gallery_path or path.is_file():
        gallery = Gallery.load(path)
    if RETRIEVAL in names and not gallery_path and (gallery is None or gallery.names != tuple(test.names(RETRIEVAL))):
        gallery = gallery_of(contract, test, files, data_set)
    setting = Setting(
        model, train, test, gallery, snr_db, [int(k) for k in k_list], seed, channel, others, not ours_only,
        not linear_only,
    )  # fmt: skip
    asked = asked_items(setting.test)
    all_asked = QUESTION in names and asked is not None and bool(asked.is_asked.all())
    asks = all_asked or contract.tasks[0].name == QUESTION
    kept: dict[str, np.ndarray] = {}

    def log(what: str) -> None:
        click.echo(f"measuring: {what}", err=True)

    rows = bench_asked(setting, quick, log) if asks else bench_multitask(setting, quick, log, kept)
    click.echo(pivot(rows, "setting"))
    if json_path is not None:
        config = {"model": Path(model).name, "data_set": data_set, "seed": seed, "channel": channel}
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config, "answers": packed(kept)})
        click.echo(f"wrote {json_path}")
