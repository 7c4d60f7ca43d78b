# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc distill``: train the student through the channel and write the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.shared.distill_tasks import distill_tasks, refuse_others
from sdr_sc.cli.shared.options import data_set_option, file_stem
from sdr_sc.cli.shared.progress import progress_bar
from sdr_sc.distill.config import RECOMMENDED

_SOFT, _FEATURE, _BOTTLENECK, _DECISION = (
    RECOMMENDED[f"{name}_weight"] for name in ("soft", "feature", "bottleneck", "decision")
)
_DECISION_EPOCHS = RECOMMENDED["decision_epochs"]

if TYPE_CHECKING:
    from rich.console import Console

    from sdr_sc.distill.epoch import EpochReport
    from sdr_sc.distill.train import Trainer


def _k_list(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(k) for k in value.split(","))
    except ValueError:
        raise click.BadParameter("give whole numbers with commas between, for example 4,8,16,32") from None


@click.command("distill")
@click.option("--prestored", type=click.Path(path_type=Path), help="Folder that 'sdr-sc prestore' wrote.")
@click.option("--teacher", help="Teacher to ask in every step instead: a fitted one, an ONNX file, module:callable.")
@click.option("--labels-only", is_flag=True, help="No teacher: cross entropy on the labels alone.")
@data_set_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Weights file to write  [DATA_SET_student.safetensors; of Fashion-MNIST the shipped model].",
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Written after every epoch, and resumed from.")
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder for TensorBoard's logs.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Of weights, order, noise, views.")
@click.option(
    "--epochs", default=40, show_default=True, help="Passes over the training set, before the decision epochs."
)
@click.option(
    "--encoder",
    default="dense",
    show_default=True,
    help="dense (48,000 parameters), small (10,000), or a class of your own by import path, my_lab.coder:Encoder; see "
    "docs/own-model-and-data.md.",
)
@click.option("--batch-items", default=256, show_default=True, help="Images per batch.")
@click.option("--learning-rate", default=4e-3, show_default=True, help="Largest of AdamW; Muon has its own.")
@click.option("--k-list", default="2,4,8,16,32", show_default=True, callback=_k_list, help="Feature symbols per item.")
@click.option(
    "--soft-weight",
    type=float,
    help=f"Part of the loss from the teacher's soft labels.  [default: {_SOFT:g}; 0 with --labels-only]",
)
@click.option("--temperature", default=2.0, show_default=True, help="Of the soft labels.")
@click.option(
    "--feature-weight",
    type=float,
    help=f"Of the teacher's features in the loss.  [default: {_FEATURE:g}; 0 without --prestored]",
)
@click.option(
    "--bottleneck-weight",
    type=float,
    help="Of the information bottleneck, a share of the symbols' capacity.  "
    f"[default: {_BOTTLENECK:g}; 0 with --labels-only]",
)
@click.option(
    "--decision-epochs",
    type=click.IntRange(0),
    help=f"Passes at the end that learn to decide at low SNR.  [default: {_DECISION_EPOCHS}; 0 with --labels-only]",
)
@click.option(
    "--decision-weight",
    type=float,
    help=f"Of the expected error in these.  [default: {_DECISION:g}; 0 with --labels-only]",
)
@click.option("--cam/--no-cam", default=True, show_default=True, help="Give encoder and decoder the SNR.")
@click.option(
    "--channel",
    default="",
    help="Fading to train on, such as 'tdl_c(delay_spread_ns=300)'; models as the channel block takes them [Rayleigh].",
)
@click.option("--limit-items", default=0, type=click.IntRange(0), help="Train on N images only; 0 for all.")
@click.option(
    "--labelled-items",
    default=0,
    type=click.IntRange(0),
    help="Use the labels of the first N training images only, as 'teacher fit --limit N' with its default --seed does; "
    "0 for all.",
)
@click.option(
    "--labels",
    default=0,
    type=click.IntRange(0),
    help="Use the labels of N training items only, of each class by its share, as 'teacher fit --labels N' does; 0 for "
    "all. The teacher answers for the others; with --labels-only they are left out.",
)
@click.option("--label-seed", default=1, show_default=True, type=click.IntRange(0), help="Of the draw of --labels.")
@click.option(
    "--epoch-items",
    default=0,
    type=click.IntRange(0),
    help="Images of an epoch, again and again if there are fewer; 0 for each once. Gives --labels-only with few labels "
    "as many steps as others have.",
)
@click.option("--validation-items", default=5000, show_default=True, type=click.IntRange(1), help="Images held out.")
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="Of the convolutions; auto takes bfloat16 where the device has matrix units for it.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--threads", default=0, type=click.IntRange(0), help="CPU threads; 0 for all cores.")
@click.option(
    "--tasks",
    help="Several tasks of the data set, with commas between, such as classification,retrieval: one student that "
    "answers all of them. Takes --vectors in place of a teacher.",
)
@click.option(
    "--vectors",
    multiple=True,
    type=click.Path(path_type=Path),
    help="With --tasks: file of 'sdr-sc teacher vectors', for each data set that is joined.",
)
@click.option(
    "--hints",
    multiple=True,
    type=click.Path(path_type=Path),
    help="With --tasks: file of a picture teacher's vectors, which the encoder learns from beside.",
)
@click.option(
    "--further",
    multiple=True,
    metavar="DATA_SET",
    help="With --tasks: a data set that is joined to --data-set, whose items teach by vectors and hints alone.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=NUMBER",
    help="With --tasks: another setting of the training, such as alignment_weight=0; see docs/multitask.md.",
)
@click.option("--steps", default=4000, show_default=True, type=click.IntRange(1), help="With --tasks: batches.")
@click.pass_context
def command(
    context: click.Context,
    prestored: Path | None,
    teacher: str | None,
    labels_only: bool,
    data_set: str,
    out: Path | None,
    checkpoint: Path | None,
    tensorboard: Path | None,
    seed: int,
    epochs: int,
    encoder: str,
    batch_items: int,
    learning_rate: float,
    k_list: tuple[int, ...],
    soft_weight: float | None,
    temperature: float,
    feature_weight: float | None,
    bottleneck_weight: float | None,
    decision_epochs: int | None,
    decision_weight: float | None,
    cam: bool,
    channel: str,
    limit_items: int,
    labelled_items: int,
    labels: int,
    label_seed: int,
    epoch_items: int,
    validation_items: int,
    precision: str,
    device: str,
    threads: int,
    tasks: str | None,
    vectors: tuple[Path, ...],
    hints: tuple[Path, ...],
    settings: tuple[str, ...],
    further: tuple[str, ...],
    steps: int,
) -> None:
    """Train encoder and decoder through the channel with random SNR and every k; resumes after an interruption.

    The knowledge comes from one of --prestored, --teacher and --labels-only.
    """
    from sdr_sc.data.dataset import DEFAULT_DATA_SET
    from sdr_sc.distill.config import DistillConfig
    from sdr_sc.errors import SdrScError
    from sdr_sc.results.rows import check_writable, git_commit
    from sdr_sc.semantic.weights import DEFAULT_MODEL, MODELS_FOLDER
    from sdr_sc.shown import command_line, terminal

    if tasks is not None:
        refuse_others(context)
        own = click.core.ParameterSource.COMMANDLINE
        distill_tasks(
            tuple(tasks.split(",")), vectors, hints, settings, further, steps, data_set,
            encoder if context.get_parameter_source("encoder") == own else None, out, checkpoint, seed, batch_items,
            k_list if context.get_parameter_source("k_list") == own else None, labels, label_seed, labels_only, threads,
        )  # fmt: skip
        return
    if vectors or hints or settings or further:
        option = "--vectors" if vectors else "--hints" if hints else "--set" if settings else "--further"
        raise SdrScError(f"{option} has no effect without --tasks; give both.")
    if (prestored is not None) + (teacher is not None) + labels_only != 1:
        raise SdrScError("the source of knowledge is not clear; give one of --prestored, --teacher and --labels-only.")
    if labels_only and (soft_weight or feature_weight):
        raise SdrScError(
            "with --labels-only there is no teacher to learn from; leave out --soft-weight and --feature-weight."
        )
    if teacher and feature_weight:
        raise SdrScError(
            "features are learned from pre-stored knowledge alone; leave out --feature-weight, or give --prestored."
        )
    if soft_weight is None:
        soft_weight = 0.0 if labels_only else _SOFT
    if feature_weight is None:
        feature_weight = _FEATURE if prestored else 0.0
    if bottleneck_weight is None:
        bottleneck_weight = 0.0 if labels_only else _BOTTLENECK
    if decision_epochs is None:
        decision_epochs = 0 if labels_only else _DECISION_EPOCHS
    if decision_weight and not decision_epochs:
        raise SdrScError("--decision-weight has no effect without decision epochs; give --decision-epochs as well.")
    if decision_weight is None:
        decision_weight = 0.0 if labels_only else _DECISION
    config = DistillConfig(
        seed=seed,
        epochs=epochs,
        batch_items=batch_items,
        learning_rate=learning_rate,
        k_list=k_list,
        adaptive=cam,
        soft_weight=soft_weight,
        temperature=temperature,
        feature_weight=feature_weight,
        bottleneck_weight=bottleneck_weight,
        decision_epochs=decision_epochs,
        decision_weight=decision_weight,
        channel=channel,
        limit_items=limit_items,
        labelled_items=labelled_items,
        labels=labels,
        label_seed=label_seed,
        epoch_items=epoch_items,
        validation_items=validation_items,
        precision=precision,
        encoder=encoder,
    )
    if out is None:
        shipped = MODELS_FOLDER / f"{DEFAULT_MODEL}.safetensors"
        out = shipped if data_set == DEFAULT_DATA_SET else Path(f"{file_stem(data_set)}_student.safetensors")
    if out.suffix != ".safetensors":
        raise SdrScError(f"the weights file {out} has to end in .safetensors, by which it is known; rename --out.")
    checkpoint = checkpoint or Path("checkpoints") / f"{out.stem}.pt"
    for target in (out, checkpoint, *([tensorboard / "x"] if tensorboard else [])):
        check_writable(target)

    import torch

    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.distill.export.finish import ship
    from sdr_sc.distill.targets.teacher_targets import open_knowledge
    from sdr_sc.distill.teachers.base import pick_device
    from sdr_sc.distill.train import Trainer
    from sdr_sc.semantic.networks.registry import allow_encoder

    if ":" in encoder:
        allow_encoder(encoder)
    if threads:
        torch.set_num_threads(threads)
    console, git = terminal(), git_commit()
    data = load_dataset(data_set, "train")
    knowledge = open_knowledge(data, config, prestored, teacher, device)
    trainer = Trainer(data, config, knowledge, pick_device(device), checkpoint)
    console.print(f"teacher: {knowledge.name}")
    if knowledge.known_items is not None and knowledge.known_items < len(data):
        console.print(f"the knowledge covers the first {knowledge.known_items:,} of {len(data):,} items: they are used")
    if trainer.epoch:
        console.print(f"resumed from {checkpoint}: {trainer.epoch} of {trainer.epochs} epochs are done")
    _run(trainer, tensorboard, console)
    console.print("measuring the choice table of the channel-adaptive module ...")
    contract = ship(trainer, data, out, git)
    of_data = "" if data_set == DEFAULT_DATA_SET else f" --data-set {command_line([data_set])}"
    console.print(
        f"wrote {out} (model id {contract.model_id}); measure it with 'sdr-sc evaluate --model {out}{of_data}'"
    )


def _run(trainer: Trainer, tensorboard: Path | None, console: Console) -> None:
    from sdr_sc.distill.log import EpochLog

    with progress_bar(console) as progress, EpochLog(tensorboard) as log:
        done = trainer.epoch * trainer.steps_per_epoch
        task = progress.add_task("training", total=trainer.steps, completed=done)

        def on_epoch(report: EpochReport) -> None:
            log.write(report)
            terms = ", ".join(f"{name} {value:.3f}" for name, value in report.losses.items() if name != "loss")
            progress.console.print(
                f"epoch {report.epoch}/{report.epochs}: loss {report.losses['loss']:.3f} ({terms}), "
                f"{100 * report.accuracy:.1f} % right over all k and SNR, {report.seconds:.0f} s"
            )

        trainer.run(on_epoch, lambda: progress.advance(task))
