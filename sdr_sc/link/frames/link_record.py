# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame ledger of a receiving end, counted and written down: what became of each frame and item."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.link.frames.base_answers import KNOWLEDGE_COLUMNS, KNOWLEDGE_CSV, BaseCounts
from sdr_sc.link.frames.frame_record import FRAME_FIELDS, ITEM_FIELDS, Column, FrameRecord, frame_row, item_rows
from sdr_sc.link.frames.ledger import LATE_ITEMS, FrameLedger, Patience
from sdr_sc.link.frames.picture_answers import SCORE_COLUMNS, SCORES_CSV, PictureScores
from sdr_sc.link.frames.result_files import ResultFiles
from sdr_sc.link.frames.running_quality import RunningQuality
from sdr_sc.link.frames.task_answers import ANSWER_COLUMNS, ANSWERS_CSV, TaskScores, figure_names, remove_earlier
from sdr_sc.semantic.tasks.base import NO_ANSWER, NOT_A_NUMBER, REJECTED, Task, task_by_wire_id
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION

SETTLE_FRAMES = 16
"""A frame is lost when one this much later was answered: answers come in the frames' order, but for hiccups."""

TICK_S = 0.25
"""How often `LinkRecord.tick` is to be called."""

_REST_S = 0.25
"""A frame that was answered so long ago settles without a later one, and what was sent before it and has no answer is
lost: answers come in the frames' order. With `TICK_S` this keeps `WRITTEN_S`, with half a second to spare."""

WRITTEN_S = 1.0
"""So long after its answer, a frame's row and those of all frames before it are on the disk, on a machine that gives
`LinkRecord.tick` its turn."""

OPEN_FRAMES = 256
"""A frame that was not received is lost when this many were sent after it: reports may be behind on a busy machine."""

_COUNTS = (
    *("frames_sent", "frames_answered", "frames_lost", "answers_unknown", "items_sent", "items_answered"),
    *("items_correct", "items_lost", "items_labelled", "items_judged", "items_not_a_number"),
    "items_rejected",
)


_FURTHER = ((ANSWERS_CSV, ANSWER_COLUMNS), (SCORES_CSV, SCORE_COLUMNS), (KNOWLEDGE_CSV, KNOWLEDGE_COLUMNS))
"""Files that are there only where there is something to write into them."""


