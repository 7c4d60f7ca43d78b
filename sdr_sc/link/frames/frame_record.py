# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of a link: what was sent, received and answered, and its rows in ``frames.csv`` and ``items.csv``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from sdr_sc.data.texts import clean_text
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic.knowledge.answering.known import KnownAnswers
from sdr_sc.semantic.questions import LONGEST_QUESTION
from sdr_sc.semantic.tasks.base import NO_ANSWER, TaskAnswer

LARGEST_COUNT = 1 << 53
LARGEST_K = 1 << 16
NOT_KNOWN = -1
"""The label of an item whose truth the receiver was not given."""
STATES = ("lost", "delivered")


@dataclass(frozen=True)
class Column:
    """What the cells of a column may be.

    Attributes:
        low, high: bounds of a number.
        whole: a whole number in each row; otherwise a cell may be empty where nothing is known.
        words: the only texts that are allowed, instead of numbers.
        longest: bytes of any text, UTF-8, instead of numbers.
        is_new: files of earlier versions lack it: nothing is known of it then.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    words: tuple[str, ...] = ()
    longest: int = 0
    is_new: bool = False


QUESTION_COLUMN = Column(longest=LONGEST_QUESTION, is_new=True)
"""What an item was asked; empty for nothing, where its task answers no question, and where it is not known, as of items
that were lost before any was answered."""
FRAME_COLUMNS = {
    "frame_index": Column(0, LARGEST_COUNT, whole=True),
    "snr_set_db": Column(-1000, 1000),
    "snr_est_db": Column(-1000, 1000),
    "cfo_hz": Column(-1e12, 1e12),
    "k": Column(0, LARGEST_K),
    "n_items": Column(0, 1 << 16, whole=True),
    "status": Column(words=STATES),
    "correct": Column(0, 1 << 16),
    "latency_ms": Column(-1e12, 1e12),
    "air_ms": Column(-1e12, 1e12),
    "answer_ms": Column(-1e12, 1e12),
    "not_a_number": Column(0, 1 << 16, whole=True),
    "mode": Column(0, 2, is_new=True),
}
"""``frames.csv``: the columns in their order."""
ITEM_COLUMNS = {
    "item_id": Column(-LARGEST_COUNT, LARGEST_COUNT, whole=True),
    "frame_index": Column(0, LARGEST_COUNT, whole=True),
    "label": Column(NOT_KNOWN, LARGEST_COUNT, whole=True),
    "answer": Column(NO_ANSWER, LARGEST_COUNT, whole=True),
    "k": Column(0, LARGEST_K),
    "correct": Column(0, 1),
    "confidence": Column(0, 1),
    "snr_est_db": Column(-1000, 1000),
    "question": QUESTION_COLUMN,
}
"""``items.csv``, likewise."""
FRAME_FIELDS = tuple(FRAME_COLUMNS)
ITEM_FIELDS = tuple(ITEM_COLUMNS)


class Answer(NamedTuple):
    """What the decoder answered to a frame.

    Attributes:
        classes: int (n_items,).
        confidence: float (n_items,).
        time_ns: when, by the monotonic clock of this process.
        task: wire id of the task that was answered.
        rounds: int (n_items,), how often symbols of each item arrived; None without refinement.
        more: answers to other tasks, by their names.
        questions: what was answered, where a task answers questions: one of all items, or one of each, '' for nothing.
        known: the same answers with what knowledge bases added; None where none was asked.
    """

    classes: np.ndarray
    confidence: np.ndarray | None
    time_ns: int
    task: int = 0
    rounds: np.ndarray | None = None
    more: Mapping[str, TaskAnswer] = MappingProxyType({})
    questions: tuple[str, ...] = ()
    known: KnownAnswers | None = None


@dataclass(eq=False, slots=True)
class Reception:
    """A frame that was received, of which it may not be known yet that it was sent.

    Attributes:
        frame_num: of its header; it wraps.
        k: None where it is not known.
        meta: of the receiver's PDU, where the ledger's owner needs more of it.
        record: the frame that was sent.
        number, since_s, rejected: of the ledger: count in the order of reception, time, and whether it was not sent.
    """

    frame_num: int
    k: int | None
    n_items: int
    snr_db: float = math.nan
    cfo_hz: float | None = None
    answer: Answer | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    record: FrameRecord | None = None
    number: int = 0
    since_s: float = 0.0
    rejected: bool = False


@dataclass
class FrameRecord:
    """One frame that was sent; the answer's fields stay None until it is answered.

    Attributes:
        latency_ms: from the encoder to the answer, where both have the same clock.
        air_ms: from the frame's last sample at the antenna to the end of its reception, where the device says.
        answer_ms: from there to the answer.
        answered_s: when it was answered, by the monotonic clock of this process.
        task: wire id of the task that was answered.
        mode: frame mode, the value in the header.
        item_shape, modality: of the items, where the transmitter says so: how their bytes are shown.
        reception: None until it is received.
        more: answers to other tasks, by their names.
        targets: int (n_items,) by task: what these are compared with; `NOT_KNOWN` where it is not known.
        questions: what each item is asked, '' for nothing, as its source says; empty where no item is asked one of its
            own.
        answered_questions, known: of `Answer`.
    """

    frame_index: int
    k: int
    item_id: np.ndarray
    label: np.ndarray
    items: np.ndarray
    time_ns: int
    snr_set_db: float | None = None
    snr_est_db: float | None = None
    cfo_hz: float | None = None
    answer: np.ndarray | None = None
    confidence: np.ndarray | None = None
    latency_ms: float | None = None
    air_ms: float | None = None
    answer_ms: float | None = None
    answered_s: float = 0.0
    task: int = 0
    mode: int = FrameMode.NORMAL
    item_shape: tuple[int, ...] = ()
    modality: str = ""
    reception: Reception | None = None
    more: Mapping[str, TaskAnswer] = field(default_factory=dict)
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    answered_questions: tuple[str, ...] = ()
    known: KnownAnswers | None = None

    @property
    def answers(self) -> np.ndarray:
        """Class of each item, -1 where it was lost, -2 where the model gave no number."""
        return np.full(len(self.item_id), -1) if self.answer is None else self.answer

    @property
    def asked(self) -> list[str]:
        """What each item was asked, as the tables have it: without what no text has; '' for nothing, or not known."""
        texts = self.answered_questions or self.questions
        if len(texts) == 1:
            texts *= len(self.item_id)
        return [_written(text) for text in texts] or [""] * len(self.item_id)


def frame_row(record: FrameRecord, correct: np.ndarray, known: np.ndarray, faulty: int) -> list[Any]:
    """The row of ``frames.csv``, as `FRAME_FIELDS` has it.

    Args:
        correct, known: bool (n_items,): whether an item's answer is its label, and whether its label is known.
        faulty: items for which the model gave no number.
    """
    return (
        [record.frame_index]
        + _numbers([record.snr_set_db, record.snr_est_db, record.cfo_hz])
        + [record.k, len(correct), STATES[record.answer is not None]]
        + [np.count_nonzero(correct) if known.any() else ""]
        + _numbers([record.latency_ms, record.air_ms, record.answer_ms])
        + [faulty, int(record.mode)]
    )


def item_rows(
    record: FrameRecord, answers: np.ndarray, correct: np.ndarray, known: np.ndarray, asks: bool = False
) -> Iterator[tuple[Any, ...]]:
    """The rows of ``items.csv``, as `ITEM_FIELDS` has them.

    Args:
        answers: int (n_items,), see `FrameRecord.answers`.
        correct, known: as for `frame_row`.
        asks: whether the first task answers questions.
    """
    asked = record.asked if asks else [""] * len(answers)
    confidence = [0.0] * len(answers) if record.confidence is None else record.confidence.tolist()
    index, k, (snr_db,) = record.frame_index, record.k, _numbers([record.snr_est_db])
    columns = (one.tolist() for one in (record.item_id, record.label, answers, correct, known))  # quicker one by one
    for item, label, answer, is_correct, is_known, sure, text in zip(*columns, confidence, asked, strict=True):
        yield item, index, label, answer, k, int(is_correct) if is_known else "", f"{sure:.4f}", snr_db, text


@lru_cache(maxsize=1024)
def _written(text: str) -> str:
    return clean_text(text)


def _numbers(values: Sequence[float | None]) -> list[str]:
    return ["" if value is None else f"{value:.4f}" for value in values]
