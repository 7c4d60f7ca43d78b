# SPDX-License-Identifier: GPL-3.0-or-later
"""A panel for each task of a run: its figures, its curve over the SNR, and items that it got right and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdr_sc.report.page import FULL_WIDTHS, item_shown, plot
from sdr_sc.report.run import task_plots
from sdr_sc.report.run.asked import asked_rows
from sdr_sc.report.run.data import Run, TaskRun
from sdr_sc.report.words import number_text
from sdr_sc.results.rows import clustered_interval
from sdr_sc.semantic.shown_answers import ShownAnswer, shown_answer
from sdr_sc.semantic.tasks.base import NO_ANSWER

EXAMPLES = 4
"""Items that a panel shows of those that are right, and of those that are not."""
_WIDTHS = (620, 350)


def task_panels(run: Run) -> list[dict[str, Any]]:
    """For the page's template: a panel for each task; none where a run answered only one."""
    return [_panel(run, number, task) for number, task in enumerate(run.tasks)]


def overview(run: Run) -> dict[str, Any] | None:
    """A plot of all tasks over the frames, None where a run answered only one."""
    if not run.tasks:
        return None
    label = "Share of right answers of each task over the frame index"
    return plot(task_plots.quality_over_frames, run, FULL_WIDTHS, label)


def _panel(run: Run, number: int, task: TaskRun) -> dict[str, Any]:
    _, curves = task_plots.levels_of(run, task)
    has_curve = max(len(curve) for curve in curves) > 1
    label = f"Share of right answers of the task {task.name} at each SNR, with 95 percent intervals"
    right, wrong = _examples(run, task)
    several = len(task.figures) > 1
    return {
        "name": task.name,
        "figures": [_figure(task, name, marks) for name, marks in zip(task.figures, task.marks, strict=True)],
        "curve": plot(task_plots.quality_by_snr, (run, task), _WIDTHS, label, f"task-{number}") if has_curve else None,
        "groups": [("Right", right), ("Not the first answer" if several else "Wrong", wrong)],
        "questions": asked_rows(task.table.question, task.table.correct),
        "lost": int(((task.table.answers[:, 0] < 0) & (task.table.answers[:, 0] != NO_ANSWER)).sum()),
        "sent": len(task.table),
    }


def _figure(task: TaskRun, name: str, marks: np.ndarray) -> dict[str, str]:
    right, items = task.table.of_frames(marks)
    known = int(items.sum())
    if not known:
        return {"name": name, "value": "–", "unit": "%", "note": "nobody said what would have been right"}
    low, high = (100 * bound for bound in clustered_interval(right, items))
    share = f"{100 * right.sum() / known:.1f}"
    note = f"95 % interval over frames {low:.1f} to {high:.1f} %; {known:,} items in {len(items):,} frames"
    return {"name": name, "value": share, "unit": "%", "note": note}


def _examples(run: Run, task: TaskRun) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Cards of items that the run kept: with the right answer first, and the others; spread over the run."""
    row_of = {int(item): row for row, item in enumerate(task.table.item_id)}
    kept = [(place, row_of[int(item)]) for place, item in enumerate(run.image_ids) if int(item) in row_of]
    known = [(place, row) for place, row in sorted(kept, key=lambda pair: pair[1]) if task.table.target[row] >= 0]
    right = [pair for pair in known if task.table.correct[pair[1]] == 1]
    wrong = [pair for pair in known if task.table.correct[pair[1]] == 0]
    cards = ([_card(run, task, *pair) for pair in _spread(some)] for some in (right, wrong))
    return next(cards), next(cards)


def _spread(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(pairs) <= EXAMPLES:
        return pairs
    return [pairs[i] for i in np.linspace(0, len(pairs) - 1, EXAMPLES).round().astype(int)]


def _card(run: Run, task: TaskRun, place: int, row: int) -> dict[str, Any]:
    table = task.table
    sure, target = table.confidence[row : row + 1].tolist(), int(table.target[row])
    found = shown_answer(task.name, task.names, table.answers[row], sure, target)
    frame = table.frame_index[row : row + 1]
    snr = run.of_frames(run.frames.snr_set_db, frame)
    snr = snr if np.isfinite(snr).all() else run.of_frames(run.frames.snr_est_db, frame)
    k = float(run.of_frames(run.frames.k, frame)[0])
    return {
        "item": item_shown(run.modality, run.images[place], found.truth),
        "state": "wrong" if found.state == "listed" else found.state,
        "answers": [{"name": name, "mark": _mark(found, rank)} for rank, (name, _) in enumerate(found.answers)],
        "truth": found.truth if found.right in (None, -1) or found.without else "",
        "without": found.without,
        "question": table.question[row],
        "confidence": f"{100 * table.confidence[row]:.0f}\u00a0%" if found.answers else "",
        "link": f"{number_text(float(snr[0]), 0)} dB, k = {number_text(k, 0)}",
    }


def _mark(found: ShownAnswer, rank: int) -> str:
    if rank == found.right:
        return "✓"
    return "✗" if rank == 0 and found.right is not None else ""
