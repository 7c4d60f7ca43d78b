# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground truth of items, as their source publishes it, until the frames are reported in which they were sent."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from sdr_sc.link.frames.frame_record import NOT_KNOWN, FrameRecord

TRUTH_ITEMS = 8192
"""Items whose truth is kept: the source is ahead of the frames by what fits into buffers, and ids may come again."""

TRUTH_BYTES = 1 << 26
"""The most that they may take, bytes."""


@dataclass(frozen=True)
class ItemTruth:
    """What the source of some items knows of them.

    Attributes:
        item_id: int (n,).
        label: int (n,): the true class; `NOT_KNOWN` where there is none.
        items: uint8 (n, bytes); (n, 0) where only the labels are published.
        item_shape, modality: how the bytes of an item are shown, where the source says so.
    """

    item_id: np.ndarray
    label: np.ndarray
    items: np.ndarray
    item_shape: tuple[int, ...] = ()
    modality: str = ""


@dataclass(frozen=True)
class ItemTargets:
    """What the source of some items knows of them beside their label.

    Attributes:
        item_id: int (n,).
        task: name of the task.
        target: int (n,): what its answers are compared with; `NOT_KNOWN` where there is none.
        entries: `sdr_sc.semantic.gallery.entries_number` of what these are places in; 0 where nobody says.
    """

    item_id: np.ndarray
    task: str
    target: np.ndarray
    entries: int = 0


@dataclass(frozen=True)
class ItemQuestions:
    """What is asked of some items, each of which is asked a question of its own.

    Attributes:
        item_id: int (n,).
        texts: the questions, '' where nothing is asked.
    """

    item_id: np.ndarray
    texts: tuple[str, ...]


class ItemTruths:
    """Truths by item id, the latest that fit into `TRUTH_ITEMS` and `TRUTH_BYTES`.

    >>> truths, two = ItemTruths(), np.zeros((2, 4), np.uint8)
    >>> truths.add(ItemTruth(np.array([7, 9]), np.array([1, 2]), two))
    >>> record = FrameRecord(0, 8, np.array([9]), np.array([NOT_KNOWN]), np.empty((1, 0), np.uint8), time_ns=0)
    >>> truths.fill(record), record.label.tolist(), record.items.shape
    (True, [2], (1, 4))
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[int, np.ndarray]] = OrderedDict()
        self._bytes = 0
        self._targets: dict[str, OrderedDict[int, int]] = {}
        self._entries: dict[str, int] = {}
        self._searched: dict[str, int] = {}
        self._questions: OrderedDict[int, str] = OrderedDict()
        self._shown: tuple[tuple[int, ...], str] = (), ""

    def __len__(self) -> int:
        return len(self._known)

    def add(self, truth: ItemTruth) -> None:
        """Keep the truth of some items, and drop the oldest that there is no room for."""
        for item_id, label, item in zip(truth.item_id.tolist(), truth.label.tolist(), truth.items, strict=True):
            self._drop(item_id)
            self._known[item_id] = label, item.copy()  # a view would keep all items of the PDU
            self._bytes += item.nbytes
        if truth.item_shape:
            self._shown = tuple(truth.item_shape), truth.modality
        while len(self._known) > TRUTH_ITEMS or self._bytes > TRUTH_BYTES:
            self._drop(next(iter(self._known)))

    def add_targets(self, truth: ItemTargets) -> None:
        """Keep what is known of some items for another task: `TRUTH_ITEMS` of each task; but nothing that means other
        entries of a gallery than those that are searched."""
        if self.are_others(truth):
            return
        self._entries[truth.task] = truth.entries
        known = self._targets.setdefault(truth.task, OrderedDict())
        for item_id, target in zip(truth.item_id.tolist(), truth.target.tolist(), strict=True):
            known.pop(item_id, None)
            known[item_id] = target
        while len(known) > TRUTH_ITEMS:
            known.popitem(last=False)

    def searched(self, task: str, entries: int) -> bool:
        """Note among which entries a task's answers are; whether targets were kept that mean others, and are forgotten
        now."""
        self._searched[task] = entries
        meant = self._entries.get(task, 0)
        return bool(meant) and meant != entries and self._targets.pop(task, None) is not None

    def are_others(self, truth: ItemTargets) -> bool:
        """Whether targets mean other entries than their task's answers, as far as both ends have said."""
        searched = self._searched.get(truth.task, 0)
        return bool(truth.entries and searched) and truth.entries != searched

    def add_questions(self, asked: ItemQuestions) -> None:
        """Keep what is asked of some items: `TRUTH_ITEMS` of them."""
        for item_id, text in zip(asked.item_id.tolist(), asked.texts, strict=True):
            self._questions.pop(item_id, None)
            self._questions[item_id] = text
        while len(self._questions) > TRUTH_ITEMS:
            self._questions.popitem(last=False)

    def _drop(self, item_id: int) -> None:
        known = self._known.pop(item_id, None)
        self._bytes -= 0 if known is None else known[1].nbytes

    def fill(self, record: FrameRecord) -> bool:
        """Enter labels and items that are known, and how these are shown, into a frame's record; whether nothing is
        missing then."""
        self._fill_targets(record)
        if not self._known:
            return False
        found = [self._known.get(item_id) for item_id in record.item_id.tolist()]
        labels = [known[0] if known else label for known, label in zip(found, record.label.tolist(), strict=True)]
        record.label = np.array(labels, record.label.dtype)
        items = [known[1] for known in found if known]
        if len(items) < len(found):
            return False
        if len({len(item) for item in items}) == 1 and not record.items.size:
            record.items = np.stack(items)
            if not record.item_shape:
                record.item_shape, record.modality = self._shown
        return True

    def _fill_targets(self, record: FrameRecord) -> None:
        for task, known in self._targets.items():
            found = [known.get(item_id, NOT_KNOWN) for item_id in record.item_id.tolist()]
            if any(target != NOT_KNOWN for target in found):
                record.targets[task] = np.array(found, np.int32)
        ids = record.item_id.tolist()
        if self._questions and any(item_id in self._questions for item_id in ids):
            record.questions = tuple(self._questions.get(item_id, "") for item_id in ids)


def lacks_truth(record: FrameRecord) -> bool:
    """Whether a label of a frame is not known."""
    return bool((record.label == NOT_KNOWN).any())
