# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of bases that somebody else made, or a disk changed: a sentence, or what was written.

``SDR_SC_FUZZ_EXAMPLES=100000 pytest tests/hostile/test_knowledge_files.py --timeout 0`` looks for longer.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st
from knowledge_entries import content, made_base, made_entry

from sdr_sc import array_file
from sdr_sc.errors import KnowledgeError, SdrScError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.entries import Row, checksum_of, row_of, vector_digest
from sdr_sc.semantic.knowledge.storage.increments import Increment, apply_increment, increment_between
from sdr_sc.semantic.knowledge.storage.state import read_state


class Whole(tuple):
    """A base's bytes, its content, and an increment's bytes from it."""

    def __repr__(self) -> str:
        return "whole"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    """What is whole."""
    folder = tmp_path_factory.mktemp("whole")
    with made_base(folder / "a.kb", 30) as base:
        raw, held = (folder / "a.kb").read_bytes(), content(base)
    shutil.copy(folder / "a.kb", folder / "b.kb")
    with KnowledgeBase(folder / "a.kb") as old, KnowledgeBase(folder / "b.kb") as new:
        new.change(add=[made_entry(40)], replace_=[made_entry(2, seed=5)], delete=["key 00003"])
        increment_between(old, new).save(folder / "ab.inc")
    return Whole((raw, held, (folder / "ab.inc").read_bytes()))


def one_sentence(error: SdrScError) -> None:
    text = str(error)
    assert text.endswith(".") and "\n" not in text and len(text) < 600 and "Traceback" not in text


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), min_size=1, max_size=4)


@FUZZ
@given(flips=FLIPS, cut=st.none() | st.integers(0, 1 << 30))
def test_a_damaged_base_is_refused_or_holds_what_was_written(whole, tmp_path_factory, flips, cut):
    raw, held, _ = whole
    changed = bytearray(raw)
    for place, mask in flips:
        changed[place % len(raw)] ^= mask
    path = tmp_path_factory.mktemp("damaged") / "a.kb"
    path.write_bytes(changed[: None if cut is None else cut % len(raw)])
    try:
        with KnowledgeBase(path) as base:
            assert base.search(np.ones((1, 8), np.float32), 3).ids.shape == (1, 3)
            found = content(base)
    except KnowledgeError as error:
        one_sentence(error)
    else:
        assert found == held
    shutil.rmtree(path.parent)


@FUZZ
@given(flips=FLIPS)
def test_a_damaged_increment_changes_nothing(whole, tmp_path_factory, flips):
    raw, held, increment = whole
    changed = bytearray(increment)
    for place, mask in flips:
        changed[place % len(changed)] ^= mask
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "a.kb").write_bytes(raw)
    (folder / "ab.inc").write_bytes(changed)
    with KnowledgeBase(folder / "a.kb") as base:
        with pytest.raises(KnowledgeError) as caught:
            if bytes(changed) == increment:
                raise KnowledgeError("two flips undid each other.")
            apply_increment(base, folder / "ab.inc")
        one_sentence(caught.value)
        assert content(base) == held and base.version == 1
    shutil.rmtree(folder)


def refused(path: Path, said: str = "") -> None:
    with pytest.raises(KnowledgeError) as caught:
        KnowledgeBase(path)
    one_sentence(caught.value)
    assert said in str(caught.value), caught.value


def test_what_is_no_file_of_a_base_is_refused(tmp_path):
    (tmp_path / "empty.kb").write_bytes(b"")
    (tmp_path / "text.kb").write_text("hello")
    (tmp_path / "magic.kb").write_bytes(b"SQLite format 3\0")
    (tmp_path / "loop.kb").symlink_to("loop.kb")
    os.mkfifo(tmp_path / "fifo.kb")
    with sqlite3.connect(tmp_path / "other.kb") as db:
        db.execute("CREATE TABLE entries (id INTEGER)")
    for name in ("empty.kb", "text.kb", "magic.kb", "loop.kb", "fifo.kb", "other.kb", "none.kb", "", "a\0b"):
        refused(tmp_path / name)
    refused(Path("/dev/zero"))
    refused(Path("\ud800.kb"))


