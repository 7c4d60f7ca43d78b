# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a base's file is still what was read of it: a question for each frame, answered in microseconds."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sdr_sc.semantic.knowledge.storage.state import State


class Watch:
    """An open file of a base, as seen from a connection to it.

    Args:
        path: the file.
        status: of the file when it was opened.
        db: the connection; what it writes itself is no news.
        read_state: reads the state from it.
        wait_s: for how long the connection waits for another process at other times, s.
    """

    def __init__(
        self, path: Path, status: os.stat_result, db: sqlite3.Connection, read_state: Callable[[], State], wait_s: float
    ) -> None:
        self._path, self._db, self._read_state, self._wait_s = path, db, read_state, wait_s
        self._file = _file_of(status)
        self._version = 0  # of the data, as SQLite counts other connections' changes: from 1

    def is_unchanged(self, state: State) -> bool:
        """Whether the name still stands for the file that was opened, and that is in this state.

        While another process writes, nothing is changed yet, and this does not wait for it.
        """
        try:
            if _file_of(os.stat(self._path)) != self._file:
                return False
        except OSError:
            return False
        self._db.execute("PRAGMA busy_timeout = 0")
        try:
            if self._data_version() == self._version:
                return True
            self._db.execute("BEGIN")
            try:
                version, same = self._data_version(), self._read_state() == state
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                return True
            raise
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {round(1e3 * self._wait_s)}")
        if same:  # nothing that counts was written, or this is the first time
            self._version = version
        return same

    def _data_version(self) -> int:
        return self._db.execute("PRAGMA data_version").fetchone()[0]


def _file_of(status: os.stat_result) -> tuple[int, int]:
    """Another file that takes the place of one has another number."""
    return status.st_dev, status.st_ino
