# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with questions, each of which has one of a list of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sdr_sc.data.dataset import Split
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.data.texts import Texts
from sdr_sc.errors import DataSetError

QUESTION = "question"


@dataclass(frozen=True)
class AskedSet:
    """A `Dataset` of the task ``question``: an item is a picture with one question about it.

    The picture is what is sent. The question is known to the receiver, or sent as an item of text of its own: an answer
    needs both, and the question may come after the picture has arrived.

    Attributes:
        pictures: uint8 (pictures, 3, height, width).
        picture_of: (items,), place of each item's picture.
        question_texts: all questions that are asked, each once.
        question_of: (items,), place of each item's question.
        answers: (items,), place of each item's answer.
        answer_names: what the answers are called.
        longest: bytes that a question's slot has room for.
        name, split, sha256, training_sha256: see `Dataset`.
    """

    pictures: np.ndarray
    picture_of: np.ndarray
    question_texts: Texts
    question_of: np.ndarray
    answers: np.ndarray
    answer_names: Sequence[str]
    longest: int
    name: str
    split: Split
    sha256: str
    training_sha256: str
    modality: str = field(default="image", init=False)
    tasks: tuple[str, ...] = field(default=(QUESTION,), init=False)

    def __len__(self) -> int:
        return len(self.picture_of)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Of a picture."""
        return self.pictures.shape[1:]

    @property
    def question_shape(self) -> tuple[int, ...]:
        """Of a question's slot."""
        return (HEAD_BYTES + self.longest,)

    @property
    def groups(self) -> np.ndarray:
        """int64 (items,), the picture of each: questions about one picture are not independent."""
        return self.picture_of.astype(np.int64)

    def items(self, index: np.ndarray) -> np.ndarray:
        """Pictures by place: uint8 (n, 3, height, width)."""
        return self.pictures[self.picture_of[index]]

    def questions(self, index: np.ndarray) -> np.ndarray:
        """Questions by place, as texts in slots: uint8 (n, `HEAD_BYTES` + longest)."""
        return self.question_texts.slots(self.question_of[index], self.longest)

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Places of the answers among their names: int32 (n,).

        Raises:
            DataSetError: the task is another one.
        """
        self.names(task)
        return self.answers[index].astype(np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        """What the answers are called; errors as for `targets`."""
        if task != QUESTION:
            raise DataSetError(f"data set {self.name} has no targets for the task {task!r}; it has {QUESTION!r}.")
        return tuple(self.answer_names)

    def prior(self) -> np.ndarray:
        """The most frequent answer to each question, int32 (questions,): what can be answered without a picture.

        It has to be taken from the training part; ties go to the first answer.
        """
        counts = np.zeros((len(self.question_texts), len(self.answer_names)), np.int64)
        np.add.at(counts, (self.question_of, self.answers), 1)
        return counts.argmax(axis=1).astype(np.int32)
