# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a base's file, and errors of SQLite as sentences."""

from __future__ import annotations

import contextlib
import sqlite3

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.storage.state import LOCAL
from sdr_sc.shown import shown

APPLICATION_ID = 0x53444B42
_SCHEMA = (
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), content TEXT NOT NULL) STRICT",
    "CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, about BLOB NOT NULL, "
    "answers BLOB NOT NULL, vector BLOB NOT NULL, same BLOB NOT NULL, digest BLOB NOT NULL) STRICT",
    "CREATE INDEX copies ON entries (same)",
    "CREATE TABLE pictures (id INTEGER PRIMARY KEY, picture BLOB NOT NULL) STRICT",
)
_LOCAL_SCHEMA = (*_SCHEMA, "CREATE TABLE confirmed (id INTEGER PRIMARY KEY, turn INTEGER NOT NULL) STRICT")


class StoreBusyError(KnowledgeError):
    """Another process writes the file."""


class OtherKindError(KnowledgeError):
    """The file is no base, or one of another kind."""


class StoreFullError(KnowledgeError):
    """The file cannot be written: no room, no right, or a disk that fails."""


def how(kind: str) -> str:
    """What helps."""
    if kind == LOCAL:
        return "remove it, and it is made and filled again"
    return "get it again, or make it with 'sdr-sc kb build'"


def commands(kind: str) -> tuple[str, ...]:
    """What makes the tables of a kind of base."""
    return _LOCAL_SCHEMA if kind == LOCAL else _SCHEMA


def schema(kind: str) -> list[tuple]:
    """What a file of a kind has to hold, as `schema_of` gives it."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        for command in commands(kind):
            db.execute(command)
        return schema_of(db)


def schema_of(db: sqlite3.Connection) -> list[tuple]:
    """Tables, indexes, views and triggers of a file."""
    return sorted(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 100"), key=repr)


def error_of(error: Exception, named: str, kind: str) -> KnowledgeError:
    """An error of SQLite, as one of ours."""
    text = str(error)
    if "locked" in text or "busy" in text:
        fix = "give each receiver its own file" if kind == LOCAL else "wait until that ends"
        return StoreBusyError(f"{named} is in use by another process; {fix}.")
    if any(word in text for word in ("full", "readonly", "disk I/O", "unable to open")):
        return StoreFullError(f"{named} cannot be written ({shown(text, 200)}); make room there, and rights to write.")
    return KnowledgeError(f"{named} is damaged ({shown(text, 200)}); {how(kind)}.")
