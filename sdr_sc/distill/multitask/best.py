# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of a training that are best on held-out items: with few labels the last ones may know these by heart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.measured import scores
from sdr_sc.distill.multitask.objective import RETRIEVAL, MultiTaskStudent
from sdr_sc.distill.multitask.picture_tasks import OF_PICTURES
from sdr_sc.semantic.modalities.base import modality_of
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec

LOOKED_AT = ((4, 16, 32), (5.0, 20.0))
"""Symbols, as far as a model has them, and SNRs in dB, whose mean accuracy says which weights are best."""


def held_out_accuracy(
    held_out: Dataset, modality: ModalitySpec, specs: tuple[TaskSpec, ...], config: MultiTaskConfig
) -> Callable[[MultiTaskStudent], float]:
    """What says how good a student's classes are of held-out items: 0 to 1, mean over tasks, `LOOKED_AT`."""
    every = np.arange(len(held_out))
    inputs = torch.from_numpy(modality_of(modality).network_input(held_out.items(every)))
    targets = {
        spec.name: np.asarray(held_out.targets(spec.name, every))
        for spec in specs
        if spec.name != RETRIEVAL and spec.name not in OF_PICTURES
    }
    ks, snrs_db = LOOKED_AT
    k_list = [k for k in ks if k in config.k_list] or [config.k_list[-1]]

    def accuracy(student: MultiTaskStudent) -> float:
        found = scores(
            student.eval(), inputs, targets, specs, None, k_list, snrs_db, config.estimate_noise, config.seed
        )
        return float(np.mean([found[task] for task in targets]))

    return accuracy


class BestWeights:
    """The weights that were best so far.

    Args:
        quality: of a student.
        every: steps between two looks.

    Attributes:
        step, score: when they were, and how good; step 0 before the first look.
        state: tensors by name.
    """

    def __init__(self, quality: Callable[[MultiTaskStudent], float], every: int) -> None:
        self._quality, self.every = quality, every
        self.step, self.score = 0, -1.0
        self.state: dict[str, torch.Tensor] = {}

    def look(self, step: int, student: MultiTaskStudent) -> None:
        """Keep a student's weights if they are better."""
        score = self._quality(student)
        if score > self.score:
            self.step, self.score = step, score
            self.state = {name: value.clone() for name, value in student.state_dict().items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights, by names."""
        return {name: value.numpy() for name, value in self.state.items()}

    def set(self, step: int, score: float, arrays: Mapping[str, np.ndarray]) -> None:
        """As they were before an interruption."""
        self.step, self.score = step, score
        self.state = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
