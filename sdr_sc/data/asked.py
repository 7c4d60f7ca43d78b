# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with questions, each of which has one of a list of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sdr_sc.data.dataset import Dataset, Split
from sdr_sc.data.ragged import HEAD_BYTES
from sdr_sc.data.texts import Texts, clean_text
from sdr_sc.errors import DataSetError
from sdr_sc.shown import shown

QUESTION, OWN_QUESTION = "question", "*"
"""Name of the task, and what stands in place of a question where each item is asked one of its own: it has no word."""


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

    def asking(self, question: str) -> AskedSet:
        """The items of one question alone, the same pictures at most once each.

        Args:
            question: as the set has it, but for capital letters and spaces.

        Raises:
            DataSetError: it is asked of no picture.
        """
        wanted = clean_text(question).casefold()
        for place, text in enumerate(self.question_texts):
            if text.casefold() == wanted:
                chosen = np.flatnonzero(self.question_of == place)
                chosen = chosen[np.unique(self.picture_of[chosen], return_index=True)[1]]
                if len(chosen):
                    columns = (self.picture_of[chosen], self.question_of[chosen], self.answers[chosen])
                    return replace(self, picture_of=columns[0], question_of=columns[1], answers=columns[2])
        some = shown(repr(self.question_texts[0]), 80) if len(self.question_texts) else "none"
        raise DataSetError(
            f"data set {self.name} does not ask {shown(repr(question), 80)} of its {self.split} pictures; ask what it "
            f"asks, such as {some}."
        )

    def pictures_once(self) -> AskedPictures:
        """The pictures, each once, with all that is asked of it."""
        return AskedPictures(self)

    def prior(self) -> np.ndarray:
        """The most frequent answer to each question, int32 (questions,): what can be answered without a picture.

        It has to be taken from the training part; ties go to the first answer.
        """
        return self.pictures_once().asked_items.prior(len(self.answer_names))


@dataclass(frozen=True)
class AskedItems:
    """What is asked of items, and what is right.

    Attributes:
        texts: all questions, each once.
        longest: bytes that a question's slot has room for.
        question, answer: int64 (items, most), places among these and among the answers' names; -1 where less is asked
            of an item, or nothing.
    """

    texts: Texts
    longest: int
    question: np.ndarray
    answer: np.ndarray

    @property
    def is_asked(self) -> np.ndarray:
        """bool (items,): whether anything is asked of each."""
        return (self.question >= 0).any(axis=1)

    def prior(self, answers: int) -> np.ndarray:
        """As of `AskedSet`, for so many answers."""
        counts = np.zeros((len(self.texts), answers), np.int64)
        known = self.question >= 0
        np.add.at(counts, (self.question[known], self.answer[known]), 1)
        return counts.argmax(axis=1).astype(np.int32)


@dataclass(frozen=True)
class AskedPictures:
    """A `Dataset` of an `AskedSet`'s pictures, each once: what is sent, before anybody asks.

    Attributes:
        asked: the set that they are of.
    """

    asked: AskedSet
    modality: str = field(default="image", init=False)
    tasks: tuple[str, ...] = field(default=(QUESTION,), init=False)

    def __len__(self) -> int:
        return len(self.asked.pictures)

    @property
    def name(self) -> str:
        """As of `asked`, like the following ones."""
        return self.asked.name

    @property
    def split(self) -> Split:
        return self.asked.split

    @property
    def sha256(self) -> str:
        return self.asked.sha256

    @property
    def training_sha256(self) -> str:
        return self.asked.training_sha256

    @property
    def item_shape(self) -> tuple[int, ...]:
        return self.asked.item_shape

    @cached_property
    def asked_items(self) -> AskedItems:
        """What is asked of each picture."""
        asked = self.asked
        order = np.argsort(asked.picture_of, kind="stable")
        counts = np.bincount(asked.picture_of, minlength=len(self))
        column = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        found = np.full((2, len(self), int(counts.max(initial=0))), -1, np.int64)
        found[:, asked.picture_of[order], column] = asked.question_of[order], asked.answers[order]
        return AskedItems(asked.question_texts, asked.longest, found[0], found[1])

    def items(self, index: np.ndarray) -> np.ndarray:
        """Pictures by place: uint8 (n, 3, height, width)."""
        return self.asked.pictures[index]

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Answers to all that is asked of each picture, int32 (n, most); -1 where it is less. Errors as of `AskedSet`.
        """
        self.names(task)
        return self.asked_items.answer[index].astype(np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        """What the answers are called; errors as for `targets`."""
        return self.asked.names(task)


def each_once(data: Dataset) -> Dataset:
    """A data set whose items are all different: of an `AskedSet` its pictures, any other as it is."""
    return data.pictures_once() if isinstance(data, AskedSet) else data


def asked_items(data: Dataset) -> AskedItems | None:
    """What is asked of a data set's items, of an `AskedSet` of its pictures; None where nothing is."""
    found = getattr(each_once(data), "asked_items", None)
    return found if isinstance(found, AskedItems) else None


def asked_data(data: Dataset, question: str) -> Dataset:
    """What is sent where items are asked a question, see `sdr_sc.data.own_questions.items_asked`: of an `AskedSet` the
    pictures that it asks this question of, or with '' and `OWN_QUESTION` all of them, each once; of any other set its
    items.

    Raises:
        DataSetError: the set does not ask this question, or any.
    """
    is_one = question not in ("", OWN_QUESTION)
    if isinstance(data, AskedSet):
        return data.asking(question) if is_one else data.pictures_once()
    asked = asked_items(data)
    if question and asked is None:
        raise DataSetError(
            f"data set {data.name} asks no questions, and {shown(repr(question), 80)} is given; leave the question out."
        )
    if asked is not None and is_one:
        wanted = clean_text(question).casefold()
        if all(text.casefold() != wanted for text in asked.texts):
            raise DataSetError(
                f"data set {data.name} does not ask {shown(repr(question), 80)} of any of its items; ask what it asks, "
                f"such as {shown(repr(asked.texts[0]), 80)}."
            )
    return data
