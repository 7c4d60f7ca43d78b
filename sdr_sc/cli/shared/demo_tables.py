# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``sdr-sc demo`` shows: the latest frames while it runs, and the run level by level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table
    from rich.text import Text

_ROWS_SHOWN = 12
_WIDEST = 40


def live_table(tb: Any, total: int, names: Sequence[str] = ()) -> Table:
    """The latest frames of a running flowgraph, with the first item of each and the answers of all tasks to it.

    Args:
        total: items that are sent.
        names: of the first task's answers, where these are others than the model's, as with a knowledge base.
    """
    from rich.table import Table

    from sdr_sc.semantic.modalities.base import item_word

    record = tb.results.record
    asked = tb.decoder.asked[tb.decoder.contract.wire_id]
    word = item_word(tb.encoder.contract.modality.name)
    table = Table(
        title=f"{record.items_sent} of {total} {word}s sent, {_quality(record)}, {record.frames_lost} frames lost"
    )
    for heading in ("frame", "SNR set (dB)", "estimated (dB)", "k", "latency (ms)"):
        table.add_column(heading, justify="right")
    table.add_column("sent", max_width=_WIDEST, no_wrap=True, overflow="ellipsis")
    for task in asked.all_names:
        heading = task if asked.names else "answered"
        table.add_column(heading, max_width=_WIDEST, no_wrap=True, overflow="ellipsis")
    for frame in record.recent()[-_ROWS_SHOWN:]:
        table.add_row(
            str(frame.frame_index),
            "-" if frame.snr_set_db is None else f"{frame.snr_set_db:.0f}",
            f"{frame.snr_est_db:.1f}",
            str(frame.k),
            f"{frame.latency_ms:.1f}",
            _sent(frame, tb.encoder.contract, names or tb.encoder.contract.class_names),
            *(_answer(frame, asked, task, names) for task in asked.all_names),
        )
    return table


def _quality(record: Any) -> str:
    """Accuracy so far, or the figures of each task."""
    share = f"{100 * record.items_correct / record.items_labelled:.1f} %" if record.items_labelled else "-"
    parts = [f"accuracy {share}"]
    for name, counts in record.tasks.to_dict().items():
        known = max(counts["items_labelled"], 1)
        parts.append(f"{name} {counts['metric']} {100 * counts['items_correct'] / known:.1f} %")
        if counts["top"] > 1:
            parts.append(f"R@{counts['top']} {100 * counts['items_listed'] / known:.1f} %")
    return ", ".join(filter(None, (*parts, record.picture_tasks.summary())))


def _sent(frame: Any, contract: Any, names: Sequence[str]) -> Text:
    """An item's words, or where it is a picture, what it is."""
    from rich.text import Text

    from sdr_sc.semantic.modalities.base import display_of
    from sdr_sc.semantic.shown_answers import name_of

    label = int(frame.label[0])
    named = name_of(names, label) if label >= 0 else "unlabelled"
    if not frame.items.size:
        return Text(named)
    item, display = frame.items[0].reshape(contract.item_shape), display_of(contract.modality.name)
    return Text(named if display.thumbnail(item) is not None else display.text(item))


def _answer(frame: Any, asked: Any, task: str, names: Sequence[str] = ()) -> Text:
    from rich.text import Text

    from sdr_sc.semantic.shown_answers import shown_answer

    called = asked.answer_names(task)
    if task == asked.all_names[0]:
        called = names or called
        ids, target = frame.answers[:1], int(frame.label[0])
    else:
        found, targets = frame.more.get(task), frame.targets.get(task)
        if found is None or found.pictures is not None:
            return Text("-" if found is None else "a picture")
        ids, target = found.ids[0], -1 if targets is None else int(targets[0])
    one = shown_answer(task, called, ids, (), target)
    colours = {"right": "green", "listed": "yellow", "wrong": "red", "lost": "red", "unknown": "dim"}
    words = {"lost": "no answer"}.get(one.without, one.without) or one.answers[0][0]
    if one.state == "listed":
        words = f"({1 + (one.right or 0)}.) {words}"
    return Text(words, "dim" if target < 0 else colours[one.state])


def levels_table(folder: Path, further: tuple[str, ...] = ()) -> Table:
    """Accuracy and k at each level of the schedule, in its order.

    Args:
        folder: of a run whose files are written.
        further: tasks beside the first one.
    """
    import numpy as np
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from sdr_sc.demo.run import read_sent

    columns = _shares(folder, further)
    table = Table(title="the run, level by level", box=SIMPLE_HEAD)  # fits a terminal of 80 columns
    headings = (name.replace(": ", "\n") for name in columns)
    # Two lines each, so that further tasks leave all words whole.
    for heading in ("SNR\nset (dB)", "found\n(dB)", "mean\nk", "accuracy", *headings, "frames", "lost"):
        table.add_column(heading, justify="right")
    frames = read_sent(folder)
    known = np.flatnonzero(~np.isnan(frames["snr_set_db"]))
    steps = 1 + np.flatnonzero(np.diff(frames["snr_set_db"][known]))
    for level in np.split(known, steps) if len(known) else []:
        same = {name: values[level] for name, values in frames.items()}
        estimates = same["snr_est_db"][~np.isnan(same["snr_est_db"])]
        table.add_row(
            f"{same['snr_set_db'][0]:.0f}",
            f"{estimates.mean():.1f}" if len(estimates) else "-",
            f"{same['k'].mean():.1f}",
            f"{100 * same['correct'].sum() / same['n_items'].sum():.1f} %",
            *(_share(column, same["frame_index"]) for column in columns.values()),
            str(len(level)),
            str(np.count_nonzero(~same["status"])),
        )
    return table


def _shares(folder: Path, further: tuple[str, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Frame index and mark of each item, by the figures of further tasks."""
    from sdr_sc.link.frames.task_answers import ANSWERS_CSV, figure_names
    from sdr_sc.results.answers_table import read_answers
    from sdr_sc.semantic.tasks.base import task_of

    found = {}
    tables = read_answers(folder, torn=True) if further and (folder / ANSWERS_CSV).is_file() else {}
    for name, table in tables.items():
        task, both = task_of(name), (table.correct, table.listed)
        for figure, marks in zip(figure_names(name, task.metric, task.top), both, strict=False):
            found[figure] = table.frame_index, marks
    return found


def _share(column: tuple[np.ndarray, np.ndarray], frames: np.ndarray) -> str:
    """Share of right answers in some frames."""
    import numpy as np

    index, marks = column
    here = marks[np.isin(index, frames) & np.isfinite(marks)]
    return f"{100 * here.mean():.1f} %" if len(here) else "-"