class LinkRecord(FrameLedger):
    """Counts items right, wrong and lost, and writes ``frames.csv`` and ``items.csv`` as frames settle.

    A frame settles when it or a later one was answered a quarter of a second ago, when one ``SETTLE_FRAMES`` later was,
    when many more were sent (``OPEN_FRAMES``), or at `close`; only then is one without an answer lost.
    Memory holds the frames that have not settled, and a bounded history. Rows go to the disk in `tick`, which should be
    called every `TICK_S`, and at `close`: `WRITTEN_S` after a frame was answered its row is there, also if the process
    is killed then.

    Args:
        folder: where to write; None writes nothing.
        history_frames: latest frames kept for plots.
        keep_items: items kept with their picture for `pictures`, and with what was received of it for `thumbnails`,
            spread over the run by thinning out.
        open_frames: a frame is lost when so many were sent after it.

    Attributes:
        items_labelled: settled items whose label is known, lost or answered; only these can be right or wrong.
        items_judged: those of them that were answered.
        items_not_a_number: items for which the model gave no number: neither lost nor answered.
        items_rejected: items that the receiver was not sure of after the last round of refinement: neither lost nor
            answered.
        items_unasked: items that arrived, and that nothing was asked of where the first task answers questions: neither
            lost nor answered.
        tasks: counts of the tasks that are answered beside the first one, whose rows are in ``answers.csv``.
        picture_tasks: of those whose answers are pictures, whose rows are in ``scores.csv``.
        bases: what knowledge bases added, whose rows are in ``knowledge.csv``.
        quality: share of right answers over the latest items, of each task.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        history_frames: int = 200,
        keep_items: int = 48,
        open_frames: int = OPEN_FRAMES,
    ) -> None:
        super().__init__(Patience(open_frames, open_frames, SETTLE_FRAMES, LATE_ITEMS))
        self.frames_lost = 0
        self.items_answered = self.items_lost = self.items_correct = 0
        self.items_labelled = self.items_judged = self.items_not_a_number = self.items_rejected = 0
        self.items_unasked = 0
        self.quality = RunningQuality()
        self.tasks, self.picture_tasks = TaskScores(self.quality), PictureScores()
        self.bases = BaseCounts()
        self._first_task: Task | None = None
        self._asked_of_all: tuple[str, ...] = ()
        self.history: deque[FrameRecord] = deque(maxlen=history_frames)
        self.pictures, self.thumbnails = Thinned(keep_items), Thinned(keep_items)
        self._files: ResultFiles | None = None
        if folder is not None:
            self._files = ResultFiles(folder, {"frames.csv": FRAME_FIELDS, "items.csv": ITEM_FIELDS})
            self._frame_row = self._files.rows("frames.csv").writerow
            self._item_rows = self._files.rows("items.csv").writerows
            for file, columns in _FURTHER:
                remove_earlier(folder, file, columns)

    def recent(self) -> list[FrameRecord]:
        """The latest answered frames, settled or not, oldest first."""
        with self._lock:
            frames = [*self.history, *self._open.values()]
        limit = self.history.maxlen or len(frames)
        return [record for record in frames if record.answer is not None][-limit:]

    def summary(self) -> str:
        """The counts of all settled frames in one line."""
        wrong = self.items_judged - self.items_correct
        parts = [f"{self.items_correct} items right, {wrong} wrong, {self.items_lost} lost"]
        if self.items_answered > self.items_judged:
            parts.append(f"{self.items_answered - self.items_judged} answered whose label is not known")
        if self.items_not_a_number:
            parts.append(f"{self.items_not_a_number} for which the model gave no number")
        if self.items_rejected:
            parts.append(f"{self.items_rejected} that the receiver was not sure of")
        if self.items_unasked:
            parts.append(f"{self.items_unasked} that nobody asked anything of")
        others = "; ".join(filter(None, (one.summary() for one in (self.tasks, self.picture_tasks, self.bases))))
        frames = f"{self.frames_sent} frames sent, {self.frames_lost} lost"
        return f"{', '.join(parts)}; {frames}{f'; {others}' if others else ''}"

    def counts(self) -> dict[str, Any]:
        """The counts by name, for ``summary.json``; with those of each further task, if any was answered."""
        others = {**self.tasks.to_dict(), **self.picture_tasks.to_dict()}
        unasked = {"items_unasked": self.items_unasked} if self.items_unasked else {}
        bases = {"knowledge": self.bases.to_dict()} if self.bases.items else {}
        tasks = {"tasks": others} if others else {}
        return {**{name: getattr(self, name) for name in _COUNTS}, **unasked, **tasks, **bases}

    def running_quality(self) -> tuple[int, dict[str, float]]:
        """Frames that have settled, and the share of right answers over the latest items, percent, by figure."""
        with self._lock:
            return self.frames_sent - len(self._open), self.quality.shares()

    def tick(self) -> None:
        """Settle the frames up to the last one that was answered a while ago, and write what has settled.

        Raises:
            SdrScError: the results cannot be written any further; only the first time.
        """
        with self._lock:
            self.settle_rested(_REST_S)
            if self._files is not None:
                self._files.flush()

    def close(self) -> None:
        """Settle every frame, and close the files; may be called again.

        Raises:
            SdrScError: not all results could be written; the counts are complete all the same.
        """
        with self._lock:
            super().close()
            if self._files is not None:
                self._files.close()

    def settled(self, record: FrameRecord) -> None:
        """Count a frame, and write it down."""
        answers = record.answers
        answered, known = answers >= 0, record.label >= 0  # without a label nothing is right or wrong
        task = task_by_wire_id(record.task)
        correct = task.right(answers, record.label)
        count = np.count_nonzero(answered)  # quicker than sum() for a few items
        faulty = 0 if count == len(answers) else np.count_nonzero(answers == NOT_A_NUMBER)
        self.frames_lost += record.answer is None
        rejected = 0 if count == len(answers) else np.count_nonzero(answers == REJECTED)
        unasked = 0 if count == len(answers) else np.count_nonzero(answers == NO_ANSWER)
        self.items_lost += len(answers) - count - faulty - rejected - unasked
        self.items_rejected += rejected
        self.items_unasked += unasked
        self.items_not_a_number += faulty
        self.items_answered += count
        self.items_labelled += np.count_nonzero(known)
        self.items_judged += np.count_nonzero(answered & known)
        self.items_correct += np.count_nonzero(correct)
        if record.answer is not None:
            self._first_task = task
        if self._first_task is not None:  # of frames that were lost before it is not known which one was asked for
            figures = figure_names(self._first_task.name, self._first_task.metric, self._first_task.top)
            self.quality.add(figures[0], int(np.count_nonzero(correct)), int(np.count_nonzero(known)))
        self._note_questions(record)
        self.history.append(record)
        self._keep_pictures(record)
        further = (self.tasks.take(record), self.picture_tasks.take(record), self.bases.take(record, task))
        if self._files is not None:
            for (file, columns), rows in zip(_FURTHER, further, strict=True):
                self._write(file, columns, rows)
            self._frame_row(frame_row(record, correct, known, faulty))
            asks = self._first_task is not None and self._first_task.needs == "question"
            self._item_rows(item_rows(record, answers, correct, known, asks))
            if self._files.are_many:
                self._files.flush()

    def _note_questions(self, record: FrameRecord) -> None:
        """The decoder says nothing of a lost frame: it was asked what all frames are, or what its source says."""
        if record.answer is not None:
            self._asked_of_all = record.answered_questions if len(record.answered_questions) == 1 else ()
        else:
            record.answered_questions = self._asked_of_all

    def _write(self, file: str, columns: dict[str, Column], rows: list[tuple[Any, ...]]) -> None:
        if rows and self._files is not None and self._files.failure is None:
            self._files.add(file, tuple(columns))
            self._files.rows(file).writerows(rows)

    def _keep_pictures(self, record: FrameRecord) -> None:
        if not len(record.item_id):
            return
        first = int(record.item_id[0])
        if record.items.size:
            self.pictures.add(record.frame_index, first, record.items[0])
        answered = record.more.get(RECONSTRUCTION)
        if answered is not None and answered.pictures is not None and answered.best[0] >= 0:
            self.thumbnails.add(record.frame_index, first, answered.pictures[0])


class Thinned(list[tuple[int, np.ndarray]]):
    """Items of some frames, spread over the run: when there are too many, every other one goes.

    Args:
        most: that are kept.

    >>> kept = Thinned(2)
    >>> for index in range(9):
    ...     kept.add(index, index, np.zeros(1))
    >>> [item_id for item_id, _ in kept]
    [0, 8]
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._stride = most, 1

    def add(self, frame_index: int, item_id: int, values: np.ndarray) -> None:
        """Keep a frame's item, if it is its turn."""
        if frame_index % self._stride:
            return
        self.append((item_id, values))
        if len(self) > self._most:
            self[:], self._stride = self[::2], 2 * self._stride
