# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own texts as a data set, from a CSV file: a column ``text``, and a column of answers for each task."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.data.dataset import Split, Targets
from sdr_sc.data.texts import LONGEST_TEXT, text_items
from sdr_sc.documents import read_csv
from sdr_sc.errors import DataSetError
from sdr_sc.semantic.knowledge.entries import MOST_ANSWERS, MOST_ENTRIES
from sdr_sc.shown import shown

_FIX = "give UTF-8 text with a column 'text', and one of answers for each task, such as 'classification'"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnTexts:
    """Texts with answers: a `sdr_sc.data.dataset.Dataset`.

    Attributes:
        name, split, sha256, training_sha256: of every data set.
        slots: the texts in their slots, uint8 (n, 2 + longest).
        answers: of each task, -1 where a text has none.
    """

    name: str
    slots: np.ndarray
    answers: dict[str, Targets]
    sha256: str
    split: Split = "train"
    training_sha256: str = ""
    modality: str = "text"

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Columns beside the texts."""
        return tuple(self.answers)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """Of a slot."""
        return self.slots.shape[1:]

    def items(self, index: np.ndarray) -> np.ndarray:
        """Texts by place in their slots."""
        return self.slots[index]

    def targets(self, task: str, index: np.ndarray) -> np.ndarray:
        """Places among a task's names, int32 (n,)."""
        return np.asarray(self.answers[task].ids[index], np.int32)

    def names(self, task: str) -> tuple[str, ...]:
        """What a task's answers are called."""
        return tuple(self.answers[task].names)


def load_own_texts(path: Path, longest: int = LONGEST_TEXT) -> OwnTexts:
    """Read a CSV file.

    Args:
        longest: bytes of a text that are kept; a warning says how many texts lost how much.

    Raises:
        DataSetError: it cannot be read, has no column ``text``, no text, or too many of them.
    """
    texts: list[str] = []
    columns: dict[str, list[str]] = {}
    for _, row in read_csv(path, ("text",), "texts", _FIX, DataSetError):
        texts.append(row.pop("text"))
        for task, answer in row.items():
            columns.setdefault(task, []).append(answer)
        if len(texts) > MOST_ENTRIES:
            raise DataSetError(f"texts {shown(path)} are more than {MOST_ENTRIES}; give fewer.")
    if not texts:
        raise DataSetError(f"texts {shown(path)} has no line below its first one, which names the columns; {_FIX}.")
    if len(columns) > MOST_ANSWERS:
        raise DataSetError(
            f"texts {shown(path)} has {len(columns)} columns of answers where {MOST_ANSWERS} may be; {_FIX}."
        )
    answers = {}
    for task, column in columns.items():
        names = sorted(set(column) - {""})
        number = {name: place for place, name in enumerate(names)}
        answers[task] = Targets(np.array([number.get(name, -1) for name in column], np.int32), names)
    digest = hashlib.sha256(repr((texts, columns)).encode("utf-8", "replace")).hexdigest()
    found = text_items(texts, longest)
    if cut := int(np.count_nonzero(found.cut)):
        _log.warning(
            "warning: %d of the texts in %s are longer than %d bytes, and lost %d characters",
            cut, shown(path), longest, int(found.cut.sum()),
        )  # fmt: skip
    return OwnTexts(path.name, found.batch.slots(longest), answers, digest)
