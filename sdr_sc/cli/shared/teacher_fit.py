# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc teacher fit``."""

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

    from sdr_sc.data.dataset import ImageSet
    from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2
    from sdr_sc.distill.teachers.fit import FitTrainer
    from sdr_sc.results.rows import Row

GOAL_PERCENT = 94.5


@click.command("fit")
@data_set_option
@click.option("--image-size", default=64, show_default=True, help="Pixels of a side that images are resized to.")
@click.option(
    "--stem-stride", default=2, show_default=True, type=click.IntRange(1, 2), help="Stride of the first layer."
)
@click.option("--epochs", default=20, show_default=True, help="Passes over the training images.")
@click.option("--batch-size", default=64, show_default=True, help="Images per batch.")
@click.option(
    "--learning-rate", default=1e-3, show_default=True, help="Largest rate of the body; the head's is 5 times it."
)
@click.option("--label-smoothing", default=0.05, show_default=True, help="Part of a label given to all classes.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of split, order, augmentation."
)
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]), help="Where.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write [checkpoints/DATA_SET_teacher.safetensors]."
)
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="State of the run [beside --out, with the end .pt]."
)
@click.option(
    "--checkpoint-steps", default=200, show_default=True, type=click.IntRange(1), help="Steps between writes."
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint; --epochs may be another than before.")
@click.option("--threads", default=0, type=click.IntRange(0), help="CPU threads; 0 for all cores.")
@click.option("--limit", default=0, type=click.IntRange(0), help="Train on the first N images only; 0 for all.")
@click.option(
    "--labels",
    default=0,
    type=click.IntRange(0),
    help="Train on N images only, equally many of each class; 0 for all. 'distill --labels N' uses the same ones.",
)
@click.option("--label-seed", default=1, show_default=True, type=click.IntRange(0), help="Of the draw of --labels.")
@click.option(
    "--validation-images", default=5000, show_default=True, type=click.IntRange(0), help="Training images held out."
)
@click.option("--test-images", default=0, type=click.IntRange(0), help="Test images measured at the end; 0 for all.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def fit(
    data_set: str,
    image_size: int,
    stem_stride: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    label_smoothing: float,
    seed: int,
    device: str,
    out: Path | None,
    checkpoint: Path | None,
    checkpoint_steps: int,
    resume: bool,
    threads: int,
    limit: int,
    labels: int,
    label_seed: int,
    validation_images: int,
    test_images: int,
    json_path: Path | None,
) -> None:
    """Fine-tune EfficientNet-Lite2, which comes with ImageNet weights, on the task, and measure it on the test set.

    Status 1 if it misses its goal with all images.
    """
    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.data.dataset import DEFAULT_DATA_SET
    from sdr_sc.errors import SdrScError
    from sdr_sc.results import rows as measurements
    from sdr_sc.shown import terminal

    out = out or Path("checkpoints") / f"{file_stem(data_set)}_teacher.safetensors"
    if out.suffix != ".safetensors":
        raise SdrScError(f"the teacher's file {out} has to end in .safetensors, by which it is known; rename --out.")
    checkpoint = checkpoint or out.with_suffix(".pt")
    for target in (out, checkpoint, *([json_path] if json_path else [])):
        measurements.check_writable(target)
    if resume and not checkpoint.exists():
        raise SdrScError(f"checkpoint {checkpoint} is missing; leave out --resume to start from the beginning.")
    if checkpoint.exists() and not resume:
        raise SdrScError(
            f"checkpoint {checkpoint} is there already; give --resume to go on, or delete it to start again."
        )
    train, test = load_dataset(data_set, "train"), load_dataset(data_set, "test")
    test = test.first(test_images or len(test))

    import torch

    from sdr_sc.distill.teachers.base import pick_device
    from sdr_sc.distill.teachers.efficientnet import TeacherCard, save
    from sdr_sc.distill.teachers.fit import FitConfig, FitTrainer, accuracy

    if threads:
        torch.set_num_threads(threads)
    config = FitConfig(
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        label_smoothing=label_smoothing,
        image_size=image_size,
        stem_stride=stem_stride,
        validation_items=validation_images,
        limit=limit,
        labels=labels,
        label_seed=label_seed,
    )
    console = terminal()
    trainer = FitTrainer(train, config, pick_device(device))
    if resume:
        trainer.load(checkpoint)
        console.print(f"resumed from {checkpoint}: {trainer.step} of {trainer.steps} steps are done")
    network = _run(trainer, checkpoint, checkpoint_steps, console)
    console.print(f"measuring {len(test)} test images ...")
    start = time.perf_counter()
    found = accuracy(network, torch.tensor(test.images), torch.tensor(test.labels), trainer.device)
    speed = len(test) / (time.perf_counter() - start)
    validation = trainer.validate()
    card = save(
        out,
        network,
        TeacherCard(
            image_size=image_size,
            stem_stride=stem_stride,
            class_names=train.class_names,
            data_set=train.name,
            data_set_sha256=train.sha256,
            validation_accuracy=validation,
            test_accuracy=found,
            git=measurements.git_commit(),
            training={
                **asdict(config),
                "torch": str(torch.__version__),
                "test_images": len(test),
                "earlier_schedules": trainer.earlier_schedules,
            },
        ),
    )
    rows = _rows(
        found,
        validation,
        test,
        validation_images,
        network,
        speed,
        whole=not (limit or labels or test_images) and data_set == DEFAULT_DATA_SET,
    )
    measurements.print_rows(rows, "teacher", console)
    console.print(f"wrote {out} (fingerprint {card.weights_sha256[:16]})")
    if json_path is not None:
        extra = {"config": card.training, "fingerprint": card.weights_sha256}
        arguments = _stored_arguments(sys.argv[1:], trainer.earlier_schedules)
        measurements.write_json(json_path, ["sdr-sc", *arguments], rows, extra)
        console.print(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)


def _stored_arguments(arguments: list[str], earlier_schedules: list[tuple[int, int]]) -> list[str]:
    """The arguments that make the figures again."""
    if earlier_schedules:  # the steps before had another learning rate: from the beginning, it is another run
        return arguments
    return [argument for argument in arguments if argument != "--resume"]  # from the beginning, it is the same


def _run(trainer: FitTrainer, checkpoint: Path, checkpoint_steps: int, console: Console) -> EfficientNetLite2:
    """Train with a progress bar; returns the averaged network."""
    first, start = trainer.step, time.perf_counter()
    with progress_bar(console, "{task.fields[rate]:.0f} images/s") as progress:
        task = progress.add_task("fitting", total=trainer.steps, completed=trainer.step, rate=0.0)
        losses: list[float] = []

        def on_step(loss: float) -> None:
            losses.append(loss)
            images = (trainer.step - first) * trainer.config.batch_size
            progress.update(task, advance=1, rate=images / (time.perf_counter() - start))

        def on_epoch(epoch: int, accuracy: float | None) -> None:
            held_out = "" if accuracy is None else f", accuracy {100 * accuracy:.2f} % on held-out images"
            mean = sum(losses) / len(losses)
            progress.console.print(f"epoch {epoch}/{trainer.config.epochs}: loss {mean:.3f}{held_out}")
            losses.clear()

        return trainer.run(on_step, on_epoch, checkpoint, checkpoint_steps)


def _rows(
    found: float,
    validation: float | None,
    test: ImageSet,
    held_out: int,
    network: EfficientNetLite2,
    speed: float,
    whole: bool,
) -> list[Row]:
    """The figures of a fit; ``whole`` if all images were used: then the accuracy has a goal."""
    from sdr_sc.results.rows import Row, wilson_interval

    def percent(share: float, items: int) -> tuple[float, float]:
        low, high = wilson_interval(round(share * items), items)
        return 100 * low, 100 * high

    items = len(test)
    name, value, interval = "accuracy, test", 100 * found, percent(found, items)
    if whole:
        rows = [Row.at_least(name, value, "%", GOAL_PERCENT, items, interval)]
    else:
        rows = [Row(name, value, "%", n=items, ci95=interval)]
    if validation is not None:
        rows.append(Row("accuracy, held out", 100 * validation, "%", n=held_out, ci95=percent(validation, held_out)))
    rows.append(Row("parameters", sum(p.numel() for p in network.parameters()), ""))
    rows.append(Row("speed, in batches", speed, "images/s", n=items))
    return rows
