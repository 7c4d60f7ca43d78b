# SPDX-License-Identifier: GPL-3.0-or-later
"""What a student for several tasks learns from: items, their targets, and a teacher's vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sdr_sc.data.asked import asked_items, each_once
from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import TOGETHER, JoinedSet
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.objective import RETRIEVAL, Batch
from sdr_sc.distill.multitask.picture_tasks import OF_PICTURES, AskedOf, picture_spec, picture_targets
from sdr_sc.distill.multitask.sampling import Sampler
from sdr_sc.distill.split import draw_labelled
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.modalities.base import Modality, modality_class, modality_of
from sdr_sc.semantic.modalities.image_text import ImageTextModality
from sdr_sc.semantic.modalities.image_views import ViewPolicy
from sdr_sc.semantic.specs import ModalitySpec, TaskSpec
from sdr_sc.semantic.tasks.question import QUESTION

UNKNOWN = -1
_VIEWS, _ASKED_VIEWS = ViewPolicy(shift=2), ViewPolicy(shift=2, flip=False)


class Inputs:
    """What the encoder sees of items, made for a batch at a time; texts' numbers, which take long, are kept.

    Args:
        modality: of the items.
        items: uint8 (n, ...).
        is_asked: bool (n,), which are pictures that questions are asked of; None where none are.
    """

    def __init__(self, modality: Modality, items: np.ndarray, is_asked: np.ndarray | None = None) -> None:
        self._modality, self._items, self._is_asked = modality, items, is_asked
        self._numbers: np.ndarray | None = None
        if isinstance(modality, ImageTextModality):
            self._numbers = modality.tokens(items).astype(np.int32)
            self._row = np.cumsum(~modality.are_pictures(items)) - 1
        elif modality.name == "text":
            self._numbers = modality.network_input(items).astype(np.int32)

    def __len__(self) -> int:
        return len(self._items)

    def texts(self) -> tuple[np.ndarray, np.ndarray]:
        """The items that are texts, int64 (texts,), and the numbers of their words, int32 (texts, words, 1 + pieces);
        none of other items."""
        if self._numbers is None:
            return np.empty(0, np.int64), np.empty((0, 0, 0), np.int32)
        if isinstance(self._modality, ImageTextModality):
            return np.flatnonzero(~self._modality.are_pictures(self._items)), self._numbers
        return np.arange(len(self._items)), self._numbers

    def of(self, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Of some items: float32; pictures of things, which those of `JoinedSet` are, flipped and moved at random, but
        those that questions are asked of moved alone: an answer may depend on left and right."""
        modality = self._modality
        if modality.name == "text" and self._numbers is not None:
            return torch.from_numpy(self._numbers[chosen].astype(np.float32))
        items = torch.from_numpy(self._items[chosen])
        if isinstance(modality, ImageTextModality):
            assert self._numbers is not None
            shown = self._views(items, chosen, rng).numpy()
            rows = self._row[chosen][~modality.are_pictures(shown)]
            return torch.from_numpy(modality.laid_out(shown, self._numbers[rows].astype(np.float32)))
        return modality.training_input(items)

    def _views(self, items: Tensor, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        if self._is_asked is None:
            return self._modality.augment(items, rng, _VIEWS)
        asked, found = torch.from_numpy(self._is_asked[chosen]), torch.empty_like(items)
        for which, policy in ((~asked, _VIEWS), (asked, _ASKED_VIEWS)):
            found[which] = self._modality.augment(items[which], rng, policy)
        return found


@dataclass(frozen=True)
class Lesson:
    """What a student learns from.

    Attributes:
        data: the training part, with that of `MultiTaskConfig.further`.
        base: the training part without these, by which the contract names answers.
        inputs: what the encoder sees of all items.
        targets: int64 (items,) by classification task, `UNKNOWN` where it is not used.
        vectors: float32 (items, dimensions), the teacher's, 0 of items that it has none of; None without one.
        modality: of the items, with its parameters.
        specs: the tasks as the contract will have them.
        entries: int64 (items,), alike for items of one entry of the task `RETRIEVAL`; None without it.
        hints: float32 (items, dimensions), of unit length: vectors of a teacher of pictures, 0 of items that it has not
            seen; None without one.
        asked: questions about the pictures; None where that is no task.
        soft: float32 (items, answers) by classification task: what a probe of the teacher's vectors says, 0 of items
            that have no such answer; see `sdr_sc.distill.multitask.few_labels`.
        learned: int64 (n,), items that teach at all; None for all.
        word_dropout: see `MultiTaskConfig`.
    """

    data: Dataset
    base: Dataset
    inputs: Inputs
    targets: dict[str, Tensor]
    vectors: Tensor | None
    modality: ModalitySpec
    specs: tuple[TaskSpec, ...]
    entries: Tensor | None = None
    hints: Tensor | None = None
    asked: AskedOf | None = None
    soft: dict[str, Tensor] = field(default_factory=dict)
    learned: np.ndarray | None = None
    word_dropout: float = 0.0

    @classmethod
    def of(
        cls, data: Dataset, config: MultiTaskConfig, vectors: np.ndarray | None, hints: np.ndarray | None = None,
        base: Dataset | None = None, soft: Mapping[str, np.ndarray] | None = None,
    ) -> Lesson:  # fmt: skip
        """Of a training part.

        Args:
            data, base: see the attributes; without further sets they are the same.
            vectors: float32 (items, dimensions), of unit length or 0; needed where `RETRIEVAL` is one of the tasks.
            hints, soft: see the attributes.

        Raises:
            SdrScError: the data set lacks a task, or there are no vectors where they are needed.
        """
        data = each_once(data)
        if (RETRIEVAL in config.tasks) and vectors is None:
            raise SdrScError(f"the task {RETRIEVAL} is learned from a teacher's vectors; give them, or leave it out.")
        for given in (vectors, hints):
            if given is not None and len(given) != len(data):
                raise SdrScError(f"{len(given)} vectors of a teacher for {len(data)} items; make them again.")
        base = data if base is None else each_once(base)
        everything = np.arange(len(data))
        items = np.asarray(data.items(everything))
        kind = modality_class(data.modality)
        spec = ModalitySpec(data.modality, tuple(items.shape[1:]), kind.parameters_of(items))
        specs, targets, entries = [], {}, None
        for task in config.tasks:
            if task == RETRIEVAL:
                assert vectors is not None
                specs.append(TaskSpec(task, (), vectors.shape[1]))
                if RETRIEVAL in data.tasks:
                    entries = torch.from_numpy(np.asarray(data.targets(task, everything), np.int64))
                continue
            if task in OF_PICTURES:
                specs.append(picture_spec(task, base, spec.shape, spec.name, config.question_width))
                continue
            names = tuple(base.names(task))
            targets[task] = torch.from_numpy(labelled_targets(data, task, len(names), config))
            specs.append(TaskSpec(task, names))
        if config.labels and not targets:
            raise SdrScError("a number of labels is of a task with classes, and there is none; leave it out.")
        if config.word_dropout and data.modality != "text":
            raise SdrScError(f"word_dropout is of texts, and these items are of {data.modality}; leave it out.")
        asked = asked_items(data)
        inputs = Inputs(modality_of(spec), items, None if asked is None else asked.is_asked)
        return cls(
            data, base, inputs, targets, _tensor(vectors), spec, tuple(specs), entries, _tensor(hints),
            AskedOf.of(data, len(base.names(QUESTION))) if QUESTION in config.tasks else None,
            {task: torch.from_numpy(np.asarray(rows, np.float32)) for task, rows in (soft or {}).items()},
            _learned(targets) if config.labels and vectors is None and hints is None else None, config.word_dropout,
        )  # fmt: skip

    def sampler(self, batch_items: int, seed: int, shares: Mapping[str, float] = TOGETHER) -> Sampler:
        """Of the items of a training step: of a `JoinedSet` the shares of its kinds, with the names of pictures; where
        some items alone teach, of these."""
        if self.learned is not None:
            return Sampler([(self.learned, 1.0)], None, batch_items, seed)
        if not isinstance(self.data, JoinedSet):
            return Sampler([(np.arange(len(self.data)), 1.0)], None, batch_items, seed)
        names = self.data.names_of_items if any(one.kind == "names" for one in self.data.members) else None
        return Sampler(self.data.strata(shares), names, batch_items, seed)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> Batch:
        """Of some items."""
        places = torch.from_numpy(chosen)
        inputs = self.inputs.of(chosen, rng)
        joined = isinstance(self.data, JoinedSet)
        vectors, entries, hints = (
            None if values is None else values[places] for values in (self.vectors, self.entries, self.hints)
        )
        if self.word_dropout:
            kept = rng.random(inputs.shape[:2]) >= self.word_dropout
            inputs = inputs * torch.from_numpy(kept).unsqueeze(2)
        targets, soft = ({task: found[places] for task, found in of.items()} for of in (self.targets, self.soft))
        asked = self.data if self.asked is None else self.asked.at(places)
        pictures = picture_targets(self.specs, self.modality, inputs, asked)
        return Batch(inputs, targets, vectors, entries, hints, inputs[:, 0] > 0 if joined else None, pictures,
                     soft)  # fmt: skip


def labelled_targets(data: Dataset, task: str, answers: int, config: MultiTaskConfig) -> np.ndarray:
    """Classes of all items that are used: int64 (items,), `UNKNOWN` of the others.

    Args:
        answers: of the task; those beyond them are of a set that teaches without answers.
        config: whose ``labels`` are drawn by ``label_seed``, of each class by its share of the items.

    Raises:
        SdrScError: more labels are wanted than there are, or fewer than classes.
    """
    everything = np.arange(len(data))
    found = np.asarray(data.targets(task, everything), np.int64)
    found = np.where(found < answers, found, UNKNOWN)
    if config.labels:
        known = draw_labelled(found, everything[found >= 0], config.labels, config.label_seed)
        found = np.where(np.isin(everything, known), found, UNKNOWN)
    return found


def _learned(targets: Mapping[str, Tensor]) -> np.ndarray:
    """Places of items with a class of any task."""
    return np.flatnonzero(np.any([found.numpy() >= 0 for found in targets.values()], axis=0))


def _tensor(values: np.ndarray | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(np.ascontiguousarray(values, np.float32))
