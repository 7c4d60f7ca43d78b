# SPDX-License-Identifier: GPL-3.0-or-later
"""The only reader of a run's ``knowledge.csv``: answers with knowledge bases, and where they come from."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_csv
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.base_answers import KNOWLEDGE_COLUMNS, KNOWLEDGE_CSV
from sdr_sc.results.rows import right_of_frames
from sdr_sc.results.run_folder import cell_number, cell_text
from sdr_sc.results.run_summary import FIX
from sdr_sc.semantic.knowledge.answering.known import LISTED
from sdr_sc.semantic.knowledge.interface import NO_ENTRY
from sdr_sc.shown import shown

_TEXTS = ("base_state", "answer_name")
_WHOLE = ("item_id", "frame_index", "label", "answer", "decoder_answer")
_NUMBERS = tuple(name for name in KNOWLEDGE_COLUMNS if name not in _TEXTS)


@dataclass(frozen=True)
class KnowledgeTable:
    """What was answered with bases, a row for each item that arrived; every array has shape (items, ...).

    Attributes:
        item_id, frame_index, label, answer, decoder_answer: int; the label is -1 where it is not known.
        correct, decoder_correct: float, 1 where the answer with the base, or the decoder's alone, is right; NaN where
            the label is not known.
        confidence, weight: float, of the answer, and of the bases in it.
        version: int, of the base.
        state, name: object, str: ``used`` or why the base was not; what the answer is called.
        entries: int (items, `LISTED`), the nearest first; `NO_ENTRY` where there are fewer.
        is_local, similarity, shares: float likewise, NaN where there are fewer.
    """

    item_id: np.ndarray
    frame_index: np.ndarray
    label: np.ndarray
    answer: np.ndarray
    decoder_answer: np.ndarray
    correct: np.ndarray
    decoder_correct: np.ndarray
    confidence: np.ndarray
    weight: np.ndarray
    version: np.ndarray
    state: np.ndarray
    name: np.ndarray
    entries: np.ndarray
    is_local: np.ndarray
    similarity: np.ndarray
    shares: np.ndarray

    def __len__(self) -> int:
        return len(self.item_id)

    def of_frames(self, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Right items, and items whose label is known, of each frame that has such: for `clustered_interval`.

        Args:
            right: `correct` or `decoder_correct`.
        """
        return right_of_frames(self.frame_index, right)


def read_knowledge(folder: Path, most_rows: int | None = None) -> KnowledgeTable:
    """A run's ``knowledge.csv``, in the order of the file.

    Args:
        most_rows: more are refused.

    Raises:
        SdrScError: there is no such file, or a cell holds what a run does not write; with the line.
    """
    path = folder / KNOWLEDGE_CSV
    cells: dict[str, array[float]] = {name: array("d") for name in _NUMBERS}
    texts: dict[str, list[str]] = {name: [] for name in _TEXTS}
    known: dict[str, dict[str, str]] = {name: {} for name in _TEXTS}
    for count, (line, row) in enumerate(read_csv(path, tuple(KNOWLEDGE_COLUMNS), "table", FIX, others=False)):
        if count == most_rows:
            raise SdrScError(f"{shown(path)} has more than {most_rows:,} rows; report on a shorter run.")
        for name in _NUMBERS:
            cells[name].append(cell_number(path, line, name, row[name], KNOWLEDGE_COLUMNS[name]))
        for name in _TEXTS:
            texts[name].append(cell_text(path, line, name, row[name], KNOWLEDGE_COLUMNS[name], known[name]))
    columns = {name: np.asarray(values) for name, values in cells.items()}
    whole = {name: columns[name].astype(np.int64) for name in _WHOLE}
    return KnowledgeTable(
        **whole,
        correct=columns["correct"],
        decoder_correct=columns["decoder_correct"],
        confidence=columns["confidence"],
        weight=columns["base_weight"],
        version=np.nan_to_num(columns["base_version"]).astype(np.int64),
        state=np.asarray(texts["base_state"], object),
        name=np.asarray(texts["answer_name"], object),
        entries=np.nan_to_num(_listed(columns, "entry"), nan=NO_ENTRY).astype(np.int64),
        is_local=_listed(columns, "local"),
        similarity=_listed(columns, "similarity"),
        shares=_listed(columns, "share"),
    )


def _listed(columns: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.stack([columns[f"{name}_{place}"] for place in range(1, LISTED + 1)], axis=1)
