# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver of a disturbed link left: its rows, its recording, and where these contradict each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sdr_sc.bench.hardening.soak_account import Key
from sdr_sc.capture import open_capture
from sdr_sc.errors import SdrScError
from sdr_sc.results.run_folder import read_frames, read_items, rows_by_frame


def read_rows(folder: Path) -> dict[Key, bool]:
    """Frames in ``frames.csv`` and ``items.csv`` of a receiver's folder, and whether each was answered.

    Raises:
        SdrScError: a file cannot be read; or a frame has other items than it should.
    """
    items, frames = read_items(folder, torn=True), read_frames(folder, torn=True)
    ids_of = {index: items["item_id"][rows].tolist() for index, rows in rows_by_frame(items).items()}
    columns = (frames[name].tolist() for name in ("frame_index", "n_items", "status"))
    found: dict[Key, bool] = {}
    taken: Counter[int] = Counter()  # a transmitter that starts again counts from 0 again
    for index, count, answered in zip(*columns, strict=True):
        ids = ids_of.get(index, [])[taken[index] : taken[index] + count]
        taken[index] += count
        if len(ids) == count:  # the two files are written one after the other: a kill may come between
            found[index, tuple(ids)] = answered
    return found


def annotated(recording: Path) -> set[Key]:
    """Received frames that a recording's annotations name, of those that a transmitter reported.

    Raises:
        SdrScError: it cannot be read.
    """
    with open_capture(recording) as capture:
        return {
            (note.frame_index, tuple(note.item_id))
            for note in capture.frames()
            if note.frame_index is not None and note.item_id is not None
        }


def contradictions(folder: Path, rows: dict[Key, bool], summary: dict) -> list[str]:
    """Where a receiver's counts and its files contradict each other, of one that came to its end.

    Args:
        folder: of its results, for the sentences.
        rows: of `read_rows`.
        summary: the accounting of its ``summary.json``.
    """
    answered = sum(rows.values())
    checks = (
        ("frames_sent", len(rows), "rows in frames.csv"),
        ("frames_answered", answered, "rows of answered frames"),
        ("frames_lost", len(rows) - answered, "rows of lost frames"),
        ("items_sent", sum(len(ids) for _, ids in rows), "rows in items.csv"),
    )
    return [
        f"{folder.name}: {summary[name]} {name} in the summary, {count} {words}"
        for name, count, words in checks
        if summary[name] != count
    ]


def check_recording(recording: Path, rows: dict[Key, bool]) -> list[str]:
    """Where a recording and the results beside it contradict each other, of a receiver that came to its end."""
    try:
        noted = annotated(recording)
    except SdrScError as error:
        return [str(error)]
    answered = {key for key, is_answered in rows.items() if is_answered}
    missing, more = answered - noted, noted - rows.keys()
    found = [f"{recording.name}: {len(missing)} answered frames are not annotated"] if missing else []
    return found + ([f"{recording.name}: {len(more)} annotated frames are not in frames.csv"] if more else [])