def forged(path: Path, *commands: tuple, count: int = 5) -> Path:
    """A base that SQL was run on."""
    path.unlink(missing_ok=True)
    made_base(path, count).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        for command in commands:
            db.execute(*command)
    db.close()
    return path


@pytest.mark.parametrize(
    "command",
    [
        "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
        "CREATE VIEW v AS SELECT * FROM entries",
        "CREATE TABLE more (id)",
        "CREATE INDEX more ON entries (digest)",
        "DROP INDEX copies",
        "PRAGMA application_id = 5",
        "DELETE FROM state",
        "UPDATE state SET content = '[[[['",
        "UPDATE state SET content = '{}'",
        "UPDATE state SET content = printf('%.*c', 900000, '[')",
        "UPDATE state SET content = printf('%.*c', 9000000, 'x')",
        "UPDATE state SET content = CAST(x'ff' AS TEXT)",
        """UPDATE state SET content = replace(content, '"version":1', '"version":2.5')""",
        """UPDATE state SET content = replace(content, '"version":1', '"version":-1')""",
        """UPDATE state SET content = replace(content, '"version":1', '"version":true')""",
        """UPDATE state SET content = replace(content, '"entries":5', '"entries":4')""",
        """UPDATE state SET content = replace(content, '"format":1', '"format":2')""",
        """UPDATE state SET content = replace(content, '"dimension":8', '"dimension":4')""",
        """UPDATE state SET content = replace(content, '"dimension":8', '"dimension":1000000000')""",
        """UPDATE state SET content = replace(content, '"kind":"knowledge', '"kind":"other')""",
        """UPDATE state SET content = replace(content, '"signer":""', '"signer":"ab"')""",
        "DELETE FROM entries WHERE id = 2",
        "UPDATE entries SET key = 'other' WHERE id = 2",
        "UPDATE entries SET key = CAST(x'ff' AS TEXT) WHERE id = 2",
        'UPDATE entries SET answers = CAST(\'{"classification":"class 2"}\' AS BLOB)',
        "UPDATE entries SET vector = zeroblob(32)",
        "UPDATE entries SET vector = zeroblob(500000000) WHERE id = 1",
        "UPDATE entries SET digest = zeroblob(32) WHERE id = 1",
        "UPDATE entries SET id = -7 WHERE id = 1",
    ],
)
def test_a_forged_base_is_refused(tmp_path, command):
    refused(forged(tmp_path / "a.kb", (command,)))


def with_rows(path: Path, rows: list[Row]) -> Path:
    """A base of an enemy who makes all checksums fit."""
    forged(path, ("DELETE FROM entries",), ("DELETE FROM pictures",))
    with sqlite3.connect(path) as db:
        for row in rows:
            values = (row.key, row.about, row.answers, row.vector, vector_digest(row.vector), row.digest())
            number = db.execute(
                "INSERT INTO entries (key, about, answers, vector, same, digest) VALUES (?, ?, ?, ?, ?, ?)", values
            ).lastrowid
            if row.picture:
                db.execute("INSERT INTO pictures VALUES (?, ?)", (number, row.picture))
        state = read_state(db.execute("SELECT content FROM state").fetchone()[0], "it")
        state = replace(state, entries=len(rows), checksum=checksum_of([row.digest() for row in rows]))
        db.execute("UPDATE state SET content = ?", (state.to_json(),))
    db.close()
    return path


GOOD = row_of(made_entry(1), 8)


def test_the_enemy_of_these_tests_makes_bases_that_are_read(tmp_path):
    with KnowledgeBase(with_rows(tmp_path / "a.kb", [GOOD])) as base:
        assert content(base).keys() == {"key 00001"}


