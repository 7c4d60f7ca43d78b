# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher bridge``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdr_sc.cli.shared.options import DATA_SETS
from sdr_sc.cli.shared.teacher_vectors import data_sets_of, parts_of, vectors_file

BRIDGE = "bridge"
"""In the place of a model in the name of the file that is written."""


@click.command("bridge")
@click.option(
    "--data-set",
    type=DATA_SETS,
    default="noto_emoji",
    show_default=True,
    help="Of pictures with names; several with commas have one bridge in common, too.",
)
@click.option("--pictures", default="efficientnet-lite2", show_default=True, help="The picture model.")
@click.option("--texts", default="all-MiniLM-L6-v2", show_default=True, help="The text model.")
@click.option(
    "--folder",
    default="checkpoints",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Of both models' vectors, DATA_SET_MODEL.vectors; DATA_SET_bridge.vectors is written there.",
)
@click.option("--probe/--no-probe", "with_probe", default=True, help="Linear probes of the groups, which take longest.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def bridge(
    data_set: str, pictures: str, texts: str, folder: Path, with_probe: bool, threads: int, json_path: Path | None
) -> None:
    """Fit a linear map from a picture model's vectors to a text model's, and measure how well it finds names.

    Both kinds of vectors are those of 'sdr-sc teacher vectors'. The map is fitted on training drawings, its penalty is
    chosen on the validation part, and the figures are of the test part. Written are the pictures' vectors in the
    texts' space, which a student can learn from.
    """
    import torch

    from sdr_sc.data.drawn.repeated import repeated_elsewhere
    from sdr_sc.distill.multitask.vectors import TeacherVectors
    from sdr_sc.errors import SdrScError
    from sdr_sc.evidence.large_models.bridge import PictureSet, bench_bridge
    from sdr_sc.results import rows as measurements
    from sdr_sc.shown import shown, terminal

    console, names = terminal(), data_sets_of(data_set)
    files = {name: vectors_file(name, BRIDGE, folder) for name in names}
    for target in (*files.values(), *([json_path] if json_path else [])):
        measurements.check_writable(target)
    torch.set_num_threads(threads)
    sets = []
    for name in names:
        known = [TeacherVectors.load(vectors_file(name, model, folder)) for model in (pictures, texts)]
        parts = parts_of(name)
        if "validation" not in parts or "retrieval" not in parts["train"].tasks:
            raise SdrScError(f"data set {shown(name)} has no names of pictures, or no validation part; give another.")
        sets.append(PictureSet(name, parts, known[0], known[1], repeated_elsewhere(name, names)))
    for one in sets:
        if one.left_out.any():
            console.print(f"{shown(one.name)}: {one.left_out.sum():,} training pictures are of drawings that another "
                          "data set tests with, and are left out of the common bridge")  # fmt: skip
    rows, found = bench_bridge(sets, console.print, with_probe)
    measurements.print_rows(rows, "from pictures to names", console)
    for name, kept in found.items():
        kept.save(files[name])
        console.print(f"wrote {shown(files[name])}: {kept.bytes_a_view} bytes an item", soft_wrap=True)
    if json_path is not None:
        about = {one.name: {"pictures": one.pictures.bytes_a_view, "kept": one.pictures.kept,
                            "left out": int(one.left_out.sum())} for one in sets}  # fmt: skip
        measurements.write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"vectors": about})
        console.print(f"wrote {shown(json_path)}", soft_wrap=True)
