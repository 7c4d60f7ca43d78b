# SPDX-License-Identifier: GPL-3.0-or-later
"""What a student for several tasks learns from: items, their targets, and a teacher's vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.objective import RETRIEVAL, Batch
from sdr_sc.distill.split import draw_labelled
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.modalities.base import modality_class, modality_of
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec

UNKNOWN = -1


@dataclass(frozen=True)
class Lesson:
    """What a student learns from.

    Attributes:
        data: the training part.
        inputs: float32, what the encoder sees of all items.
        targets: int64 (items,) by classification task, `UNKNOWN` where it is not used.
        vectors: float32 (items, dimensions), the teacher's; None without one.
        modality: of the items, with its parameters.
        specs: the tasks as the contract will have them.
    """

    data: Dataset
    inputs: Tensor
    targets: dict[str, Tensor]
    vectors: Tensor | None
    modality: ModalitySpec
    specs: tuple[TaskSpec, ...]

    @classmethod
    def of(cls, data: Dataset, config: MultiTaskConfig, vectors: np.ndarray | None) -> Lesson:
        """Of a training part.

        Args:
            vectors: float32 (items, dimensions), of unit length; needed where `RETRIEVAL` is one of the tasks.

        Raises:
            SdrScError: the data set lacks a task, or there are no vectors where they are needed.
        """
        if (RETRIEVAL in config.tasks) and vectors is None:
            raise SdrScError(f"the task {RETRIEVAL} is learned from a teacher's vectors; give them, or leave it out.")
        if vectors is not None and len(vectors) != len(data):
            raise SdrScError(f"{len(vectors)} vectors of a teacher for {len(data)} items; make them again.")
        everything = np.arange(len(data))
        items = np.asarray(data.items(everything))
        kind = modality_class(data.modality)
        spec = ModalitySpec(data.modality, tuple(items.shape[1:]), kind.parameters_of(items))
        specs, targets = [], {}
        for task in config.tasks:
            if task == RETRIEVAL:
                assert vectors is not None
                specs.append(TaskSpec(task, (), vectors.shape[1]))
                continue
            found = np.asarray(data.targets(task, everything), np.int64)
            if config.labels:
                known = draw_labelled(found, everything, config.labels, config.seed)
                found = np.where(np.isin(everything, known), found, UNKNOWN)
            targets[task] = torch.from_numpy(found)
            specs.append(TaskSpec(task, tuple(data.names(task))))
        inputs = torch.from_numpy(modality_of(spec).network_input(items))
        known_vectors = None if vectors is None else torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
        return cls(data, inputs, targets, known_vectors, spec, tuple(specs))

    def batch(self, chosen: np.ndarray) -> Batch:
        """Of some items."""
        places = torch.from_numpy(chosen)
        vectors = None if self.vectors is None else self.vectors[places]
        return Batch(self.inputs[places], {task: found[places] for task, found in self.targets.items()}, vectors)
