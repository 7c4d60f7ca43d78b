# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to the other tasks of a frame, beside the first one: their metadata, counts and rows of ``answers.csv``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.frame_record import LARGEST_COUNT, NOT_KNOWN, QUESTION_COLUMN, Column, FrameRecord
from sdr_sc.link.frames.picture_answers import pictures_meta, pictures_of
from sdr_sc.link.frames.running_quality import RunningQuality
from sdr_sc.semantic.tasks.base import LOST, NO_ANSWER, NOT_A_NUMBER, Task, TaskAnswer, task_of

ANSWERS_CSV = "answers.csv"
MOST_LISTED = 5
"""Answers of an item that ``answers.csv`` has columns for."""
TASKS = "tasks"
"""Metadata key of the names of the other tasks that are answered, with commas between them."""
_IDS, _CONFIDENCE, _EACH, _TARGET = "ids_", "confidence_", "each_", "target_"
_ENTRIES = "entries_"
_HELD_ROWS = 4096

_LISTED = {f"answer_{place}": Column(LOST, LARGEST_COUNT) for place in range(2, MOST_LISTED + 1)}
ANSWER_COLUMNS = {
    "item_id": Column(-LARGEST_COUNT, LARGEST_COUNT, whole=True),
    "frame_index": Column(0, LARGEST_COUNT, whole=True),
    "task": Column(),
    "target": Column(NOT_KNOWN, LARGEST_COUNT, whole=True),
    "answer": Column(NO_ANSWER, LARGEST_COUNT, whole=True),
    **_LISTED,
    "correct": Column(0, 1),
    "correct_listed": Column(0, 1),
    "confidence": Column(0, 1),
    "question": QUESTION_COLUMN,
}
"""``answers.csv``: the columns in their order; ``task`` is a name. ``correct_listed``: whether one of the answers is
the target, of which a task such as retrieval gives several, best first."""


def answers_meta(answers: Mapping[str, TaskAnswer]) -> dict[str, Any]:
    """Metadata of a PDU that holds answers to other tasks, by the tasks' names.

    >>> meta = answers_meta({"retrieval": TaskAnswer(np.array([[4, 2], [1, 0]]), np.array([0.5, 0.25], np.float32))})
    >>> meta["tasks"], meta["ids_retrieval"].tolist(), answers_of(meta, 2)["retrieval"].ids.tolist()
    ('retrieval', [4, 2, 1, 0], [[4, 2], [1, 0]])
    """
    meta: dict[str, Any] = {TASKS: ",".join(answers)} if answers else {}
    for name, found in answers.items():
        meta[_IDS + name] = found.ids.astype(np.int32).ravel()
        meta[_CONFIDENCE + name] = np.asarray(found.confidence, np.float32)
        if found.each is not None:
            meta[_EACH + name] = np.asarray(found.each, np.float32).ravel()
        meta |= pictures_meta(name, found.pictures)
    return meta


def entries_meta(entries: Mapping[str, int]) -> dict[str, int]:
    """Metadata of a frame's answers: among which entries of a gallery they are, by the task's name.

    >>> entries_of({TASKS: "retrieval,subgroup", **entries_meta({"retrieval": 7})})
    {'retrieval': 7}
    """
    return {_ENTRIES + name: number for name, number in entries.items()}


def entries_of(meta: Mapping[str, Any]) -> dict[str, int]:
    """What `entries_meta` made metadata of."""
    names = filter(None, str(meta.get(TASKS, "")).split(","))
    found = {name: meta.get(_ENTRIES + name) for name in names}
    return {name: number for name, number in found.items() if type(number) is int and number > 0}


def other_entries(task: str) -> str:
    """What is wrong where the source means other entries than the receiver searches, as a sentence."""
    return (
        f"the targets of the task {task!r} are entries of another gallery than the one that is searched, so no answer "
        "to it counts as right or wrong; give the receiver the gallery of the data set that is sent"
    )


