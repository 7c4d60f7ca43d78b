# SPDX-License-Identifier: GPL-3.0-or-later
"""A panel for each task of a run whose answers are pictures: how good they are, and some beside what was sent."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from sdr_sc.report.page import HALF_WIDTHS, item_shown, plot
from sdr_sc.report.run.data import PictureRun, Run
from sdr_sc.report.run.stats import grouped
from sdr_sc.report.svg import ACCURACY, new_figure
from sdr_sc.report.words import number_text
from sdr_sc.results.picture_rows import score_row
from sdr_sc.results.rows import Row
from sdr_sc.semantic.tasks.base import LOST, task_of

EXAMPLES = 12


def picture_panels(run: Run) -> list[dict[str, Any]]:
    """For the page's template, as `sdr_sc.report.run.task_panels.task_panels`."""
    return [_panel(run, number, task) for number, task in enumerate(run.picture_tasks)]


def levels_of(run: Run, task: PictureRun) -> tuple[str, list[tuple[float, Row]]]:
    """The task's figure at each SNR, ascending; lost items count.

    Returns:
        ``set`` or ``estimated``, where it is not known which SNR was set; and SNR in dB and figure of each level.
    """
    table, which = task.table, "set"
    snr = run.of_frames(run.frames.snr_set_db, table.frame_index)
    if not np.isfinite(snr).any():
        snr, which = run.of_frames(run.frames.snr_est_db, table.frame_index), "estimated"
    levels, place = grouped(snr)
    found = []
    for number, level in enumerate(levels):
        clusters = table.by_frame(place == number)
        if len(clusters):
            found.append((float(level), score_row(task.name, task_of(task.name), clusters)))
    return which, found


def score_by_snr(of: tuple[Run, PictureRun], width: int) -> Figure:
    """The figure of a task at each SNR, lost items as blank pictures, with 95 % intervals over frames."""
    run, task = of
    figure = new_figure(width, 300)
    axes = figure.subplots()
    which, levels = levels_of(run, task)
    kind = task_of(task.name)
    axes.set(xlabel=f"SNR {which} (dB)", ylabel=f"{kind.metric} ({kind.unit})")
    at, share = np.array([snr for snr, _ in levels]), np.array([row.value for _, row in levels])
    bounds = np.array([row.ci95 or (row.value, row.value) for _, row in levels]).T
    error = np.maximum([share - bounds[0], bounds[1] - share], 0)
    axes.errorbar(at, share, error, fmt="o-", color=ACCURACY, elinewidth=1.4, capsize=4, markersize=6, linewidth=1.2)
    return figure


def _panel(run: Run, number: int, task: PictureRun) -> dict[str, Any]:
    kind, table = task_of(task.name), task.table
    _, levels = levels_of(run, task)
    label = f"{kind.metric} of the task {task.name} at each SNR, with 95 percent intervals"
    curve = None
    if len(levels) > 1:
        curve = plot(score_by_snr, (run, task), HALF_WIDTHS, label, f"pictures-{number}")
    return {
        "name": task.name,
        "figures": [_figure(task)],
        "curve": curve,
        "questions": [],
        "groups": [("Sent, and what arrived", _examples(run, task))],
        "lost": int((table.answer == LOST).sum()),
        "sent": len(table.item_id),
    }


def _figure(task: PictureRun) -> dict[str, str]:
    kind, clusters = task_of(task.name), task.table.by_frame()
    if not len(clusters):
        return {"name": kind.metric, "value": "–", "unit": kind.unit, "note": "nobody said what was sent"}
    row = score_row(task.name, kind, clusters)
    interval = "" if row.ci95 is None else f"95 % interval over frames {row.ci95[0]:.1f} to {row.ci95[1]:.1f}; "
    note = f"{interval}{row.n:,} items in {len(clusters):,} frames"
    return {"name": kind.metric, "value": number_text(row.value, 1), "unit": kind.unit, "note": note}


def _examples(run: Run, task: PictureRun) -> list[dict[str, Any]]:
    """Cards of items that the run kept: what was sent beside the picture that arrived, spread over the run."""
    row_of = {int(item): row for row, item in enumerate(task.table.item_id)}
    sent = {int(item): place for place, item in enumerate(run.image_ids)}
    kept = [place for place, item in enumerate(task.ids) if int(item) in row_of and int(item) in sent]
    if len(kept) > EXAMPLES:
        kept = [kept[i] for i in np.linspace(0, len(kept) - 1, EXAMPLES).round().astype(int)]
    return [_card(run, task, place, row_of[int(task.ids[place])], sent[int(task.ids[place])]) for place in kept]


def _card(run: Run, task: PictureRun, place: int, row: int, sent: int) -> dict[str, Any]:
    table, kind = task.table, task_of(task.name)
    frame = table.frame_index[row : row + 1]
    snr = run.of_frames(run.frames.snr_set_db, frame)
    snr = snr if np.isfinite(snr).all() else run.of_frames(run.frames.snr_est_db, frame)
    k, score = float(run.of_frames(run.frames.k, frame)[0]), float(table.score[row])
    arrived = item_shown("image", task.pictures[place], "as it arrived")
    known = np.isfinite(score) and table.answer[row] >= 0
    return {
        "item": Markup("{}{}").format(item_shown(run.modality, run.images[sent], "as it was sent"), arrived),
        "state": "right" if table.answer[row] >= 0 else "lost",
        "answers": [{"name": f"{float(kind.figure(score)):.1f} {kind.unit}", "mark": ""}] if known else [],
        "truth": "",
        "without": "" if table.answer[row] >= 0 else "lost",
        "question": "",
        "confidence": "",
        "link": f"{number_text(float(snr[0]), 0)} dB, k = {number_text(k, 0)}",
    }
