# SPDX-License-Identifier: GPL-3.0-or-later
"""A training for several tasks from the names of its data sets and the files of its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import with_further
from sdr_sc.distill.multitask.best import held_out_accuracy
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.few_labels import soft_labels
from sdr_sc.distill.multitask.joined_vectors import check_one_space, hints_for, vectors_for
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.objective import RETRIEVAL
from sdr_sc.distill.multitask.picture_tasks import OF_PICTURES
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.vectors import TeacherVectors
from sdr_sc.errors import SdrScError

ENCODERS = {"text": "text", "image_text": "image_text"}
"""Kinds of the usual encoders of modalities; ``dense`` of others."""


@dataclass(frozen=True)
class Prepared:
    """A training that can begin.

    Attributes:
        trainer: at its first step.
        held_out: the validation part.
        vectors: float32 (items, dimensions), the teacher's of the held-out items; None without one.
        teacher: its name.
    """

    trainer: MultiTaskTrainer
    held_out: Dataset
    vectors: np.ndarray | None
    teacher: str


def prepare(
    config: MultiTaskConfig, data_set: str, vectors: Sequence[TeacherVectors], hints: Sequence[TeacherVectors] = ()
) -> Prepared:
    """Load everything.

    Args:
        data_set: of the tasks.
        vectors, hints: files, see `sdr_sc.distill.multitask.joined_vectors`; none for the labels alone.

    Raises:
        SdrScError: settings, data and vectors do not fit each other.
    """
    if config.validate_every and not {*config.tasks} - {RETRIEVAL, *OF_PICTURES}:
        raise SdrScError("the best weights are chosen by classes, and no task has any; leave out validate_every.")
    if config.tasks[0] == RETRIEVAL:
        raise SdrScError(
            f"the first task is {RETRIEVAL}, whose answers have no names, and frames carry the first one's; give "
            f"classification,{RETRIEVAL}, with --set class_weight=0 for a student that learns {RETRIEVAL} alone."
        )
    base = load_dataset(data_set, "train")
    data = load_dataset(with_further(data_set, config.further), "train") if config.further else base
    held_out = load_dataset(data_set, "validation")  # before the training: where there is none, no table can be made
    teacher = check_one_space(vectors) if vectors else "none"
    own, of_held_out, soft = None, None, {}
    if vectors:
        own, of_held_out = vectors_for(data, "train", vectors), vectors_for(held_out, "validation", vectors)
        soft = soft_labels(data, base, own, held_out, of_held_out, config)
    lesson = Lesson.of(data, config, own, hints_for(data, "train", hints) if hints else None, base, soft)
    quality = held_out_accuracy(held_out, lesson.modality, lesson.specs, config) if config.validate_every else None
    return Prepared(MultiTaskTrainer(lesson, config, quality), held_out, of_held_out, teacher)
