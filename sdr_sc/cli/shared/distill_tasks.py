# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc distill --tasks``: a student for several tasks, from the vectors of a large model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from sdr_sc.cli.shared.options import file_stem
from sdr_sc.cli.shared.progress import progress_bar
from sdr_sc.errors import SdrScError

TAKEN = {
    *("tasks", "vectors", "hints", "settings", "further", "steps", "data_set", "out", "checkpoint", "seed"),
    *("encoder", "batch_items", "k_list", "labels", "label_seed", "threads", "labels_only"),
}
"""Options of ``distill`` that mean something with several tasks."""
_REPORT_EVERY = 50


def refuse_others(context: click.Context) -> None:
    """Refuse options that have no effect with several tasks.

    Raises:
        SdrScError: one of them was given.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in TAKEN and context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise SdrScError(f"{parameter.opts[0]} has no effect with --tasks; leave it out.")


def distill_tasks(
    tasks: tuple[str, ...],
    vectors: tuple[Path, ...],
    hints: tuple[Path, ...],
    settings: tuple[str, ...],
    further: tuple[str, ...],
    steps: int,
    data_set: str,
    encoder: str | None,
    out: Path | None,
    checkpoint: Path | None,
    seed: int,
    batch_items: int,
    k_list: tuple[int, ...] | None,
    labels: int,
    label_seed: int,
    labels_only: bool,
    threads: int,
) -> None:
    """Train, and write the model and the gallery of the test items.

    Args:
        vectors: files of `sdr-sc teacher vectors`, one for each data set; none for the labels alone.
        hints: files of a picture teacher's vectors, which the encoder learns from beside.
        settings: further ones of `MultiTaskConfig` that are numbers, as ``name=number``.
        further: data sets that are joined to this one, whose items teach by the vectors and hints alone.
        encoder, k_list: None for the usual ones.
        labels, label_seed: see `MultiTaskConfig`.
        labels_only: there is no teacher: the items without a label are left out.

    Raises:
        SdrScError: the settings, the data or the vectors do not fit each other.
    """
    import numpy as np
    import torch

    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.distill.multitask.config import MultiTaskConfig
    from sdr_sc.distill.multitask.joined_vectors import vectors_for
    from sdr_sc.distill.multitask.objective import RETRIEVAL
    from sdr_sc.distill.multitask.prepare import ENCODERS, prepare
    from sdr_sc.distill.multitask.ship import ship
    from sdr_sc.distill.multitask.vectors import TeacherVectors
    from sdr_sc.results.rows import check_writable, git_commit
    from sdr_sc.semantic.gallery import Gallery
    from sdr_sc.shown import command_line, shown, terminal

    torch.set_num_threads(threads or 1)
    console, git = terminal(), git_commit()
    if labels_only and (vectors or hints):
        option = "--vectors" if vectors else "--hints"
        raise SdrScError(f"with --labels-only there is no teacher to learn from; leave out {option}.")
    if label_seed != MultiTaskConfig.label_seed and not labels:
        raise SdrScError("--label-seed has no effect without --labels; give both.")
    modality = load_dataset(data_set, "train").modality
    files, hint_files = [TeacherVectors.load(path) for path in vectors], [TeacherVectors.load(path) for path in hints]
    config = MultiTaskConfig(
        tasks=tasks, encoder=encoder or ENCODERS.get(modality, "dense"), steps=steps,
        batch_items=batch_items, labels=labels, label_seed=label_seed, seed=seed, further=further,
    )  # fmt: skip
    if k_list is not None:
        config = replace(config, k_list=k_list)
    config = config.with_settings(settings)
    out = out or Path(f"{file_stem(data_set)}_student.safetensors")
    if out.suffix != ".safetensors":
        raise SdrScError(f"the weights file {out} has to end in .safetensors, by which it is known; rename --out.")
    checkpoint = checkpoint or Path("checkpoints") / f"{out.stem}.state"
    for target in (out, checkpoint):
        check_writable(target)
    prepared = prepare(config, data_set, files, hint_files)
    trainer = prepared.trainer
    if checkpoint.is_file():
        trainer.resume(checkpoint)
        console.print(f"resumed from {shown(checkpoint)}: {trainer.step} of {config.steps} steps are done")
    with progress_bar(console, "{task.fields[loss]}") as progress:
        task = progress.add_task("training", total=config.steps, completed=trainer.step, loss="")

        def report(step: int, means: dict[str, float]) -> None:
            progress.update(task, completed=step, loss=f"loss {means['loss']:.3f}")

        trainer.run(None, report, _REPORT_EVERY, checkpoint)
    console.print("measuring the quality of every task for the channel-adaptive module ...")
    contract = ship(trainer, prepared.held_out, prepared.vectors, prepared.teacher, out, git)
    console.print(f"wrote {shown(out)} (model id {contract.model_id})")
    if files and RETRIEVAL in tasks:
        test = load_dataset(data_set, "test")
        path, names = out.with_suffix(".gallery"), test.names(RETRIEVAL)
        entries = test.targets(RETRIEVAL, np.arange(len(test)))
        Gallery.of_entries(names, entries, vectors_for(test, "test", files), prepared.teacher).save(path)
        console.print(f"wrote {shown(path)}, the {len(names):,} entries of the test part")
    words = ["sdr-sc", "bench", "evidence", "multitask", str(out), "--data-set", data_set]
    console.print(f"measure it with '{command_line(words)}'")
