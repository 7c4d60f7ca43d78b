# SPDX-License-Identifier: GPL-3.0-or-later
"""The only reader of a run's ``answers.csv``: the answers to the tasks beside the first one."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.frame_record import QUESTION_COLUMN
from sdr_sc.link.frames.task_answers import ANSWER_COLUMNS, ANSWERS_CSV, MOST_LISTED
from sdr_sc.results.rows import right_of_frames
from sdr_sc.results.run_folder import cell_number, cell_text
from sdr_sc.results.run_summary import CUT, FIX
from sdr_sc.semantic.specs import LONGEST_NAME
from sdr_sc.semantic.tasks.base import LARGEST_WIRE_ID, LOST
from sdr_sc.shown import shown

MOST_TASKS = LARGEST_WIRE_ID + 1
_LISTED = tuple(f"answer_{place}" for place in range(2, MOST_LISTED + 1))
_WHOLE = ("item_id", "frame_index", "target", "answer")
_MARKS = {"0": 0.0, "1": 1.0, "": np.nan}


@dataclass(frozen=True)
class TaskTable:
    """What was answered to one task, an entry for each item; every array has shape (items, ...).

    Attributes:
        item_id, frame_index: int.
        target: int, what is right; -1 where it is not known.
        answers: int (items, listed), best first; `LOST` where there is none.
        correct, listed: float, 1 where the best answer is right, and where one of the answers is; NaN where the target
            is not known.
        confidence: float, of the best answer.
        question: object, str: what the item was asked; '' where its task answers no question, or it is not known.
    """

    item_id: np.ndarray
    frame_index: np.ndarray
    target: np.ndarray
    answers: np.ndarray
    correct: np.ndarray
    listed: np.ndarray
    confidence: np.ndarray
    question: np.ndarray

    def __len__(self) -> int:
        return len(self.item_id)

    def of_frames(self, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Right items, and items whose target is known, of each frame that has such: for `clustered_interval`.

        Args:
            right: `correct` or `listed`.
        """
        return right_of_frames(self.frame_index, right)

    def at(self, rows: np.ndarray) -> TaskTable:
        """Some of the rows."""
        return TaskTable(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def read_answers(folder: Path, torn: bool = False, most_rows: int | None = None) -> dict[str, TaskTable]:
    """A run's ``answers.csv`` by the tasks' names, each in the order of the file.

    Args:
        torn: leave out a last line that has no end: of a program that was killed, or that still writes it.
        most_rows: more are refused.

    Raises:
        SdrScError: there is no such file, or a cell holds what a run does not write; with the line.
    """
    path = folder / ANSWERS_CSV
    found: defaultdict[str, list[array[float]]] = defaultdict(lambda: [array("d") for _ in range(12)])
    asked: defaultdict[str, list[str]] = defaultdict(list)
    texts: dict[str, str] = {}
    columns = tuple(name for name, column in ANSWER_COLUMNS.items() if not column.is_new)
    rows = read_csv(path, columns, "table", FIX, others=False, torn=torn, optional=("question",))
    for count, (line, row) in enumerate(rows):
        if count == most_rows:
            raise SdrScError(f"{shown(path)} has more than {most_rows:,} rows; report on a shorter run.")
        cells = found[row["task"]]
        if len(found) > MOST_TASKS or not 0 < len(row["task"]) <= LONGEST_NAME:
            raise SdrScError(f"{shown(path)}, line {line}: task {shown(repr(row['task']), 40)} is none; {CUT}.")
        numbers = [cell_number(path, line, name, row[name], ANSWER_COLUMNS[name]) for name in (*_WHOLE, *_LISTED)]
        if row["correct"] not in _MARKS or row["correct_listed"] not in _MARKS:
            raise SdrScError(f"{shown(path)}, line {line}: an answer is neither right (1) nor wrong (0); {CUT}.")
        marks = (_MARKS[row["correct"]], _MARKS[row["correct_listed"]])
        sure = cell_number(path, line, "confidence", row["confidence"], ANSWER_COLUMNS["confidence"])
        for column, value in zip(cells, (*numbers, *marks, sure), strict=False):
            column.append(value)
        question = row.get("question", "")
        asked[row["task"]].append(cell_text(path, line, "question", question, QUESTION_COLUMN, texts))
    return {task: _table([np.asarray(column) for column in cells], asked[task]) for task, cells in found.items()}


def _table(columns: list[np.ndarray], questions: list[str]) -> TaskTable:
    item_id, frame_index, target = (column.astype(np.int64) for column in columns[:3])
    answers = np.nan_to_num(np.stack(columns[3 : 3 + MOST_LISTED], axis=1), nan=LOST).astype(np.int64)
    correct, listed, confidence = columns[3 + MOST_LISTED : 6 + MOST_LISTED]
    asked = np.asarray(questions, object)
    return TaskTable(item_id, frame_index, target, answers, correct, listed, confidence, asked)
