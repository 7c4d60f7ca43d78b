# SPDX-License-Identifier: GPL-3.0-or-later
"""The global knowledge base: entries for one model's contract, in numbered versions with a checksum each."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.asked import AskedBase
from sdr_sc.semantic.knowledge.entries import (
    MOST_ENTRIES,
    Row,
    answers_in,
    row_of,
)
from sdr_sc.semantic.knowledge.interface import Entry, VectorSpace
from sdr_sc.semantic.knowledge.storage.create import create
from sdr_sc.semantic.knowledge.storage.loading import load_table, make_index
from sdr_sc.semantic.knowledge.storage.signatures import check_signature, signed
from sdr_sc.semantic.knowledge.storage.state import GLOBAL, State, check_model
from sdr_sc.semantic.knowledge.storage.store import Store
from sdr_sc.semantic.knowledge.storage.table import EXACT_LIMIT
from sdr_sc.shown import shown


class KnowledgeBase(AskedBase):
    """A global base from its file.

    All of it is read and checked once, but for pictures, which are checked when an entry is asked for.

    Args:
        path: the file.
        contract: of the model whose vectors it has to hold; None to take any.
        require_signature: public key, or its file, that has to have signed it; '' for none.

    Attributes:
        state: which base it is, in which version.

    Raises:
        KnowledgeError: it is damaged, for another model, or its signature is missing or wrong.
    """

    def __init__(self, path: Path | str, contract: ModelContract | None = None, require_signature: str = "") -> None:
        self.store = Store(Path(path))
        self._contract, self._require_signature = contract, require_signature
        try:
            self.named = self.store.named
            if contract is not None:
                check_model(self.store.state, contract, self.named)
            check_signature(self.store.state, self.named, require_signature)
            self._load()
        except BaseException:
            self.store.close()
            raise

    @classmethod
    def create(
        cls,
        path: Path,
        space: VectorSpace,
        entries: Iterable[Entry],
        title: str = "",
        continues: State | None = None,
    ) -> State:
        """Write the file of a new base, or of a new version of one: whole, or not at all.

        Args:
            entries: read once; their number is not limited by the memory.
            continues: the earlier version, of the same space; None for a new base.

        Raises:
            KnowledgeError: an entry is refused, or the file cannot be written.
        """
        if continues is not None and continues.space != space:
            raise KnowledgeError(
                f"base {continues.named()} has vectors {shown(continues.space.name)!r} of another model or kind; build "
                "a new base."
            )
        base_id, version = (
            (secrets.token_hex(8), 1) if continues is None else (continues.base_id, continues.version + 1)
        )
        state = State(GLOBAL, base_id, space, title, version, 0, "", time.time())
        return create(path, state, (row_of(entry, space.dimension) for entry in entries))

    def reopened(self) -> KnowledgeBase:
        """What the file holds now, for the same model and with the signature that was required; closes this one.

        It is read and checked as a whole, which takes a second for 100,000 entries. It may be another base by now
        (`base_id`).

        Raises:
            KnowledgeError: as on opening; this one stays open then.
        """
        new = KnowledgeBase(self.store.path, self._contract, self._require_signature)
        self.close()
        return new

    def _load(self) -> None:
        """Read all entries of the file's present version."""
        self.state, self.table = load_table(self.store)
        make_index(self.table, self.state, self.named)

    @property
    def checksum(self) -> str:
        """Of its content, whatever the order in which it came in."""
        return self.state.checksum

    def entries(self) -> Iterable[Entry]:
        """All entries by their ids, with their pictures."""
        for number in self.table.ids.tolist():
            yield self.entry(number)

    def change(self, add: Iterable[Entry] = (), replace_: Iterable[Entry] = (), delete: Iterable[str] = ()) -> State:
        """Make a new version, with all of the changes or none.

        Args:
            add: entries of new keys.
            replace_: entries in the place of those of their keys.
            delete: keys.

        Raises:
            KnowledgeError: a key is there already, or is not; an entry is refused; or the file cannot be written.
        """
        rows = [(row_of(entry, self.space.dimension), False) for entry in add]
        rows += [(row_of(entry, self.space.dimension), True) for entry in replace_]
        return self.change_rows(rows, list(delete), None)

    def change_rows(self, rows: list[tuple[Row, bool]], delete: list[str], wanted: State | None) -> State:
        """The same with rows.

        Args:
            rows: each with whether it takes the place of one that is there.
            wanted: the version that has to come of it; None for the next one, unsigned.

        Raises:
            KnowledgeError: as for `change`, or what comes of it is not ``wanted``: then nothing is changed.
        """
        removed: list[int] = []
        written: list[tuple[int, Row]] = []
        with self.store.writing() as state:
            self.check_unchanged(state)
            for key in delete:
                removed.append(self._number(key))
                self.store.delete(removed[-1])
            for row, is_replaced in rows:
                number = self._number(row.key) if is_replaced else None
                try:
                    written.append((self.store.put(row, number), row))
                except sqlite3.IntegrityError:
                    raise KnowledgeError(
                        f"{self.named} has an entry of key {shown(repr(row.key), 60)} already; replace it, or give "
                        "another key."
                    ) from None
            made = replace(
                state if wanted is None else wanted, entries=self.store.count(), checksum=self.store.content_checksum()
            )
            if made.entries > MOST_ENTRIES:
                raise KnowledgeError(f"{self.named} would have more than {MOST_ENTRIES} entries; leave some out.")
            if wanted is None:
                made = replace(made, version=state.version + 1, made_s=time.time(), signer="", signature="")
            elif made != wanted:
                raise KnowledgeError(
                    f"the changes do not give version {wanted.version} of {self.named}; get the increment again."
                )
            self.store.set_state(made)
        self.state = made
        self._follow(removed, written)
        return made

    def _follow(self, removed: list[int], written: list[tuple[int, Row]]) -> None:
        """Change what is in memory as the file was."""
        with self.store.lock:
            if len(removed) + len(written) > max(1000, len(self.table) // 4):
                self._load()
                return
            for number in removed:
                self.table.remove(number)
            for number, row in written:
                self.table.put(number, np.frombuffer(row.vector, "<f4"), answers_in(row.answers, self.named))
            if self.table.index is None and len(self.table) > EXACT_LIMIT:
                make_index(self.table, self.state, self.named)

    def _number(self, key: str) -> int:
        number = self.store.number_of(key)
        if number is None:
            raise KnowledgeError(f"{self.named} has no entry of key {shown(repr(key), 60)}; add it first.")
        return number

    def sign(self, secret_key: Path) -> State:
        """Sign the present version.

        Raises:
            KnowledgeError: the key is none, or the file cannot be written.
        """
        with self.store.writing() as state:
            self.check_unchanged(state)
            made = signed(state, secret_key)
            self.store.set_state(made)
        self.state = made
        return made
