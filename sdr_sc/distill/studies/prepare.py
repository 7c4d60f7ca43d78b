# SPDX-License-Identifier: GPL-3.0-or-later
"""The teachers of a study: fitted, written as ONNX, asked once. What is there is taken, what was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.checkpoint import as_json
from sdr_sc.distill.studies.study import Size, TeacherPlan
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.teachers.base import Teacher
from sdr_sc.distill.teachers.efficientnet import TeacherCard, load, save
from sdr_sc.distill.teachers.ensemble import EnsembleTeacher
from sdr_sc.distill.teachers.export import export_teacher
from sdr_sc.distill.teachers.fit import FitConfig, FitTrainer, accuracy
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown

CHECKPOINT_STEPS = 50
_CHECKED_IMAGES = 16


def fit_config(labels: int, seed: int, size: Size, items: int) -> FitConfig:
    """Settings of a teacher's fit; ``items`` is the size of the training set with the held-out images."""
    used = labels or items - size.validation_items
    batch = min(size.teacher_batch, used)
    epochs = min(size.teacher_epochs, -(-size.teacher_steps // (used // batch)))
    return FitConfig(
        seed=seed,
        epochs=epochs,
        batch_size=batch,
        image_size=size.teacher_pixels,
        validation_items=size.validation_items,
        labels=labels,
    )


def teacher_file(labels: int, seed: int, folder: Path) -> Path:
    """Where a fitted teacher lies."""
    return folder / f"teacher_{labels or 'all'}_seed{seed}.safetensors"


def fitted(labels: int, seed: int, size: Size, data: ImageSet, test: ImageSet, folder: Path, git: str) -> Path:
    """The file of a fitted teacher, made if it is not there; its card says what it reaches on held-out and test images.

    Raises:
        SdrScError: it is there with other settings.
    """
    config = fit_config(labels, seed, size, len(data))
    path = teacher_file(labels, seed, folder)
    if path.is_file():
        found = load(path)[1].training
        other = [name for name, value in as_json(asdict(config)).items() if found.get(name) != value]
        if other:
            raise SdrScError(
                f"{shown(path)} was fitted with another {other[0]} ({found.get(other[0])}, not "
                f"{getattr(config, other[0])}); delete it, or give another --folder."
            )
        return path
    checkpoint = path.with_suffix(".checkpoint")
    trainer = FitTrainer(data, config, torch.device("cpu"))
    if checkpoint.exists():
        trainer.load(checkpoint)
    shares: list[float | None] = []  # the last one is of the whole fit; a checkpoint of its end leaves none
    network = trainer.run(
        on_epoch=lambda _epoch, share: shares.append(share), checkpoint=checkpoint, checkpoint_steps=CHECKPOINT_STEPS
    )
    card = TeacherCard(
        image_size=config.image_size,
        stem_stride=config.stem_stride,
        class_names=data.class_names,
        data_set=data.name,
        data_set_sha256=data.sha256,
        validation_accuracy=shares[-1] if shares else trainer.validate(),
        test_accuracy=accuracy(network, *map(torch.from_numpy, (test.images, test.labels)), trainer.device),
        git=git,
        training={**asdict(config), "torch": str(torch.__version__)},
    )
    save(path, network, card)
    checkpoint.unlink(missing_ok=True)
    return path


def knowledge_folder(teacher: str, folder: Path) -> Path:
    """Where a teacher's answers about all images lie."""
    return folder / f"{teacher}_prestored"


def teacher_cards(plan: TeacherPlan, folder: Path) -> list[TeacherCard]:
    """The cards of a teacher's members, which are there."""
    return [load(teacher_file(plan.labels, seed, folder))[1] for seed in plan.seeds]


def prepare(
    plan: TeacherPlan,
    size: Size,
    data: ImageSet,
    test: ImageSet,
    folder: Path,
    git: str,
    log: Callable[[str], None],
) -> Path:
    """Fit a teacher and store what it knows; returns the folder of that.

    Raises:
        SdrScError: something is there that was made with other settings.
    """
    members: list[Teacher] = []
    for seed in plan.seeds:
        log(f"teacher {plan.name}, seed {seed}: fitting")
        file = fitted(plan.labels, seed, size, data, test, folder, git)
        onnx = file.with_suffix(".onnx")  # answers two to three times as fast
        if not onnx.is_file():
            export_teacher(file, onnx, torch.from_numpy(data.images[:_CHECKED_IMAGES]))
        members.append(load_teacher(str(onnx), "cpu", data.images.shape[1:], len(data.class_names)))
    teacher = members[0] if len(members) == 1 else EnsembleTeacher(members)
    out = knowledge_folder(plan.name, folder)
    known = data.first(size.asked or len(data))
    log(f"teacher {plan.name}: asking about {size.views} views of {len(known):,} images")
    Prestorer(teacher, known, PrestoreConfig(views=size.views, git=git), out).run()
    return out
