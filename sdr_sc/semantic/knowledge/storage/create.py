# SPDX-License-Identifier: GPL-3.0-or-later
"""A new file of a base: it appears whole, with all of its entries, or not at all."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sdr_sc.errors import KnowledgeError
from sdr_sc.files import whole_file
from sdr_sc.semantic.knowledge.entries import MOST_ENTRIES, Row
from sdr_sc.semantic.knowledge.storage.schema import APPLICATION_ID, StoreFullError, commands
from sdr_sc.semantic.knowledge.storage.state import GLOBAL, State
from sdr_sc.semantic.knowledge.storage.store import Store
from sdr_sc.shown import shown


def create(path: Path, state: State, rows: Iterable[Row]) -> State:
    """Make a new file of a base with entries: whole, or not at all.

    Args:
        state: its number of entries and checksum are set here.
        rows: of all entries.

    Returns:
        The state that was written.

    Raises:
        KnowledgeError: the file is there, cannot be written, or an entry is refused: a key that stands twice, too many
            copies, too many entries.
    """
    check_new(path)
    named = f"{state.kind} {shown(path)}"
    try:
        with whole_file(path) as partial:
            written = _fill(partial, named, state, rows)
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
    except OSError as error:
        raise StoreFullError(f"{named} cannot be written ({error.strerror or error}); choose another place.") from None
    return written


def check_new(path: Path) -> None:
    """Refuse a name that something has already.

    Raises:
        KnowledgeError: it has.
    """
    if path.exists() or path.is_symlink():
        raise KnowledgeError(f"{shown(path)} is there already; remove it, or choose another name.")


def _fill(path: Path, named: str, state: State, rows: Iterable[Row]) -> State:
    try:
        db = sqlite3.connect(path.absolute().as_uri() + "?mode=rwc", uri=True, isolation_level=None)
    except (sqlite3.Error, ValueError) as error:
        raise StoreFullError(f"{named} cannot be made ({shown(error)}); choose another place.") from None
    store = Store.of_connection(path, state.kind, named, db)
    try:
        with store.sentences():
            db.execute("PRAGMA journal_mode = OFF")  # the file has no name yet that anybody knows
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("BEGIN IMMEDIATE")
            for command in commands(state.kind):
                db.execute(command)
            for count, row in enumerate(rows, 1):
                if count > MOST_ENTRIES:
                    raise KnowledgeError(f"{named} would have more than {MOST_ENTRIES} entries; leave some out.")
                try:
                    store.put(row)
                except sqlite3.IntegrityError:
                    raise KnowledgeError(
                        f"{named} would have two entries of key {shown(repr(row.key), 60)}; give each its own."
                    ) from None
            checksum = store.content_checksum() if state.kind == GLOBAL else ""
            written = replace(state, entries=store.count(), checksum=checksum)
            store.set_state(written)
            db.execute("COMMIT")
            return written
    finally:
        db.close()
