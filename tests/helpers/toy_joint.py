# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts, named pictures and pictures that are asked about as one set, and a model of all tasks that is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import toy_named_pictures
import toy_pictures
import toy_texts

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.joint.joined import JoinedSet
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.joined_vectors import vectors_for
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_vectors
from sdr_sc.semantic.gallery import Gallery

SPEC = f"{toy_texts.NAME}+{toy_named_pictures.NAME}+{toy_pictures.NAME}"
PARTS = ("train", "validation", "test")
TASKS = ("classification", "subgroup", "retrieval", "question", "reconstruction")
CONFIG = MultiTaskConfig(
    TASKS, "image_text", (2, 4, 8, 16), steps=300, batch_items=120, learning_rate=6e-3, seed=2, dropout=0.0,
    question_width=24, decoder_width=96, reconstruction_weight=100.0, text_share=0.4, picture_share=0.3,
    asked_share=0.25, name_share=0.15,
)  # fmt: skip


def register() -> None:
    """Make the members known to `sdr_sc.data.catalogue.load_dataset`."""
    for toy in (toy_texts, toy_named_pictures, toy_pictures):
        toy.register()  # type: ignore[attr-defined]


def joined(split: str = "test", only: str = "") -> JoinedSet:
    """A part of the joined set."""
    register()
    return load_dataset(SPEC + (f",only={only}" if only else ""), split)  # type: ignore[arg-type]


def vectors() -> list[TeacherVectors]:
    """Of the texts and the named pictures; the others have none."""
    found: list[TeacherVectors] = []
    for toy in (toy_texts, toy_named_pictures):
        said = {part: toy.teacher(part) for part in PARTS}  # type: ignore[attr-defined]
        sums = {part: toy.load(part).sha256 for part in PARTS}  # type: ignore[attr-defined]
        found.append(reduce_vectors("toy", said, sums, 8, *found))
    return found


def make_model(folder: Path) -> tuple[Path, MultiTaskTrainer]:
    """Train, and write the model with its gallery; returns its path, and the trainer."""
    data, held_out, test, files = joined("train"), joined("validation"), joined(), vectors()
    trainer = MultiTaskTrainer(Lesson.of(data, CONFIG, vectors_for(data, "train", files)), CONFIG)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for one another on a loaded machine
    trainer.run(every=100)
    model = folder / "toy_joint.safetensors"
    ship(trainer, held_out, vectors_for(held_out, "validation", files), "toy", model, "none")
    torch.set_num_threads(threads)
    entries = test.targets("retrieval", np.arange(len(test)))
    gallery = Gallery.of_entries(test.names("retrieval"), entries, vectors_for(test, "test", files), "toy")
    gallery.save(model.with_suffix(".gallery"))
    return model, trainer
