# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of pictures whose targets are no single number: questions about them, and their thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sdr_sc.data.asked import AskedPictures
from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.multitask.config import MultiTaskConfig, vector_share
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.losses import label_loss
from sdr_sc.semantic.modalities.text_tokens import token_numbers
from sdr_sc.semantic.networks.question import SIZES, QuestionNetwork
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.question import QUESTION
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION, area_matrices, thumbnail_shape

OF_PICTURES = (QUESTION, RECONSTRUCTION)


@dataclass(frozen=True)
class AskedOf:
    """Questions about pictures.

    Attributes:
        tokens: int32 (questions, words, 1 + pieces), of all questions, each once.
        question, answer: int64 (pictures, most), places among these and among the answers; -1 where there are fewer.
    """

    tokens: Tensor
    question: Tensor
    answer: Tensor

    @classmethod
    def of(cls, data: Dataset) -> AskedOf:
        """Of a data set.

        Raises:
            SdrScError: it asks no questions.
        """
        if not isinstance(data, AskedPictures):
            raise SdrScError(
                f"the task {QUESTION} is learned from a data set that asks questions, such as easy_vqa; give one."
            )
        slots = data.question_texts.slots(np.arange(len(data.question_texts)), data.longest)
        arrays = (token_numbers(slots, SIZES), *data.by_picture)
        return cls(*map(torch.from_numpy, arrays))

    def at(self, places: Tensor) -> AskedOf:
        """Those of some pictures."""
        return AskedOf(self.tokens, self.question[places], self.answer[places])

    def drawn(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Questions and their answers, int64 (pictures, count) each, drawn with replacement; -1 for a picture that
        nothing is asked of."""
        known = (self.question >= 0).sum(dim=1, keepdim=True)
        column = (torch.rand(len(self.question), count, generator=generator) * known).long()
        return self.question.gather(1, column), self.answer.gather(1, column)


@dataclass(frozen=True)
class PictureTargets:
    """What a batch of pictures is compared with.

    Attributes:
        asked: None where nothing is asked.
        thumbnails: float32 (items, values), 0 to 1; None where they are not a task.
    """

    asked: AskedOf | None = None
    thumbnails: Tensor | None = None


def picture_spec(task: str, data: Dataset, shape: tuple[int, ...], modality: str, width: int) -> TaskSpec:
    """The task as the contract will have it.

    Args:
        task: one of `OF_PICTURES`.
        shape, modality: of the items.
        width: of the vector that questions are asked of.

    Raises:
        SdrScError: the data set's items have not what it needs.
    """
    if task == QUESTION:
        AskedOf.of(data)
        return TaskSpec(task, tuple(data.names(QUESTION)), width)
    if modality != "image":
        raise SdrScError(
            f"the task {task} is of pictures, and the data set's items are of the modality {modality}; leave it out."
        )
    small = thumbnail_shape(shape)
    return TaskSpec(task, (), int(np.prod(small)), small)


def input_thumbnails(inputs: Tensor, shape: Sequence[int], modality: ModalitySpec) -> Tensor:
    """Thumbnails of what the encoder sees: float32 (items, values), 0 to 1.

    Args:
        inputs: float32 (items, channels, height, width), normalised as the modality says.
        shape: of a thumbnail.
    """
    rows, columns = map(torch.from_numpy, area_matrices(inputs.shape[-2:], shape))
    small = (rows @ inputs @ columns.T).flatten(1)
    return small * modality.number("std", 1.0) + modality.number("mean", 0.0)


def picture_targets(
    specs: Sequence[TaskSpec], modality: ModalitySpec, inputs: Tensor, asked: AskedOf | Dataset
) -> PictureTargets:
    """Targets of some items.

    Args:
        specs: the tasks.
        inputs: what the encoder sees of the items.
        asked: questions about them, or the data set, all of whose items they are.
    """
    shapes = {spec.name: spec.shape for spec in specs}
    small = input_thumbnails(inputs, shapes[RECONSTRUCTION], modality) if RECONSTRUCTION in shapes else None
    if QUESTION not in shapes:
        return PictureTargets(None, small)
    return PictureTargets(asked if isinstance(asked, AskedOf) else AskedOf.of(asked), small)


def picture_losses(
    question: QuestionNetwork | None,
    batch: PictureTargets,
    outputs: Tensor,
    k_list: Sequence[int],
    config: MultiTaskConfig,
    parts: dict[str, slice],
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Terms of the loss, weighted as they count.

    Args:
        outputs: float32 (len(k_list), items, outputs of all tasks).
        parts: which of these are those of each task.
        generator: of the questions that are asked.
    """
    found: dict[str, Tensor] = {}
    if batch.asked is not None and question is not None:
        asked, answer = batch.asked.drawn(config.questions_a_picture, generator)
        known = answer >= 0
        vectors = question.asked(batch.asked.tokens)[asked.clamp_min(0)]
        logits = question(outputs[..., parts[QUESTION]].unsqueeze(2), vectors)[:, known]
        found[QUESTION] = config.class_weight * label_loss(logits, answer[known], config.smoothing).mean()
    if batch.thumbnails is not None:
        share = outputs.new_tensor([vector_share(k) for k in k_list]).unsqueeze(1)
        error = task_of(RECONSTRUCTION).loss(outputs[..., parts[RECONSTRUCTION]], batch.thumbnails, 0.0)
        found[RECONSTRUCTION] = config.reconstruction_weight * (share * error).mean()
    return found


def picture_scores(
    question: QuestionNetwork | None, targets: PictureTargets, outputs: Tensor, parts: dict[str, slice]
) -> dict[str, float]:
    """Mean score of each of the tasks, 0 to 1.

    Args:
        outputs: float32 (items, outputs of all tasks).
    """
    found: dict[str, float] = {}
    if targets.asked is not None and question is not None:
        known = targets.asked.question >= 0
        vectors = question.asked(targets.asked.tokens)[targets.asked.question.clamp_min(0)]
        answers = question(outputs[:, parts[QUESTION]].unsqueeze(1), vectors).argmax(dim=2)
        found[QUESTION] = (answers == targets.asked.answer)[known].double().mean().item()
    if targets.thumbnails is not None:
        seen = outputs[:, parts[RECONSTRUCTION]].clamp(0.0, 1.0)
        found[RECONSTRUCTION] = 1.0 - (seen - targets.thumbnails).square().double().mean().item()
    return found
