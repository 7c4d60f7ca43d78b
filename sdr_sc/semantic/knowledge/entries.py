# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry as a row of a store: within stated limits, and with a checksum over all that it holds."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from sdr_sc.documents import parse_json, real_number
from sdr_sc.errors import KnowledgeError, SdrScError
from sdr_sc.sealed import canonical
from sdr_sc.semantic.knowledge.interface import Entry
from sdr_sc.shown import shown

MOST_ENTRIES = 1 << 20
MOST_COPIES = 8
"""Entries of a base that may have one and the same vector: more of them would fill every answer's neighbours."""
LARGEST_DIMENSION = 4096
LEAST_NUMBER, LARGEST_NUMBER = 1e-6, 1e6
"""Of a vector: its largest magnitude lies between them."""
LONGEST_KEY, LONGEST_TITLE, LONGEST_SOURCE, LONGEST_TEXT = 200, 400, 400, 10_000
"""Characters."""
MOST_ANSWERS, LONGEST_NAME = 16, 200
"""Tasks that an entry has an answer to, and characters of a task's name or a class's."""
LARGEST_PICTURE = 1 << 17
"""Bytes."""
MOST_ROW_BYTES = 1 << 20
"""Of any field of a row that is read: above all that these limits allow."""
_LATEST_S = 1e11
_PNG = b"\x89PNG\r\n\x1a\n"


class Row(NamedTuple):
    """An entry as a store keeps it: texts as canonical JSON, numbers as little-endian float32."""

    key: str
    about: bytes
    answers: bytes
    vector: bytes
    picture: bytes

    def digest(self) -> bytes:
        """SHA-256 over all of it, 32 bytes; the picture's by way of its checksum in ``about``."""
        return digest_of(self.key, self.about, self.answers, self.vector)


def digest_of(key: str, about: bytes, answers: bytes, vector: bytes) -> bytes:
    """See `Row.digest`."""
    name = key.encode()
    lengths = b"%d %d %d %d " % (len(name), len(about), len(answers), len(vector))
    return hashlib.sha256(lengths + name + about + answers + vector).digest()


def vector_digest(vector: bytes) -> bytes:
    """By which copies of a vector are found, 16 bytes."""
    return hashlib.blake2b(vector, digest_size=16).digest()


def checksum_of(digests: list[bytes]) -> str:
    """Of a base's content, whatever the order of its entries: SHA-256 over their sorted digests, hexadecimal."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def checked_vector(vector: np.ndarray, dimension: int, named: str) -> np.ndarray:
    """A vector as float32 (dimension,).

    Raises:
        KnowledgeError: it has another length, a number that is not finite or too large, or no direction.
    """
    given = np.asarray(vector)
    if given.dtype.kind not in "fiu":
        raise KnowledgeError(f"{named} has a vector of {given.dtype}; give real numbers.")
    if given.shape != (dimension,):
        raise KnowledgeError(f"{named} has a vector of shape {given.shape}; this base takes {dimension} numbers.")
    with np.errstate(over="ignore"):
        found = given.astype(np.float32)
    if not np.isfinite(found).all() or np.abs(found).max() > LARGEST_NUMBER:
        raise KnowledgeError(
            f"{named} has a vector with a number that is not finite or above {LARGEST_NUMBER:g}; make it again."
        )
    if float(np.abs(found).max()) < LEAST_NUMBER:
        raise KnowledgeError(f"{named} has a vector of zeros alone, which is near to nothing; leave it out.")
    return found


def row_of(entry: Entry, dimension: int) -> Row:
    """An entry as a row.

    Raises:
        KnowledgeError: it breaks a limit of this module; the sentence names the entry.
    """
    named = f"entry {shown(repr(entry.key), 60)}"
    for what, text, least, longest in (
        ("key", entry.key, 1, LONGEST_KEY),
        ("title", entry.title, 0, LONGEST_TITLE),
        ("source", entry.source, 0, LONGEST_SOURCE),
        ("text", entry.text, 0, LONGEST_TEXT),
    ):
        _check_text(named, what, text, least, longest)
    if len(entry.answers) > MOST_ANSWERS:
        raise KnowledgeError(f"{named} answers {len(entry.answers)} tasks; {MOST_ANSWERS} at most are kept.")
    for task, name in entry.answers.items():
        _check_text(named, "task", task, 1, LONGEST_NAME)
        _check_text(named, "answer", name, 1, LONGEST_NAME)
    if len(entry.picture) > LARGEST_PICTURE or not (entry.picture.startswith(_PNG) or not entry.picture):
        raise KnowledgeError(f"{named} has a picture that is no PNG of up to {LARGEST_PICTURE} bytes; make it smaller.")
    if real_number(entry.added_s, 0.0, _LATEST_S) is None:
        raise KnowledgeError(f"{named} was added at {shown(repr(entry.added_s), 40)}; give seconds since 1970.")
    vector = checked_vector(entry.vector, dimension, named)
    about = {
        "added_s": float(entry.added_s),
        "picture": hashlib.sha256(entry.picture).hexdigest() if entry.picture else "",
        "source": entry.source,
        "text": entry.text,
        "title": entry.title,
    }
    answers = canonical(dict(entry.answers))
    return Row(entry.key, canonical(about), answers, vector.astype("<f4").tobytes(), bytes(entry.picture))


def entry_of(row: Row, dimension: int, named: str) -> Entry:
    """The entry of a row that somebody else may have made.

    Args:
        named: the store, for the sentence.

    Raises:
        KnowledgeError: the row holds no entry within the limits.
    """
    damaged = KnowledgeError(f"{named} holds an entry that is damaged ({shown(repr(row.key), 60)}); get it again.")
    try:
        about = parse_json(row.about, named, "get it again")
        answers = answers_in(row.answers, named)
        entry = Entry(
            row.key,
            about["title"],
            np.frombuffer(row.vector, "<f4").astype(np.float32),
            answers,
            about["source"],
            about["text"],
            row.picture,
            about["added_s"],
        )
        same = row_of(entry, dimension) == row
    except (KeyError, TypeError, ValueError, AttributeError, SdrScError):
        raise damaged from None
    if not same:
        raise damaged
    return entry


def answers_in(text: bytes, named: str) -> dict[str, str]:
    """Answers of a row, by task.

    Raises:
        KnowledgeError: they are none, or break a limit.
    """
    found = parse_json(text, f"an entry's answers in {named}", "get it again", KnowledgeError)
    good = isinstance(found, dict) and len(found) <= MOST_ANSWERS
    if not good or not all(isinstance(name, str) and 1 <= len(name) <= LONGEST_NAME for name in found.values()):
        raise KnowledgeError(f"{named} holds answers that are no names of classes; get it again.")
    return found


def _check_text(named: str, what: str, text: object, least: int, longest: int) -> None:
    if not isinstance(text, str) or not least <= len(text) <= longest:
        size = f"of {len(text)} characters" if isinstance(text, str) else f"that is a {type(text).__name__}"
        raise KnowledgeError(f"{named} has a {what} {size}; give text of {least} to {longest}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise KnowledgeError(f"{named} has a {what} that is no Unicode text; write it again.") from None
    if "\0" in text:
        raise KnowledgeError(f"{named} has a {what} with a zero byte; write it again.")
