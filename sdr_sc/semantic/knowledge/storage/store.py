# SPDX-License-Identifier: GPL-3.0-or-later
"""A base's file: SQLite, whose transactions keep entries, vectors and version together whatever ends the program.

The file may be somebody else's: nothing in it is run (its schema must be ours, word for word), fields are bounded, and
every row has a checksum.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from sdr_sc.errors import KnowledgeError
from sdr_sc.files import open_plain
from sdr_sc.semantic.knowledge.entries import (
    MOST_COPIES,
    MOST_ENTRIES,
    MOST_ROW_BYTES,
    Row,
    checksum_of,
    digest_of,
    vector_digest,
)
from sdr_sc.semantic.knowledge.storage.schema import (
    APPLICATION_ID,
    OtherKindError,
    error_of,
    how,
    schema,
    schema_of,
)
from sdr_sc.semantic.knowledge.storage.state import GLOBAL, LOCAL, State, read_state
from sdr_sc.semantic.knowledge.storage.watch import Watch
from sdr_sc.shown import shown

_WAIT_S = 5.0
_MAGIC = b"SQLite format 3\0"
_FIELDS = "id, key, about, answers, vector, digest"


class Store:
    """An open file of a base.

    Args:
        path: the file.
        kind: `GLOBAL`, or `LOCAL`, which this process then holds alone.

    Raises:
        KnowledgeError: there is none, it is damaged or of another kind, or (`StoreBusyError`) in use.
    """

    def __init__(self, path: Path, kind: str = GLOBAL) -> None:
        self.path, self.kind = Path(path), kind
        self.named = f"{kind} {shown(path)}"
        self.lock = threading.RLock()
        try:
            with open_plain(self.path) as file:
                magic, status = file.read(len(_MAGIC)), os.fstat(file.fileno())
        except OSError as error:
            raise KnowledgeError(f"{self.named} cannot be read ({error.strerror or error}); {how(kind)}.") from None
        if magic != _MAGIC:
            raise KnowledgeError(f"{shown(path)} is no {kind}, or is damaged; {how(kind)}.")
        try:
            with self.sentences():
                wait_s = _WAIT_S if kind == GLOBAL else 0.0
                self._db = sqlite3.connect(
                    self.path.absolute().as_uri() + "?mode=rw",
                    uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False,
                )  # fmt: skip
        except ValueError:
            raise KnowledgeError(f"{self.named} has a name that no file can have; give another.") from None
        try:
            with self.sentences():
                self._guard()
                self.state = self._read_state()
            self._watch = Watch(self.path, status, self._db, self._read_state, wait_s)
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def of_connection(cls, path: Path, kind: str, named: str, db: sqlite3.Connection) -> Store:
        """A store whose file is being made: it has no state yet, and nothing is checked."""
        store = cls.__new__(cls)
        store.path, store.kind, store.named, store.lock, store._db = path, kind, named, threading.RLock(), db
        return store

    def _guard(self) -> None:
        """Bound what SQLite does with a foreign file, and refuse one that is not of this program's making."""
        if hasattr(self._db, "setlimit"):  # Python 3.11
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW_BYTES)
        self._db.execute("PRAGMA trusted_schema = OFF")
        self._db.execute("PRAGMA cell_size_check = ON")
        if self.kind == LOCAL:
            # Held alone, WAL needs no shared memory, and an entry costs no wait for the disk: a kill loses nothing that
            # was committed, a power cut the last entries at most. A global base stays one file that can be copied.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("BEGIN IMMEDIATE")  # takes the lock, which then stays
            self._db.execute("COMMIT")
        found = self._db.execute("PRAGMA application_id").fetchone()[0]
        if found != APPLICATION_ID or schema_of(self._db) != schema(self.kind):
            raise OtherKindError(f"{shown(self.path)} is no {self.kind}, or is damaged; {how(self.kind)}.")

    def _read_state(self) -> State:
        rows = self._db.execute("SELECT content FROM state WHERE id = 1").fetchall()
        state = read_state(rows[0][0] if rows else None, self.named)
        if state.kind != self.kind:
            raise KnowledgeError(f"{shown(self.path)} is a {state.kind}, not a {self.kind}; {how(self.kind)}.")
        return state

    def close(self) -> None:
        """Close the file."""
        with self.lock, contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def sentences(self) -> Iterator[None]:
        """Errors of SQLite as one sentence."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # texts of a damaged file, also those of its errors
            raise error_of(error, self.named, self.kind) from None

    @contextlib.contextmanager
    def reading(self) -> Iterator[State]:
        """A block that sees one version of the file throughout, whose state is given."""
        with self.lock, self.sentences():
            self._db.execute("BEGIN")
            try:
                yield self._read_state()
            finally:
                self._db.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> Iterator[State]:
        """A block whose changes are kept together, or not at all where it raises; the state at its start is given.

        Raises:
            StoreBusyError, StoreFullError: another process writes, or the disk does not take it.
        """
        with self.lock, self.sentences():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._read_state()
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self.state = self._read_state()

    def is_unchanged(self, state: State) -> bool:
        """Whether the file is still the one that was opened, in this state; without waiting for another process."""
        with self.lock, self.sentences():
            return self._watch.is_unchanged(state)

    def set_state(self, state: State) -> None:
        """In `writing`."""
        self._db.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state.to_json(),))

    def put(self, row: Row, number: int | None = None) -> int:
        """In `writing`: add an entry, or replace the one of an id, which keeps it.

        Returns:
            Its id.

        Raises:
            KnowledgeError: the base is full, or has `MOST_COPIES` of this vector.
        """
        same = vector_digest(row.vector)
        others = self._db.execute(
            "SELECT count(*) FROM entries WHERE same = ? AND id IS NOT ?", (same, number)
        ).fetchone()[0]
        if others >= MOST_COPIES:
            raise KnowledgeError(
                f"entry {shown(repr(row.key), 60)} is one of more than {MOST_COPIES} with the same vector; leave the "
                "copies out."
            )
        values = (row.key, row.about, row.answers, row.vector, same, row.digest())
        if number is None:
            number = self._db.execute(
                "INSERT INTO entries (key, about, answers, vector, same, digest) VALUES (?, ?, ?, ?, ?, ?)", values
            ).lastrowid
        else:
            self._db.execute(
                "UPDATE entries SET key = ?, about = ?, answers = ?, vector = ?, same = ?, digest = ? WHERE id = ?",
                (*values, number),
            )
            self._db.execute("DELETE FROM pictures WHERE id = ?", (number,))
        assert number is not None
        if row.picture:
            self._db.execute("INSERT INTO pictures VALUES (?, ?)", (number, row.picture))
        return number

    def delete(self, number: int) -> None:
        """In `writing`: remove the entry of an id."""
        self._db.execute("DELETE FROM entries WHERE id = ?", (number,))
        self._db.execute("DELETE FROM pictures WHERE id = ?", (number,))
        if self.kind == LOCAL:
            self._db.execute("DELETE FROM confirmed WHERE id = ?", (number,))

    def set_turn(self, number: int, turn: int) -> None:
        """In `writing`, of a local base: when an entry was confirmed."""
        self._db.execute("INSERT OR REPLACE INTO confirmed VALUES (?, ?)", (number, turn))

    def turns(self) -> dict[int, int]:
        """In `reading`, of a local base: when each entry was confirmed, by its id."""
        return dict(self._db.execute("SELECT id, turn FROM confirmed WHERE typeof(turn) = 'integer'"))

    def number_of(self, key: str) -> int | None:
        """The id of a key; None where there is none."""
        with self.lock, self.sentences():
            found = self._db.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def rows(self) -> Iterator[tuple[int, Row, bytes]]:
        """In `reading` or `writing`: id, row without its picture, and digest of all entries by their ids.

        Raises:
            KnowledgeError: an entry is damaged: its digest is not that of its content.
        """
        for number, key, about, answers, vector, digest in self._db.execute(
            f"SELECT {_FIELDS} FROM entries ORDER BY id"
        ):
            try:
                good = digest == digest_of(key, about, answers, vector) and number > 0
            except (TypeError, AttributeError):
                good = False
            if not good:
                raise KnowledgeError(
                    f"{self.named} holds an entry that is damaged ({shown(repr(key), 60)}); {how(self.kind)}."
                )
            yield number, Row(key, about, answers, vector, b""), digest

    def row(self, number: int) -> Row | None:
        """An entry with its picture; None where there is none of this id."""
        found = self._db.execute(
            "SELECT key, about, answers, vector, picture FROM entries LEFT JOIN pictures USING (id) WHERE id = ?",
            (number,),
        ).fetchone()
        if found is None:
            return None
        key, about, answers, vector, picture = found
        return Row(key, about, answers, vector, picture or b"")

    def digests(self) -> dict[str, tuple[int, bytes]]:
        """In `reading`: id and digest of each entry, by its key."""
        return {
            key: (number, digest) for key, number, digest in self._db.execute("SELECT key, id, digest FROM entries")
        }

    def count(self) -> int:
        """How many entries there are.

        Raises:
            KnowledgeError: more than a base may have.
        """
        found = self._db.execute("SELECT count(*) FROM entries").fetchone()[0]
        if found > MOST_ENTRIES:
            raise KnowledgeError(f"{self.named} has {found} entries where {MOST_ENTRIES} may be; leave some out.")
        return found

    def content_checksum(self) -> str:
        """In `writing` or `reading`: see `entries.checksum_of`."""
        return checksum_of([digest for (digest,) in self._db.execute("SELECT digest FROM entries")])

    def faults(self) -> list[str]:
        """What SQLite finds wrong with the file's structure."""
        with self.lock, self.sentences():
            found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(10)")]
        return [] if found == ["ok"] else found
