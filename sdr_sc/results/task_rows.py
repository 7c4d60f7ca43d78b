# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the tasks that a run answered beside the first one, and what their answers are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.link.frames.task_answers import ANSWERS_CSV, figure_names
from sdr_sc.results.answers_table import read_answers
from sdr_sc.results.picture_rows import picture_rows
from sdr_sc.results.rows import Row, clustered_interval
from sdr_sc.results.run_folder import read_images
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.shown_answers import name_of
from sdr_sc.semantic.tasks.base import task_of


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
    tables = read_answers(folder, torn=True) if tasks else {}
    rows = []
    for name, one in tasks.items():
        if name not in tables:
            continue
        figures = figure_names(name, one["metric"], one["top"])
        for figure, marks in zip(figures, (tables[name].correct, tables[name].listed), strict=False):
            right, items = tables[name].of_frames(marks)
            if not items.sum():
                continue  # nobody knows what was right
            low, high = (100 * bound for bound in clustered_interval(right, items))
            share = 100 * float(right.sum()) / int(items.sum())
            rows.append(Row(figure, share, "%", n=int(items.sum()), ci95=(low, high)))
    return rows + (picture_rows(folder) if len(tasks) < len(known) else [])


def names_for_report(folder: Path, asked: AskedTasks) -> dict[str, Any]:
    """What a report needs of a model to name a run's answers, for ``config`` of its summary.

    Of tasks beside the first one these are the names of what was answered to the items that the run kept: a gallery may
    have a million entries.

    Args:
        folder: of a run whose files are written.

    Raises:
        SdrScError: a file of the run cannot be read.
    """
    contract = asked.contract
    found: dict[str, Any] = {
        "k_list": list(contract.k_list),
        "answered_tasks": list(asked.all_names),
        "class_names": list(contract.tasks[0].names),
    }
    if not (asked.names and (folder / ANSWERS_CSV).is_file() and (folder / "images.npz").is_file()):
        return found
    kept = read_images(folder).ids
    names: dict[str, dict[str, str]] = {}
    for task, table in read_answers(folder, torn=True).items():
        chosen = table.at(np.isin(table.item_id, kept))
        ids = np.unique(np.concatenate([chosen.answers.ravel(), chosen.target]))
        called = asked.answer_names(task)
        names[task] = {str(one): name_of(called, one) for one in ids.tolist() if one >= 0}
    return {**found, "task_names": names}
