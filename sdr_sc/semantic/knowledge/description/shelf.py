# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a base's file one by one, for those who show answers and do not search: nothing else of it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.entries import entry_of
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.semantic.knowledge.storage.store import Store


class Shelf:
    """The file of a global base.

    Args:
        path: the file; '' for none, of which no entry can be read.

    Raises:
        KnowledgeError: it is missing, damaged or no base.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path) if path else None
        self._store = None if self._path is None else Store(self._path)

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            self._store.close()

    @property
    def title(self) -> str:
        """Of the base; '' where there is none."""
        return "" if self._store is None else self._store.state.title

    @property
    def base_id(self) -> str:
        """Of the base; '' where there is none."""
        return "" if self._store is None else self._store.state.base_id

    def of(self, base_id: str, version: int) -> Callable[[int, bool], Entry]:
        """What reads the entries of answers that were made with a version of a base.

        Args:
            base_id, version: of `sdr_sc.semantic.knowledge.answering.known.KnownAnswers`.

        Returns:
            For `sdr_sc.semantic.knowledge.description.subject.near_entries`: an entry by its id and whether it is of a
            local base. It raises `KnowledgeError` where there is none, as the file is of another base or version by
            now, or the entry is of a receiver's local base, which that holds alone.
        """

        def entry(number: int, is_local: bool) -> Entry:
            if is_local:
                raise KnowledgeError(f"entry {number} is in the receiver's own base.")
            store = self._current()
            with store.reading() as state:
                if state.base_id != base_id:
                    raise KnowledgeError(f"{store.named} is another base than the answer's; give that one.")
                if state.version != version:
                    raise KnowledgeError(f"the base has version {state.version}, and the answer is of {version}.")
                row = store.row(number)
            if row is None:
                raise KnowledgeError(f"{store.named} has no entry {number}.")
            return entry_of(row, store.state.space.dimension, store.named)

        return entry

    def _current(self) -> Store:
        """The store, opened again where the file has been replaced."""
        if self._store is None or self._path is None:
            raise KnowledgeError("no file of the base is given to show its entries.")
        if not self._store.is_unchanged(self._store.state):
            self._store.close()
            self._store = Store(self._path)
        return self._store
