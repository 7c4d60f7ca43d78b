# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's folder as the report uses it; whoever wrote it, within bounded time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.documents import whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.files import is_file
from sdr_sc.link.frames.base_answers import KNOWLEDGE_CSV
from sdr_sc.link.frames.frame_record import LARGEST_K
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.report.run.data import FRAME_COLUMNS, ITEM_COLUMNS, Frames, Items, Run
from sdr_sc.report.run.task_files import load_picture_tasks, load_tasks
from sdr_sc.results.knowledge_table import KnowledgeTable, read_knowledge
from sdr_sc.results.rows import SUMMARY_NAME
from sdr_sc.results.run_folder import read_frames, read_images, read_items
from sdr_sc.results.run_summary import FILES, FIX, check_files, read_summary
from sdr_sc.shown import shown

MOST_KS = 64
MOST_ROWS = 20_000_000
MOST_CLASSES = 1000


def load_run(folder: Path) -> Run:
    """Read a run folder: ``summary.json``, ``frames.csv``, ``items.csv``, ``images.npz``.

    The files are compared with the checksums in ``summary.json``; a run of an earlier version has none.

    Raises:
        SdrScError: a file is missing, is damaged, or does not hold what it should; the message says which and what.
    """
    for name in FILES:
        if not is_file(folder / name):
            raise SdrScError(
                f"The run folder {shown(folder)} has no {name}, which a report needs: run the experiment again."
            )
    try:
        summary, is_sealed = read_summary(folder)
        is_verified = check_files(folder, summary) and is_sealed
        known = read_knowledge(folder, most_rows=MOST_ROWS) if is_file(folder / KNOWLEDGE_CSV) else None
        names = _with_new(_given_names(summary["config"], folder / SUMMARY_NAME), known)
        classes = len(names) or MOST_CLASSES
        frames, (items, items_sent) = _frames(folder), _items(folder, classes)
        images, image_ids, modality = read_images(folder)
        tasks, pictures = load_tasks(folder, summary, items, names), load_picture_tasks(folder, summary)
    except OSError as error:
        raise SdrScError(f"The run folder {shown(folder)} cannot be read: {error.strerror or error}.") from error
    used = set(np.unique(frames.k[np.isfinite(frames.k)]).astype(int).tolist())
    offered = summary["config"].get("k_list")
    listed = {whole_number(k, 1, LARGEST_K) for k in offered} if isinstance(offered, list) else set()
    k_list = sorted(k for k in used | listed if k)
    if len(k_list) > MOST_KS:
        raise SdrScError(f"{shown(folder)} holds {len(k_list)} different k where a run has {MOST_KS} at most; {FIX}.")
    highest = max(int(items.label.max(initial=-1)), int(items.answer.max(initial=-1)))
    names += [f"class {number}" for number in range(len(names), highest + 1)]
    about = (modality, is_verified, tasks, pictures, items_sent, known)
    return Run(folder.resolve().name, summary, frames, items, images, image_ids, names, k_list, *about)


def _given_names(config: dict[str, Any], path: Path) -> list[str]:
    """The names of the classes in a run's configuration; none where it does not give them."""
    given = config.get("class_names")
    if not isinstance(given, list):
        return []
    if len(given) > MOST_CLASSES:
        raise SdrScError(
            f"{shown(path)} names {len(given)} classes where a report shows {MOST_CLASSES} at most; report on a run "
            "of fewer."
        )
    return [str(name) for name in given]


def _with_new(names: list[str], known: KnowledgeTable | None) -> list[str]:
    """The names of the classes, and after them those that a knowledge base alone has, which get the numbers that
    follow."""
    if known is None or not names:
        return names
    found = {number: name for number, name in zip(known.answer.tolist(), known.name.tolist(), strict=True) if name}
    last = min(int(max(known.answer.max(initial=-1), known.label.max(initial=-1))), MOST_CLASSES - 1)
    return names + [found.get(number, f"class {number}") for number in range(len(names), last + 1)]


def _frames(folder: Path) -> Frames:
    found = read_frames(folder, FRAME_COLUMNS, most_rows=MOST_ROWS)
    order = np.argsort(found["frame_index"], kind="stable")
    columns = {name: values[order] for name, values in found.items()}
    columns["mode"] = np.nan_to_num(columns["mode"], nan=float(FrameMode.NORMAL)).astype(int)
    return Frames(index=columns.pop("frame_index"), delivered=columns.pop("status"), **columns)


def _items(folder: Path, classes: int) -> tuple[Items, int]:
    """The items whose class is known, and how many there are of all.

    Raises:
        SdrScError: the table is damaged, or no class is known.
    """
    found = read_items(folder, ITEM_COLUMNS, classes=classes, most_rows=MOST_ROWS, unknown=True)
    if not (found["label"] >= 0).any():
        read_items(folder, ITEM_COLUMNS, classes=classes, most_rows=MOST_ROWS)  # says why
    order = np.argsort(found["frame_index"], kind="stable")
    found["correct"] = (found["correct"] == 1) & (found["answer"] >= 0)
    order = order[found["label"][order] >= 0]  # of joined sets some may have none
    return Items(**{name: values[order] for name, values in found.items()}), len(found["label"])
