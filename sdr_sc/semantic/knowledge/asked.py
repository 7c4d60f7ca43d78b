# SPDX-License-Identifier: GPL-3.0-or-later
"""What global and local bases have in common: they are asked, from any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.entries import entry_of
from sdr_sc.semantic.knowledge.interface import Entry, Neighbours, VectorSpace
from sdr_sc.semantic.knowledge.storage.state import State
from sdr_sc.semantic.knowledge.storage.store import Store
from sdr_sc.semantic.knowledge.storage.table import VectorTable


class AskedBase:
    """A base that is open: a `sdr_sc.semantic.knowledge.interface.Knowledge`.

    Attributes:
        store: its file.
        table: its vectors.
        state: which base it is, in which version.
        named: for sentences.
    """

    store: Store
    table: VectorTable
    state: State
    named: str

    @property
    def space(self) -> VectorSpace:
        """What its vectors were made by."""
        return self.state.space

    @property
    def base_id(self) -> str:
        """The same in all versions."""
        return self.state.base_id

    @property
    def version(self) -> int:
        """Of what is in memory."""
        return self.state.version

    def __len__(self) -> int:
        return len(self.table)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def is_current(self) -> bool:
        """Whether the file still holds what was read of it: ask before `search`, for each frame.

        A search is of what is in memory, also after another process has changed the file (``kb update``), put another
        in its place, or removed it. This takes some thirty microseconds, and waits for nobody.

        Raises:
            KnowledgeError: the file is damaged now.
        """
        return self.store.is_unchanged(self.state)

    def search(self, queries: np.ndarray, count: int, known: int | None = None) -> Neighbours:
        """See `Knowledge.search`."""
        with self.store.lock:
            return self.table.search(queries, count, known)

    def answers_of(self, ids: np.ndarray, task: str) -> np.ndarray:
        """See `Knowledge.answers_of`."""
        with self.store.lock:
            return self.table.answers_of(ids, task)

    def names_of(self, task: str) -> tuple[str, ...]:
        """See `Knowledge.names_of`."""
        with self.store.lock:
            return self.table.names_of(task)

    def entry(self, number: int) -> Entry:
        """See `Knowledge.entry`.

        Raises:
            KnowledgeError: there is none, it is damaged, or another process has changed the file since it was read.
        """
        with self.store.reading() as state:
            self.check_unchanged(state)
            row = self.store.row(int(number))
        if row is None:
            raise KnowledgeError(f"{self.named} has no entry {number}.")
        return entry_of(row, self.space.dimension, self.named)

    def tasks(self) -> tuple[str, ...]:
        """Tasks that entries have answers to, sorted."""
        with self.store.lock:
            return self.table.tasks()

    def faults(self, progress: Callable[[int], None] = lambda done: None) -> list[str]:
        """What is wrong with the file beyond what reading it shows: its structure, and entries with their pictures.

        Args:
            progress: called with the number of entries that were checked.
        """
        found = self.store.faults()
        for done, number in enumerate(self.table.ids.tolist(), 1):
            try:
                self.entry(number)
            except KnowledgeError:
                found.append(f"entry {number} is damaged")
            progress(done)
        return found

    def check_unchanged(self, state: State) -> None:
        """Refuse to go on with a file that is not what was read.

        Args:
            state: of the file now.

        Raises:
            KnowledgeError: another process has changed it.
        """
        if (state.version, state.checksum) != (self.version, self.state.checksum):
            raise KnowledgeError(
                f"{self.named} was changed to version {state.version} by another process; open it again."
            )
