# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the tasks whose answers are pictures, from what a run wrote."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.picture_answers import SCORES_CSV
from sdr_sc.results.rows import Row, mean_interval
from sdr_sc.results.run_summary import CUT, FIX
from sdr_sc.semantic.tasks.base import Task, task_of
from sdr_sc.shown import shown


def picture_rows(folder: Path) -> list[Row]:
    """The metric of each task over all items of which it is known what was sent, lost ones too; the interval is over
    frames.

    Raises:
        SdrScError: ``scores.csv`` cannot be read, or holds what a run does not write.
    """
    sums: dict[str, dict[str, list[float]]] = defaultdict(dict)
    path = folder / SCORES_CSV
    for line, row in read_csv(path, ("frame_index", "task", "score"), "table", FIX, others=False, torn=True):
        if row["score"]:
            own = sums[row["task"]].setdefault(row["frame_index"], [0.0, 0.0])
            own[0] += 1
            own[1] += _score(row["score"], path, line)
    return [score_row(name, task_of(name), np.array([*frames.values()])) for name, frames in sums.items()]


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


def _score(cell: str, path: Path, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not 0.0 <= value <= 1.0:
        raise SdrScError(f"{shown(path)}, line {line}: the score {shown(repr(cell), 40)} is not from 0 to 1; {CUT}.")
    return value
