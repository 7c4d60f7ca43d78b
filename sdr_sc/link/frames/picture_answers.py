# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are pictures: their metadata in PDUs, their counts, and rows of ``scores.csv``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.frame_record import LARGEST_COUNT, Column, FrameRecord
from sdr_sc.semantic.modalities.base import display_of
from sdr_sc.semantic.tasks.base import LOST, NO_ANSWER, NOT_A_NUMBER, TaskAnswer, task_of
from sdr_sc.semantic.tasks.reconstruction import Reconstruction, thumbnail_shape

SCORES_CSV = "scores.csv"
SCORE_COLUMNS = {
    "item_id": Column(-LARGEST_COUNT, LARGEST_COUNT, whole=True),
    "frame_index": Column(0, LARGEST_COUNT, whole=True),
    "task": Column(),
    "answer": Column(NO_ANSWER, 0, whole=True),
    "score": Column(0, 1),
}
"""``scores.csv``, of tasks whose answers are pictures: the columns in their order. ``answer`` is 0 where there is a
picture, and `NO_ANSWER` where the item is taken for a text; ``score`` is the task's own, empty where nobody says what
was sent, and of texts."""
_PICTURES, _SHAPE = "pictures_", "shape_"
_RECONSTRUCTED = Reconstruction()


def pictures_meta(name: str, pictures: np.ndarray | None) -> dict[str, Any]:
    """Metadata of a task's pictures, uint8 (n_items, [3,] height, width); none of a task without any."""
    if pictures is None:
        return {}
    return {_PICTURES + name: pictures.ravel(), _SHAPE + name: np.array(pictures.shape[1:], np.int32)}


def pictures_of(meta: Mapping[str, Any], name: str, n_items: int) -> np.ndarray | None:
    """The pictures that `pictures_meta` made metadata of; None where there are none.

    Raises:
        BlockError: they do not fit the items.
    """
    values, shape = meta.get(_PICTURES + name), meta.get(_SHAPE + name)
    if values is None and shape is None:
        return None
    if not (
        isinstance(values, np.ndarray) and isinstance(shape, np.ndarray) and values.dtype == np.uint8
        and len(shape) in (2, 3) and shape.min() > 0 and values.size == n_items * math.prod(shape.tolist())
    ):  # fmt: skip
        raise BlockError(f"port 'answers' got a PDU whose pictures of {name!r} do not fit its items.")
    return values.reshape(n_items, *shape.tolist())


class PictureScores:
    """Counts the answers of each frame that are pictures, and how good they are.

    A task counts from its first answer on; frames that were lost before it do not.
    """

    def __init__(self) -> None:
        self._counts: dict[str, PictureCounts] = {}

    def take(self, record: FrameRecord) -> list[tuple[Any, ...]]:
        """Count a settled frame; its rows of ``scores.csv``, as `SCORE_COLUMNS`."""
        rows: list[tuple[Any, ...]] = []
        for name, answer in record.more.items():
            if answer.pictures is not None:
                self._counts.setdefault(name, PictureCounts())
        for name, counts in self._counts.items():
            found = record.more.get(name)
            if found is None and record.answer is not None:
                continue
            ids = np.full(len(record.item_id), LOST) if found is None else found.best
            scores, is_text = _scores(record, found)
            counts.items += len(ids)
            counts.items_answered += int((ids >= 0).sum())
            counts.items_lost += int((ids == LOST).sum())
            counts.items_not_a_number += int((ids == NOT_A_NUMBER).sum())
            counts.items_without += int((ids == NO_ANSWER).sum())
            counts.items_invented += int((is_text & (ids >= 0)).sum())
            counts.items_scored += int(np.isfinite(scores).sum())
            counts.score += float(np.nansum(scores))
            cells = ("" if np.isnan(score) else f"{score:.6f}" for score in scores)
            columns = (record.item_id.tolist(), [record.frame_index] * len(ids), [name] * len(ids), ids.tolist(), cells)
            rows += zip(*columns, strict=True)
        return rows

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The counts by task, with the task's metric over the items whose score is known, for ``summary.json``."""
        return {
            name: {**counts.to_dict(), "metric": task_of(name).metric, "figure": counts.figure(name)}
            for name, counts in self._counts.items()
        }

    def summary(self) -> str:
        """The counts in words; '' where no answer was a picture."""
        parts = []
        for name, counts in self._counts.items():
            task, figure = task_of(name), counts.figure(name)
            quality = "" if figure is None else f", {task.metric} {figure:.1f} {task.unit}"
            texts = counts.of_texts()
            things = "items" if texts else "pictures"
            parts.append(f"{name}: {counts.items_answered} of {counts.items} {things}{quality}{texts}")
        return "; ".join(parts)


@dataclass
class PictureCounts:
    """What became of one task's items.

    Attributes:
        items: of settled frames. items_answered: of these. items_lost: nothing arrived. items_not_a_number: the model
            gave no number. items_without: taken for texts, which have no picture.
        items_invented: texts, as the source says, that got a picture all the same.
        items_scored: pictures of which it is known what was sent, lost ones too. score: sum of their scores.
    """

    items: int = 0
    items_answered: int = 0
    items_lost: int = 0
    items_not_a_number: int = 0
    items_without: int = 0
    items_invented: int = 0
    items_scored: int = 0
    score: float = 0.0

    def figure(self, name: str) -> float | None:
        """The task's metric; None where nothing is known."""
        return float(task_of(name).figure(self.score / self.items_scored)) if self.items_scored else None

    def to_dict(self) -> dict[str, Any]:
        """The counts by name; those of texts only where there are any."""
        found = asdict(self)
        if not (self.items_without or self.items_invented):
            del found["items_without"], found["items_invented"]
        return found

    def of_texts(self) -> str:
        """In words; '' where none of the items was taken for a text, or is one."""
        if not (self.items_without or self.items_invented):
            return ""
        return f", {self.items_without} without one, {self.items_invented} of texts"


def _scores(record: FrameRecord, answer: TaskAnswer | None) -> tuple[np.ndarray, np.ndarray]:
    """How good a frame's pictures are, float64 (n_items,), see `Reconstruction.score_pictures`; NaN where nobody says
    what was sent, and of texts. And which items are texts, as the source says, bool (n_items,).

    Args:
        answer: None where the frame was lost.
    """
    items, shape, count = record.items, tuple(record.item_shape), len(record.item_id)
    scores, none = np.full(count, np.nan), np.zeros(count, bool)
    if not items.size or not shape or math.prod(shape) != items.shape[1] or (len(shape) < 2 and not record.modality):
        return scores, none
    # Sources of the version before do not name the modality.
    which, sent = display_of(record.modality or "image").pictures(items.reshape(count, *shape))
    if sent is None:
        return scores, ~which
    if answer is None or answer.pictures is None:
        blank = np.zeros((len(sent), *thumbnail_shape(sent.shape[1:])), np.uint8)
        known = TaskAnswer(np.full((len(sent), 1), LOST), np.zeros(len(sent), np.float32), pictures=blank)
    else:
        known = TaskAnswer(answer.ids[which], answer.confidence[which], pictures=answer.pictures[which])
    assert known.pictures is not None
    if known.pictures.ndim == sent.ndim:
        scores[which] = _RECONSTRUCTED.score_pictures(known, sent)
    return scores, ~which
