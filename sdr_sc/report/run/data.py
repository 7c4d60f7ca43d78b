# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run left in its folder, as the report uses it; `sdr_sc.report.run.files` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.results.answers_table import TaskTable
from sdr_sc.results.knowledge_table import KnowledgeTable
from sdr_sc.results.picture_rows import ScoreTable

FRAME_COLUMNS = ("frame_index", "snr_set_db", "snr_est_db", "k", "n_items", "status", "latency_ms", "mode")
ITEM_COLUMNS = ("item_id", "frame_index", "label", "answer", "k", "correct", "confidence", "question")


@dataclass(frozen=True)
class Frames:
    """One entry for each frame sent, sorted by index; every array has shape (frames,).

    Attributes:
        index: int, 0-based and unwrapped.
        snr_set_db: float, what the channel was set to.
        snr_est_db: float, what the receiver measured; NaN for a lost frame.
        k: float, feature symbols per item; NaN where the run did not write it.
        n_items: int.
        delivered: bool.
        latency_ms: float; NaN for a lost frame.
        mode: int, the frame mode; normal where the run did not write it.
    """

    index: np.ndarray
    snr_set_db: np.ndarray
    snr_est_db: np.ndarray
    k: np.ndarray
    n_items: np.ndarray
    delivered: np.ndarray
    latency_ms: np.ndarray
    mode: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def snr_error_db(self) -> np.ndarray:
        """Estimate less set value of the delivered frames, in dB."""
        error = (self.snr_est_db - self.snr_set_db)[self.delivered]
        return error[np.isfinite(error)]


@dataclass(frozen=True)
class Items:
    """One entry for each item sent, in the order sent; every array has shape (items,).

    Attributes:
        item_id: int.
        frame_index: int, the frame that carried it.
        label: int, the true class.
        answer: int, the class answered; -1 for a lost item, -2 where the model gave no number.
        k: float, complex feature symbols sent for it.
        correct: bool; False for a lost item.
        confidence: float 0..1; NaN for a lost item.
        question: object, str: what it was asked, where that is what the first task answers; '' otherwise, and where it
            is not known.
    """

    item_id: np.ndarray
    frame_index: np.ndarray
    label: np.ndarray
    answer: np.ndarray
    k: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    question: np.ndarray

    def __len__(self) -> int:
        return len(self.item_id)

    @property
    def answered(self) -> np.ndarray:
        """bool (items,): an answer came out of the decoder."""
        return self.answer >= 0


@dataclass(frozen=True)
class TaskRun:
    """One of several tasks that a run answered.

    Attributes:
        name: of the task.
        figures: what is counted, such as ``R@1`` of the best answers, and where there are several ``R@5`` of all.
        table: what was answered, lost items too.
        names: what its answers are called, as far as that is known.
    """

    name: str
    figures: tuple[str, ...]
    table: TaskTable
    names: dict[int, str]

    @property
    def marks(self) -> tuple[np.ndarray, ...]:
        """For each of the figures whether it counts an item, see `TaskTable`."""
        return (self.table.correct, self.table.listed)[: len(self.figures)]


@dataclass(frozen=True)
class PictureRun:
    """A task of a run whose answers are pictures.

    Attributes:
        name: of the task.
        table: how good they are.
        pictures: uint8 (shown, [3,] height, width), those that the run kept.
        ids: int (shown,), the ``item_id`` of each.
    """

    name: str
    table: ScoreTable
    pictures: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Run:
    """A run folder's content.

    Attributes:
        name: the folder's name.
        summary: ``summary.json``; ``config``, ``accounting`` and ``machine`` are dicts, ``rows`` a list.
        frames: ``frames.csv``.
        items: ``items.csv``, those whose class is known.
        images: the items that are shown, uint8 (shown, ...); of images (shown, height, width) or (shown, 3, height,
            width), 0 is black.
        image_ids: int (shown,), the ``item_id`` of each image.
        class_names: a name for every label and answer.
        k_list: the k that the CAM could choose from, ascending.
        modality: of the items.
        tasks: all that were answered with names, the first one before the others; none where there is only one.
        picture_tasks: those that were answered with pictures.
        is_verified: whether the files were compared with checksums; a run of an earlier version has none.
        items_sent: how many there are of all; 0 where all are in ``items``.
        knowledge: answers with knowledge bases; None where the run asked none.
    """

    name: str
    summary: dict[str, Any]
    frames: Frames
    items: Items
    images: np.ndarray
    image_ids: np.ndarray
    class_names: list[str]
    k_list: list[int]
    modality: str = "image"
    is_verified: bool = True
    tasks: tuple[TaskRun, ...] = ()
    picture_tasks: tuple[PictureRun, ...] = ()
    items_sent: int = 0
    knowledge: KnowledgeTable | None = None

    def item_snr_set_db(self) -> np.ndarray:
        """The SNR set for each item's frame, in dB, shape (items,); NaN where ``frames.csv`` lacks the frame."""
        return self.of_frames(self.frames.snr_set_db, self.items.frame_index)

    def of_frames(self, values: np.ndarray, frame_index: np.ndarray) -> np.ndarray:
        """What the frames of some items have: float, NaN where ``frames.csv`` lacks a frame.

        Args:
            values: one for each of `frames`, such as ``snr_set_db``.
            frame_index: int (items,).
        """
        if not len(self.frames):
            return np.full(len(frame_index), np.nan)
        place = np.searchsorted(self.frames.index, frame_index).clip(max=len(self.frames) - 1)
        return np.where(self.frames.index[place] == frame_index, values[place], np.nan)
