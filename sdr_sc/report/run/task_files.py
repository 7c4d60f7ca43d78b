# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run answered to several tasks, from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.files import is_file
from sdr_sc.link.frames.picture_answers import SCORES_CSV
from sdr_sc.link.frames.task_answers import ANSWERS_CSV
from sdr_sc.report.run.data import Items, PictureRun, TaskRun
from sdr_sc.results.answers_table import TaskTable, read_answers
from sdr_sc.results.picture_rows import read_scores
from sdr_sc.results.rows import SUMMARY_NAME
from sdr_sc.results.run_folder import read_thumbnails
from sdr_sc.results.run_summary import CUT
from sdr_sc.semantic.tasks.base import registered_tasks, task_of
from sdr_sc.shown import shown

MOST_ROWS = 20_000_000
_FIRST, _DIGITS = "classification", 16
_NONE = np.empty(0, np.int64)


def load_tasks(folder: Path, summary: dict[str, Any], items: Items, class_names: list[str]) -> tuple[TaskRun, ...]:
    """All tasks that a run answered, the first one before the others; none where it answered only one.

    Args:
        summary, items, class_names: of the run.

    Raises:
        SdrScError: ``answers.csv`` is damaged, or the summary names tasks or answers that are none.
        OSError: it cannot be read.
    """
    if not summary["accounting"].get("tasks"):
        return ()
    config = summary["config"]
    answered, names = config.get("answered_tasks", [_FIRST]), config.get("task_names", {})
    if not (isinstance(answered, list) and answered and isinstance(answered[0], str) and isinstance(names, dict)):
        raise SdrScError(f"{shown(folder / SUMMARY_NAME)} names tasks that are none; {CUT}.")
    right = items.correct.astype(float)
    columns = (items.item_id, items.frame_index, items.label, items.answer[:, None], right, right)
    first = TaskTable(*columns, np.nan_to_num(items.confidence), items.question)
    found = [_task_run(answered[0], first, dict(enumerate(class_names)))]
    further = read_answers(folder, most_rows=MOST_ROWS) if is_file(folder / ANSWERS_CSV) else {}
    for task, table in further.items():
        found.append(_task_run(task, table, _names(names.get(task, {}), folder)))
    return tuple(found)


def load_picture_tasks(folder: Path, summary: dict[str, Any]) -> tuple[PictureRun, ...]:
    """The tasks of a run whose answers are pictures; errors as of `load_tasks`."""
    if not summary["accounting"].get("tasks") or not is_file(folder / SCORES_CSV):
        return ()
    kept = read_thumbnails(folder) if is_file(folder / "thumbnails.npz") else (np.empty((0, 1, 1), np.uint8), _NONE)
    return tuple(PictureRun(name, table, *kept) for name, table in read_scores(folder, most_rows=MOST_ROWS).items())


def _task_run(name: str, table: TaskTable, names: dict[int, str]) -> TaskRun:
    task = task_of(name) if name in registered_tasks() else None
    several = bool((table.answers[:, 1:] >= 0).any())
    figures = ("accuracy" if task is None else task.metric, f"R@{5 if task is None else task.top}")
    return TaskRun(name, figures if several else figures[:1], table, names)


def _names(given: Any, folder: Path) -> dict[int, str]:
    """Names by the answers' ids, which JSON holds as text."""
    if not isinstance(given, dict) or not all(map(_is_named, given.items())):
        raise SdrScError(f"{shown(folder / SUMMARY_NAME)}: 'task_names' of 'config' names no answers; {CUT}.")
    return {int(one): name for one, name in given.items()}


def _is_named(pair: tuple[str, Any]) -> bool:
    number, name = pair
    return number.isdecimal() and len(number) <= _DIGITS and isinstance(name, str)