@pytest.mark.parametrize(
    "row",
    [
        GOOD._replace(vector=np.full(8, np.nan, "<f4").tobytes()),
        GOOD._replace(vector=np.array([1, 2, 3, np.inf, 5, 6, 7, 8], "<f4").tobytes()),
        GOOD._replace(vector=np.full(8, 1e30, "<f4").tobytes()),
        GOOD._replace(vector=bytes(32)),
        GOOD._replace(vector=bytes(31)),
        GOOD._replace(vector=b""),
        GOOD._replace(answers=b"[" * 1000),
        GOOD._replace(answers=b'["a"]'),
        GOOD._replace(answers=b'{"classification":5}'),
        GOOD._replace(answers=b'{"classification":"a","classification":"b"}'),
        GOOD._replace(answers=b'{"classification":"' + b"x" * 1000 + b'"}'),
    ],
)
def test_entries_that_break_a_limit_are_refused_even_with_fitting_checksums(tmp_path, row):
    refused(with_rows(tmp_path / "a.kb", [GOOD._replace(key="another"), row]))


@pytest.mark.parametrize(
    "row",
    [
        GOOD._replace(about=b"[" * 1000),
        GOOD._replace(about=b"{}"),
        GOOD._replace(about=GOOD.about.replace(b'"title":"', b'"title":"' + b"x" * 100_000)),
        GOOD._replace(about=GOOD.about.replace(b"1001.0", b"1e400")),
        GOOD._replace(about=GOOD.about.replace(b"1001.0", b"NaN")),
        GOOD._replace(about=GOOD.about.replace(b"1001.0", b'"now"')),
        GOOD._replace(about=GOOD.about + b" "),
        GOOD._replace(picture=b"\x89PNG\r\n\x1a\n another picture"),
    ],
)
def test_what_an_entry_says_is_checked_when_it_is_asked_for(tmp_path, row):
    with KnowledgeBase(with_rows(tmp_path / "a.kb", [row])) as base:
        with pytest.raises(KnowledgeError, match="damaged") as caught:
            base.entry(int(base.table.ids[0]))
        one_sentence(caught.value)
        assert base.faults() == [f"entry {base.table.ids[0]} is damaged"]


def test_a_thousand_copies_in_a_base_are_refused(tmp_path):
    rows = [GOOD._replace(key=f"copy {number}") for number in range(1000)]
    refused(with_rows(tmp_path / "a.kb", rows), "one and the same vector")
    with KnowledgeBase(with_rows(tmp_path / "b.kb", rows[:8])) as base:
        with pytest.raises(KnowledgeError, match="same vector"):
            base.change(add=[made_entry(1)])


def test_an_increment_that_is_larger_than_its_limit_is_not_read(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(array_file, "LIMIT_BYTES", 1 << 20)
    path = tmp_path / "huge.inc"
    path.write_bytes(whole[2])
    os.truncate(path, (1 << 20) + 1)
    with pytest.raises(KnowledgeError, match="larger than"):
        Increment.load(path)


def test_an_increment_that_nobody_could_read_is_not_written(tmp_path, whole, monkeypatch):
    (tmp_path / "ab.inc").write_bytes(whole[2])
    increment = Increment.load(tmp_path / "ab.inc")
    monkeypatch.setattr(array_file, "LIMIT_BYTES", (1 << 16) + 100)
    with pytest.raises(KnowledgeError, match="in several versions"):
        increment.save(tmp_path / "more.inc")
    assert not (tmp_path / "more.inc").exists()


def test_a_name_that_turns_the_terminal_is_shown_as_an_escape(tmp_path):
    with made_base(tmp_path / "a\x1b[2J.kb", 2) as base:
        with pytest.raises(KnowledgeError) as caught:
            base.change(delete=["\x1b]0;title\x07"])
        assert "\x1b" not in str(caught.value)
