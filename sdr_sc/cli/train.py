# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc train``: train the student through the channel and write the weights that ship."""

from __future__ import annotations

from pathlib import Path

import click


def _k_list(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(k) for k in value.split(","))
    except ValueError:
        raise click.BadParameter("give whole numbers with commas between, for example 4,8,16,32") from None


@click.command("train")
@click.option("--out", type=click.Path(path_type=Path), help="Weights file to write [the shipped model].")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Written after every epoch, and resumed from.")
@click.option(
    "--seed",
    default=1,
    type=click.IntRange(0),
    show_default=True,
    help="Seed of weights, order, noise and augmentation.",
)
@click.option("--epochs", default=36, show_default=True, help="Passes over the training set.")
@click.option("--batch-items", default=256, show_default=True, help="Images per batch.")
@click.option("--k-list", default="4,8,16,32", show_default=True, callback=_k_list, help="Feature symbols per item.")
@click.option("--limit-items", default=0, type=click.IntRange(0), help="Train on the first N images only; 0 for all.")
@click.option(
    "--channel",
    default="",
    help="Fading to train on, such as 'tdl_c(delay_spread_ns=300)'; models as the channel block takes them [Rayleigh].",
)
@click.option("--threads", default=0, type=click.IntRange(0), help="CPU threads; 0 for all cores.")
def command(
    out: Path | None,
    checkpoint: Path | None,
    seed: int,
    epochs: int,
    batch_items: int,
    k_list: tuple[int, ...],
    limit_items: int,
    channel: str,
    threads: int,
) -> None:
    """Train encoder and decoder through the channel with random SNR and every k; resumes after an interruption."""
    from rich.console import Console

    from sdr_sc.cli._progress import training_progress
    from sdr_sc.distill.config import TrainConfig
    from sdr_sc.experiments.measurements import check_writable, git_commit
    from sdr_sc.semantic.weights import DEFAULT_MODEL, MODELS_FOLDER

    config = TrainConfig(
        seed=seed, epochs=epochs, batch_items=batch_items, k_list=k_list, limit_items=limit_items, channel=channel
    )
    out = out or MODELS_FOLDER / f"{DEFAULT_MODEL}.safetensors"
    checkpoint = checkpoint or Path("checkpoints") / f"{out.stem}.pt"

    for target in (out, checkpoint):
        check_writable(target)

    import torch

    from sdr_sc.data import fashion_mnist
    from sdr_sc.distill.finish import ship
    from sdr_sc.distill.train import EpochReport, Trainer

    if threads:
        torch.set_num_threads(threads)
    console = Console()
    data = fashion_mnist.load("train")
    trainer = Trainer(data, config, checkpoint)
    if trainer.epoch:
        console.print(f"resumed from {checkpoint}: {trainer.epoch} of {epochs} epochs are done")
    with training_progress(console) as progress:
        steps = trainer.steps_per_epoch
        task = progress.add_task("training", total=epochs * steps, completed=trainer.epoch * steps)

        def on_epoch(report: EpochReport) -> None:
            progress.console.print(
                f"epoch {report.epoch}/{report.epochs}: loss {report.loss:.3f}, "
                f"accuracy {100 * report.accuracy:.1f} % over all k and SNR (augmented training images)"
            )

        student = trainer.run(on_epoch, lambda: progress.advance(task))
    console.print("measuring the choice table of the channel-adaptive module ...")
    contract = ship(student, data, config, (trainer.mean, trainer.std), out, git_commit())
    console.print(f"wrote {out} (model id {contract.model_id}); measure it with 'sdr-sc evaluate --model {out}'")
