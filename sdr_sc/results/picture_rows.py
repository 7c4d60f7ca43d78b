# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the tasks whose answers are pictures, from what a run wrote."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.picture_answers import SCORE_COLUMNS, SCORES_CSV
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.results.run_folder import cell_number
from sdr_sc.results.run_summary import CUT, FIX
from sdr_sc.semantic.tasks.base import Task, task_of
from sdr_sc.semantic.tasks.reconstruction import RECONSTRUCTION
from sdr_sc.shown import shown

PICTURE_TASKS = (RECONSTRUCTION,)


def picture_rows(folder: Path) -> list[Row]:
    """The metric of each task over all items of which it is known what was sent, lost ones too; the interval is over
    frames.

    Raises:
        SdrScError: ``scores.csv`` cannot be read, or holds what a run does not write.
    """
    tables = read_scores(folder, torn=True).items()
    return [score_row(name, task_of(name), table.by_frame()) for name, table in tables if table.known.any()]


@dataclass(frozen=True)
class ScoreTable:
    """The pictures that were answered to one task, an entry for each item; every array has shape (items,).

    Attributes:
        item_id, frame_index: int.
        answer: int, 0 where there is a picture, below 0 where there is none.
        score: float, 0 to 1, the task's own; NaN where nobody says what was sent.
    """

    item_id: np.ndarray
    frame_index: np.ndarray
    answer: np.ndarray
    score: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """bool (items,): what was sent is known."""
        return np.isfinite(self.score)

    def by_frame(self, chosen: np.ndarray | None = None) -> np.ndarray:
        """Items of each frame whose score is known, and the sum of their scores: float (frames, 2).

        Args:
            chosen: bool (items,), those that count; None for all.
        """
        here = self.known if chosen is None else self.known & chosen
        frames, place = np.unique(self.frame_index[here], return_inverse=True)
        counts, sums = np.bincount(place, minlength=len(frames)), np.bincount(place, self.score[here], len(frames))
        return np.stack([counts, sums], axis=1).astype(float)


def read_scores(folder: Path, torn: bool = False, most_rows: int | None = None) -> dict[str, ScoreTable]:
    """A run's ``scores.csv`` by the tasks' names.

    Args:
        torn: leave out a last line that has no end.
        most_rows: more are refused.

    Raises:
        SdrScError: there is no such file, or a cell holds what a run does not write; with the line.
    """
    path, names = folder / SCORES_CSV, ("item_id", "frame_index", "answer", "score")
    found: defaultdict[str, list[array[float]]] = defaultdict(lambda: [array("d") for _ in names])
    for count, (line, row) in enumerate(read_csv(path, tuple(SCORE_COLUMNS), "table", FIX, others=False, torn=torn)):
        if count == most_rows:
            raise SdrScError(f"{shown(path)} has more than {most_rows:,} rows; report on a shorter run.")
        if row["task"] not in PICTURE_TASKS:
            raise SdrScError(f"{shown(path)}, line {line}: task {shown(repr(row['task']), 40)} has no pictures; {CUT}.")
        for name, column in zip(names, found[row["task"]], strict=True):
            column.append(cell_number(path, line, name, row[name], SCORE_COLUMNS[name]))
    tables = {task: [np.asarray(column) for column in columns] for task, columns in found.items()}
    return {
        task: ScoreTable(ids.astype(np.int64), frames.astype(np.int64), answer.astype(np.int64), score)
        for task, (ids, frames, answer, score) in tables.items()
    }


def score_row(name: str, task: Task, clusters: np.ndarray) -> Row:
    """A task's metric, with its interval.

    Args:
        name: of the row is this and the metric's.
        clusters: float (clusters, 2): items that are alike, as those of a frame, and the sum of their scores.
    """
    items, total = clusters.sum(axis=0)
    bounds = None
    if len(clusters) > 1:
        low, high = np.clip(mean_interval(clusters[:, 1] / clusters[:, 0]), 0.0, 1.0).tolist()
        bounds = float(task.figure(low)), float(task.figure(high))
    return Row(f"{name}: {task.metric}", float(task.figure(total / items)), task.unit, n=int(items), ci95=bounds)
