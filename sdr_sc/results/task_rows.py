# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the tasks that a run answered beside the first one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.task_answers import ANSWERS_CSV
from sdr_sc.results.picture_rows import picture_rows
from sdr_sc.results.rows import Row, clustered_interval
from sdr_sc.results.run_summary import CUT, FIX
from sdr_sc.semantic.tasks.base import task_of
from sdr_sc.shown import shown

_MARKS = {"0": 0, "1": 1, "": None}


def task_rows(folder: Path, counts: Mapping[str, Any]) -> list[Row]:
    """The metric of each task over all items, lost ones too, with the interval over frames; no rows for one task.

    Args:
        folder: of the run, with ``answers.csv``.
        counts: of `sdr_sc.link.frames.link_record.LinkRecord.counts`.

    Raises:
        SdrScError: the file cannot be read, or holds what a run does not write.
    """
    known = counts.get("tasks", {})
    tasks = {name: one for name, one in known.items() if not task_of(name).of_items}
    frames = _by_frame(folder / ANSWERS_CSV) if tasks else {}
    rows = []
    for name, one in tasks.items():
        sums = np.array([*frames.get(name, {}).values()]).reshape(-1, 3)
        items = int(sums[:, 0].sum())
        if not items:
            continue  # nobody knows what was right
        figures = [(one["metric"], sums[:, 1])]
        if one["top"] > 1:
            figures.append((f"R@{one['top']}", sums[:, 2]))
        for metric, right in figures:
            low, high = (100 * bound for bound in clustered_interval(right, sums[:, 0]))
            rows.append(Row(f"{name}: {metric}", 100 * float(right.sum()) / items, "%", n=items, ci95=(low, high)))
    return rows + (picture_rows(folder) if len(tasks) < len(known) else [])


def _by_frame(path: Path) -> dict[str, dict[str, list[int]]]:
    """Items whose target is known, those with the best answer right, and with one of the answers, by task and frame."""
    found: dict[str, dict[str, list[int]]] = defaultdict(dict)
    columns = ("frame_index", "task", "correct", "correct_listed")
    for line, row in read_csv(path, columns, "table", FIX, others=False, torn=True):
        if row["correct"] not in _MARKS or row["correct_listed"] not in _MARKS:
            raise SdrScError(f"{shown(path)}, line {line}: an answer is neither right (1) nor wrong (0); {CUT}.")
        correct, listed = _MARKS[row["correct"]], _MARKS[row["correct_listed"]]
        if correct is None or listed is None:
            continue
        sums = found[row["task"]].setdefault(row["frame_index"], [0, 0, 0])
        for place, value in enumerate((1, correct, listed)):
            sums[place] += value
    return found
