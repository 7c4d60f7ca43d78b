# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of pictures whose targets are no single number: questions about them, and their thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data.asked import asked_items
from sdr_sc.data.dataset import Dataset
from sdr_sc.distill.multitask.config import MultiTaskConfig, vector_share
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.losses import label_loss
from sdr_sc.semantic.modalities.text_tokens import token_numbers
from sdr_sc.semantic.networks.heads import TaskOutputs
from sdr_sc.semantic.networks.question import SIZES, QuestionNetwork
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.semantic.tasks.question import QUESTION
from sdr_sc.semantic.tasks.reconstruction import (
    LOST_LEVEL,
    RECONSTRUCTION,
    WITH_THUMBNAILS,
    area_matrices,
    picture_shape,
    thumbnail_outputs,
    thumbnail_shape,
)

OF_PICTURES = (QUESTION, RECONSTRUCTION)


@dataclass(frozen=True)
class AskedOf:
    """Questions about items.

    Attributes:
        tokens: int32 (questions, words, 1 + pieces), of all questions, each once.
        question, answer: int64 (items, most), places among these and among the answers; -1 where there are fewer.
    """

    tokens: Tensor
    question: Tensor
    answer: Tensor

    @classmethod
    def of(cls, data: Dataset, answers: int | None = None) -> AskedOf:
        """Of a data set.

        Args:
            answers: how many count, which are the first ones; None for all.

        Raises:
            SdrScError: it asks no questions.
        """
        asked = asked_items(data)
        if asked is None:
            raise SdrScError(
                f"the task {QUESTION} is learned from a data set that asks questions, such as easy_vqa; give one."
            )
        slots = asked.texts.slots(np.arange(len(asked.texts)), asked.longest)
        counts = asked.answer < (len(data.names(QUESTION)) if answers is None else answers)
        question, answer = (np.where(counts, places, -1) for places in (asked.question, asked.answer))
        return cls(*map(torch.from_numpy, (token_numbers(slots, SIZES), question, answer)))

    @property
    def is_asked(self) -> Tensor:
        """bool (items,): whether anything is asked of each."""
        return (self.question >= 0).any(dim=1)

    def at(self, places: Tensor) -> AskedOf:
        """Those of some items."""
        return AskedOf(self.tokens, self.question[places], self.answer[places])

    def drawn(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Questions and their answers, int64 (items, count) each, drawn with replacement; -1 for one that nothing
        is asked of."""
        known = (self.question >= 0).sum(dim=1, keepdim=True)
        column = (torch.rand(len(self.question), count, generator=generator) * known).long()
        return self.question.gather(1, column), self.answer.gather(1, column)


@dataclass(frozen=True)
class PictureTargets:
    """What the pictures of a batch are compared with.

    Attributes:
        asked: None where nothing is asked.
        thumbnails: float32 (pictures, values), 0 to 1; None where they are not a task.
        is_picture: bool (items,), which are pictures where others are texts; None where all are.
    """

    asked: AskedOf | None = None
    thumbnails: Tensor | None = None
    is_picture: Tensor | None = None


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
    if modality not in WITH_THUMBNAILS:
        raise SdrScError(
            f"the task {task} is of pictures, and the data set's items are of the modality {modality}; leave it out."
        )
    small = thumbnail_shape(picture_shape(modality, shape))
    return TaskSpec(task, (), thumbnail_outputs(modality, small), small)


def input_thumbnails(planes: Tensor, shape: Sequence[int], modality: ModalitySpec) -> Tensor:
    """Thumbnails of what the encoder sees: float32 (items, values), 0 to 1.

    Args:
        planes: float32 (items, channels, height, width), normalised as the modality says.
        shape: of a thumbnail.
    """
    rows, columns = map(torch.from_numpy, area_matrices(planes.shape[-2:], shape))
    small = (rows @ planes @ columns.T).flatten(1)
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
    small, is_picture = None, None
    if RECONSTRUCTION in shapes:
        planes = inputs
        if modality.name == "image_text":  # see `ImageTextModality.network_input`
            shape, is_picture = picture_shape(modality.name, modality.shape), inputs[:, 0] == 0
            planes = inputs[is_picture, 1 : 1 + int(np.prod(shape))].unflatten(1, shape)
        small = input_thumbnails(planes, shapes[RECONSTRUCTION], modality)
    if QUESTION not in shapes:
        return PictureTargets(None, small, is_picture)
    return PictureTargets(asked if isinstance(asked, AskedOf) else AskedOf.of(asked), small, is_picture)


def picture_losses(
    question: QuestionNetwork | None,
    batch: PictureTargets,
    outputs: TaskOutputs,
    k_list: Sequence[int],
    config: MultiTaskConfig,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Terms of the loss, weighted as they count, each over the items that have its target.

    Args:
        outputs: of (len(k_list), items).
        generator: of the questions that are asked.
    """
    found: dict[str, Tensor] = {}
    if batch.asked is not None and question is not None:
        is_asked = batch.asked.is_asked
        asked, answer = batch.asked.at(is_asked).drawn(config.questions_a_picture, generator)
        if len(asked):
            vectors = question.asked(batch.asked.tokens)[asked]
            logits = question(outputs.of(QUESTION, is_asked).unsqueeze(2), vectors).flatten(1, 2)
            found[QUESTION] = config.question_weight * label_loss(logits, answer.flatten(), config.smoothing).mean()
    if batch.thumbnails is not None and len(batch.thumbnails):
        share = batch.thumbnails.new_tensor([vector_share(k) for k in k_list]).unsqueeze(1)
        seen = outputs.of(RECONSTRUCTION, batch.is_picture)[..., : batch.thumbnails.shape[1]]
        error = task_of(RECONSTRUCTION).loss(seen, batch.thumbnails, 0.0)
        found[RECONSTRUCTION] = config.reconstruction_weight * (share * error).mean()
    if batch.is_picture is not None:
        logits, wanted = outputs.last(RECONSTRUCTION), batch.is_picture.float().expand(len(k_list), -1)
        found["kind"] = config.kind_weight * nn.functional.binary_cross_entropy_with_logits(logits, wanted)
    return found


def picture_scores(
    question: QuestionNetwork | None, targets: PictureTargets, outputs: TaskOutputs, weight: np.ndarray
) -> dict[str, float]:
    """Mean score of each of the tasks over the items that have its target, 0 to 1; a picture that is taken for a text
    counts as medium grey.

    Args:
        outputs: of (items,).
        weight: float (items,), of each picture in the mean of thumbnails.
    """
    found: dict[str, float] = {}
    if targets.asked is not None and question is not None:
        is_asked = targets.asked.is_asked
        asked, answer = targets.asked.question[is_asked], targets.asked.answer[is_asked]
        vectors = question.asked(targets.asked.tokens)[asked.clamp_min(0)]
        answers = question(outputs.of(QUESTION, is_asked).unsqueeze(1), vectors).argmax(dim=2)
        found[QUESTION] = (answers == answer)[asked >= 0].double().mean().item()
    if targets.thumbnails is not None:
        values, which = targets.thumbnails.shape[1], targets.is_picture
        seen = outputs.of(RECONSTRUCTION, which)
        pixels = seen[:, :values].clamp(0.0, 1.0)
        if which is not None:
            pixels = torch.where(seen[:, values:] > 0, pixels, LOST_LEVEL)
            weight = weight[which.numpy()]
        error = (pixels - targets.thumbnails).square().double().mean(dim=1).numpy()
        found[RECONSTRUCTION] = 1.0 - float(np.average(error, weights=weight))
    return found
