# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes one version of a base from an earlier one: entries that are added, replaced and deleted, in a file.

It says which version of which base it starts from, with that one's checksum, and which one comes of it, with the
checksum and the signature of that: applied to anything else, or damaged, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc import array_file
from sdr_sc.documents import parse_json, whole_number
from sdr_sc.errors import KnowledgeError, SdrScError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.entries import MOST_ENTRIES, Row, entry_of
from sdr_sc.semantic.knowledge.storage.signatures import check_signature
from sdr_sc.semantic.knowledge.storage.state import MOST_VERSIONS, State, state_of
from sdr_sc.shown import shown

KIND = "knowledge increment"
_FIX = "get it again, or make it with 'sdr-sc kb diff'"
_ROOM_BYTES = 1 << 16
"""For the head of the file."""
_TEXTS = ("deleted", "keys", "about", "answers", "pictures")


@dataclass(frozen=True)
class Increment:
    """Changes of a base.

    Attributes:
        from_version, from_checksum: what it starts from.
        to: what comes of it.
        rows: entries, each with whether it takes the place of one of its key.
        deleted: keys.
    """

    from_version: int
    from_checksum: str
    to: State
    rows: list[tuple[Row, bool]]
    deleted: list[str]

    def summary(self) -> str:
        """For people."""
        replaced = sum(replaces for _, replaces in self.rows)
        return (
            f"version {self.from_version} to {self.to.version}, {len(self.rows) - replaced:,} added, {replaced:,} "
            f"replaced, {len(self.deleted):,} deleted"
        )

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            SdrScError: it cannot be written, or is larger than what is read.
        """
        rows = [row for row, _ in self.rows]
        texts = {
            "deleted": [key.encode() for key in self.deleted],
            "keys": [row.key.encode() for row in rows],
            "about": [row.about for row in rows],
            "answers": [row.answers for row in rows],
            "pictures": [row.picture for row in rows],
        }
        arrays: dict[str, np.ndarray] = {
            "vectors": np.frombuffer(b"".join(row.vector for row in rows), "<f4").reshape(-1, self.to.space.dimension),
            "replaces": np.array([replaces for _, replaces in self.rows], np.uint8),
        }
        for name, parts in texts.items():
            arrays[name] = np.frombuffer(b"".join(parts), np.uint8)
            arrays[f"{name}_ends"] = np.cumsum([len(part) for part in parts], dtype=np.int64)
        about = {
            "from_version": self.from_version,
            "from_checksum": self.from_checksum,
            "to": parse_json(self.to.to_json(), KIND, _FIX),
        }
        if sum(array.nbytes for array in arrays.values()) > array_file.LIMIT_BYTES - _ROOM_BYTES:
            raise KnowledgeError(
                f"increment {shown(path)} would be larger than {array_file.LIMIT_BYTES >> 20} MiB, and nobody could "
                "read it; make it in several versions, or distribute the whole base."
            )
        array_file.write_arrays(path, KIND, arrays, about)

    @classmethod
    def load(cls, path: Path) -> Increment:
        """Read what `save` wrote, within bounds; executes nothing from the file.

        Raises:
            KnowledgeError: it cannot be read, is damaged, or is none.
        """
        named = f"increment {shown(path)}"
        try:
            arrays, about = array_file.read_arrays(path, KIND, "increment", _FIX)
        except SdrScError as error:
            raise KnowledgeError(str(error)) from None
        to = state_of(about.get("to"), named)
        version, checksum = whole_number(about.get("from_version"), 1, MOST_VERSIONS), about.get("from_checksum")
        damaged = KnowledgeError(f"{named} holds no changes of a base; {_FIX}.")
        if version is None or not isinstance(checksum, str) or version >= to.version:
            raise damaged
        deleted, keys, abouts, answers, pictures = (_parts(arrays, name, damaged) for name in _TEXTS)
        vectors, replaces = arrays.get("vectors"), arrays.get("replaces")
        if vectors is None or vectors.dtype != np.float32 or vectors.shape != (len(keys), to.space.dimension):
            raise damaged
        if replaces is None or replaces.dtype != np.uint8 or replaces.shape != (len(keys),):
            raise damaged
        if not len(keys) == len(abouts) == len(answers) == len(pictures):
            raise damaged
        try:
            names, gone = [key.decode() for key in keys], [key.decode() for key in deleted]
        except UnicodeDecodeError:
            raise damaged from None
        rows = [
            (Row(key, one, answer, vector.astype("<f4").tobytes(), picture), bool(replaced))
            for key, one, answer, vector, picture, replaced in zip(
                names, abouts, answers, vectors, pictures, replaces.tolist(), strict=True
            )
        ]
        if len(set(names) | set(gone)) != len(names) + len(gone):
            raise KnowledgeError(f"{named} changes an entry twice; {_FIX}.")
        return cls(version, checksum, to, rows, gone)


def increment_between(old: KnowledgeBase, new: KnowledgeBase) -> Increment:
    """What makes a later version of a base from an earlier one.

    Raises:
        KnowledgeError: they are no two versions of one base, or the later one is not later.
    """
    if (old.base_id, old.space) != (new.base_id, new.space):
        raise KnowledgeError(
            f"{old.named} is base {old.base_id} and {new.named} is {new.base_id}, or their vectors are of other "
            "models; make the new one with 'sdr-sc kb build --continues'."
        )
    if old.version >= new.version:
        raise KnowledgeError(
            f"{new.named} is version {new.version}, which is not later than {old.version}; give the older one first."
        )
    with old.store.reading():
        before = old.store.digests()
    with new.store.reading():
        after = new.store.digests()
    rows = []
    for key, (number, digest) in after.items():
        if key not in before or before[key][1] != digest:
            new.entry(number)  # its picture is checked, too
            with new.store.reading():
                row = new.store.row(number)
            assert row is not None
            rows.append((row, key in before))
    return Increment(old.version, old.checksum, new.state, rows, [key for key in before if key not in after])


def apply_increment(
    base: KnowledgeBase, path: Path, require_signature: str = "", progress: Callable[[int], None] = lambda done: None
) -> Increment:
    """Bring a base to a later version: all of the changes, or none.

    Args:
        path: the increment's file.
        require_signature: public key, or its file, that has to have signed what comes of it; '' for none. A base that
            is signed takes increments of the same signer alone.
        progress: called with the number of entries that were checked.

    Raises:
        KnowledgeError: the increment is damaged, of another base, model or version, or its signature is missing or
            wrong; or the file cannot be written.
    """
    increment, named = Increment.load(path), f"increment {shown(path)}"
    _check_fits(base, increment, named)
    check_signature(increment.to, named, require_signature)
    if base.state.signer and increment.to.signer != base.state.signer:
        who = increment.to.signer or "nobody"
        raise KnowledgeError(
            f"{named} is signed by {who}, and {base.named} by {base.state.signer}; get one of that signer."
        )
    for done, (row, _) in enumerate(increment.rows, 1):
        entry_of(row, base.space.dimension, named)
        progress(done)
    base.change_rows(increment.rows, increment.deleted, increment.to)
    return increment


def _check_fits(base: KnowledgeBase, increment: Increment, named: str) -> None:
    """Refuse an increment for another base, model or version."""
    to = increment.to
    if to.base_id != base.base_id or to.kind != base.state.kind:
        raise KnowledgeError(
            f"{named} is of base {to.base_id}, and {base.named} is {base.base_id}; give one of its own."
        )
    if to.space != base.space:
        raise KnowledgeError(
            f"{named} has vectors {shown(repr(to.space.name))} of model {to.space.model_id}, and {base.named} "
            f"{shown(repr(base.space.name))} of {base.space.model_id} (or of another contract of it); give one of its "
            "own."
        )
    here, start = f"{base.named} is at {base.version}", f"{named} starts from version {increment.from_version}"
    if base.version >= to.version:
        raise KnowledgeError(f"{named} leads to version {to.version}, and {here} already; there is nothing to do.")
    if increment.from_version > base.version:
        raise KnowledgeError(f"{start}, and {here}: an increment from {base.version} is missing; apply that one first.")
    if increment.from_version < base.version:
        raise KnowledgeError(f"{start}, and {here}, past it; get the increment from {base.version}.")
    if increment.from_checksum != base.checksum:
        raise KnowledgeError(
            f"{start} with another content than {base.named} has, which was changed here; get the whole base again."
        )


def _parts(arrays: dict[str, Any], name: str, damaged: KnowledgeError) -> Sequence[bytes]:
    """Texts from their joined bytes and where each of them ends."""
    joined, ends = arrays.get(name), arrays.get(f"{name}_ends")
    good = (
        joined is not None and ends is not None
        and (joined.ndim, ends.ndim) == (1, 1) and joined.dtype == np.uint8 and ends.dtype == np.int64
        and len(ends) <= MOST_ENTRIES and (np.diff(ends, prepend=0) >= 0).all()
        and (int(ends[-1]) if len(ends) else 0) == len(joined)
    )  # fmt: skip
    if not good:
        raise damaged
    assert joined is not None and ends is not None
    content, bounds = joined.tobytes(), [0, *ends.tolist()]
    return [content[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