def answers_of(meta: Mapping[str, Any], n_items: int) -> dict[str, TaskAnswer]:
    """The answers that `answers_meta` made metadata of, for so many items.

    Raises:
        BlockError: they do not fit the items.
        ContractError: a task is unknown here.
    """
    found = {}
    for name in filter(None, str(meta.get(TASKS, "")).split(",")):
        task_of(name)
        ids, confidence = meta.get(_IDS + name), meta.get(_CONFIDENCE + name)
        if not (
            isinstance(ids, np.ndarray) and isinstance(confidence, np.ndarray)
            and len(confidence) == n_items > 0 and len(ids) and len(ids) % n_items == 0
        ):  # fmt: skip
            raise BlockError(f"port 'answers' got a PDU whose answers to {name!r} do not fit its items.")
        each = meta.get(_EACH + name)
        if each is not None and not (isinstance(each, np.ndarray) and each.shape == ids.shape):
            raise BlockError(f"port 'answers' got a PDU with other probabilities than answers to {name!r}.")
        shape = (n_items, -1)
        each = None if each is None else each.reshape(shape)
        found[name] = TaskAnswer(ids.reshape(shape), confidence, each, pictures_of(meta, name, n_items))
    return found


def targets_meta(targets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Metadata of what is right for the other tasks, by the tasks' names; `targets_of` reads it."""
    return {_TARGET + name: target.astype(np.int32) for name, target in targets.items()}


def targets_of(meta: Mapping[str, Any], task: str, n_items: int) -> np.ndarray:
    """What is right for a task: int (n_items,), `NOT_KNOWN` where nobody says.

    >>> meta = targets_meta({"retrieval": np.array([4, 2])})
    >>> targets_of(meta, "retrieval", 2).tolist(), targets_of(meta, "subgroup", 2).tolist()
    ([4, 2], [-1, -1])
    """
    target = meta.get(_TARGET + task)
    if not isinstance(target, np.ndarray) or target.shape != (n_items,):
        return np.full(n_items, NOT_KNOWN)
    return target


def figure_names(task: str, metric: str, top: int) -> tuple[str, ...]:
    """What the figures of a task are called: of its best answers, and of all that it lists, where it lists several.

    >>> figure_names("retrieval", "R@1", 5), figure_names("subgroup", "accuracy", 1)
    (('retrieval: R@1', 'retrieval: R@5'), ('subgroup: accuracy',))
    """
    return (f"{task}: {metric}", *((f"{task}: R@{top}",) if top > 1 else ()))


@dataclass
class TaskCounts:
    """What became of one task's items.

    Attributes:
        items: of settled frames. items_answered: of these. items_lost: nothing arrived. items_not_a_number: the model
            gave no number. items_without: that nothing was asked of.
        items_labelled: whose target is known. items_correct: whose best answer is right. items_listed: with the target
            among the answers.
    """

    items: int = 0
    items_answered: int = 0
    items_lost: int = 0
    items_not_a_number: int = 0
    items_without: int = 0
    items_labelled: int = 0
    items_correct: int = 0
    items_listed: int = 0


class TaskScores:
    """Counts the answers to the other tasks of each frame.

    A task counts from its first answer on; items of earlier frames, which were lost, are entered then, as far as their
    targets are known. Targets of tasks that nobody answers count for nothing.

    Args:
        quality: where the share of right answers is noted, of each task that is answered.
    """

    def __init__(self, quality: RunningQuality | None = None) -> None:
        self._quality = RunningQuality() if quality is None else quality
        self._counts: dict[str, TaskCounts] = {}
        self._asked: dict[str, None] = {}
        self._held: dict[str, deque[tuple[Any, ...]]] = {}

    def take(self, record: FrameRecord) -> list[tuple[Any, ...]]:
        """Count a settled frame; the rows of ``answers.csv`` that are to be written now, as `ANSWER_COLUMNS`."""
        rows: list[tuple[Any, ...]] = []
        if not (record.targets or record.more or self._asked):
            return rows
        asked = self._asked if record.answer is None else record.more  # of a lost frame what the others are asked
        for name in dict.fromkeys((*asked, *record.targets)):
            if task_of(name).of_items:
                continue  # see `PictureScores`
            if name in record.more and name not in self._asked:
                self._asked[name] = None
                rows += self._held.pop(name, ())
            elif record.answer is not None and name not in record.more:
                continue  # its target is known, and it was not asked for
            made = self._count(name, record)
            if name in self._asked:
                rows += made
            else:
                self._held.setdefault(name, deque(maxlen=_HELD_ROWS)).extend(made)
        return rows

    def _count(self, name: str, record: FrameRecord) -> Iterator[tuple[Any, ...]]:
        task, counts, items = task_of(name), self._counts.setdefault(name, TaskCounts()), len(record.item_id)
        found = record.more.get(name)
        ids = np.full((items, task.top), LOST) if found is None else found.ids[:, :MOST_LISTED]
        confidence = np.zeros(items) if found is None else found.confidence
        target = record.targets.get(name)
        target = np.full(items, NOT_KNOWN) if target is None else target
        known, correct, listed = scored(task, ids, target)
        counts.items += items
        counts.items_answered += int((ids[:, 0] >= 0).sum())
        counts.items_not_a_number += int((ids[:, 0] == NOT_A_NUMBER).sum())
        counts.items_without += int((ids[:, 0] == NO_ANSWER).sum())
        counts.items_lost += int((ids[:, 0] == LOST).sum())
        counts.items_labelled += int(known.sum())
        counts.items_correct += int(correct.sum())
        counts.items_listed += int(listed.sum())
        if name in self._asked:
            for figure, right in zip(figure_names(name, task.metric, task.top), (correct, listed), strict=False):
                self._quality.add(figure, int(right.sum()), int(known.sum()))
        return _rows(name, record, target, ids, known, correct, listed, confidence)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The counts by task, with the task's metric, for ``summary.json``."""
        found = {}
        for name, counts in self._counts.items():
            if name in self._asked:
                task = task_of(name)
                found[name] = {**own_counts(counts), "metric": task.metric, "top": task.top}
        return found

    def summary(self) -> str:
        """The counts in words; '' where only the first task was answered."""
        parts = []
        for name, counts in self.to_dict().items():
            listed = f", among {counts['top']} answers {counts['items_listed']}" if counts["top"] > 1 else ""
            parts.append(f"{name}: {counts['items_correct']} of {counts['items_labelled']} right{listed}")
        return "; ".join(parts)


def own_counts(counts: TaskCounts) -> dict[str, Any]:
    """The counts by name, without those of items that have no answer where there are none of these."""
    found = asdict(counts)
    if not found["items_without"]:
        del found["items_without"]
    return found


def scored(task: Task, ids: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each item: whether its target is known, its best answer is right, and the target is among the answers.

    Args:
        ids: int (n, top), best first.
        target: int (n,), `NOT_KNOWN` where there is none.

    >>> ids, target = np.array([[3, 1], [2, 0], [-1, -1]]), np.array([1, 2, -1])
    >>> [one.tolist() for one in scored(task_of("retrieval"), ids, target)]
    [[True, True, False], [False, True, False], [True, True, False]]
    """
    known = target >= 0
    right = known & task.right(ids[:, 0], target)
    return known, right, right | (known & (ids == target[:, None]).any(axis=1))


def _rows(
    name: str,
    record: FrameRecord,
    target: np.ndarray,
    ids: np.ndarray,
    known: np.ndarray,
    correct: np.ndarray,
    listed: np.ndarray,
    confidence: np.ndarray,
) -> Iterator[tuple[Any, ...]]:
    asked = record.asked if task_of(name).needs == "question" else [""] * len(record.item_id)
    for place, item in enumerate(record.item_id.tolist()):
        given = ids[place].tolist()
        more = given[1:] if given[0] >= 0 else []
        marks = (int(correct[place]), int(listed[place])) if known[place] else ("", "")
        blanks = [""] * (MOST_LISTED - 1 - len(more))
        sure = f"{confidence[place]:.4f}"
        yield item, record.frame_index, name, int(target[place]), given[0], *more, *blanks, *marks, sure, asked[place]


def remove_earlier(folder: Path, file: str, columns: Mapping[str, Column]) -> None:
    """Remove a file of an earlier run, or of an earlier version, from a results folder, which this one may not write
    again."""
    path, earlier = folder / file, ",".join(name for name, column in columns.items() if not column.is_new)
    try:
        with open(path, "rb") as stream:
            is_ours = stream.readline(512).startswith(earlier.encode())
        if is_ours:
            path.unlink()
    except FileNotFoundError:
        pass
