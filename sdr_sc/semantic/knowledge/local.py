# SPDX-License-Identifier: GPL-3.0-or-later
"""The local knowledge base: what this receiver was sure of lately."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.asked import AskedBase
from sdr_sc.semantic.knowledge.entries import LONGEST_TITLE, Row, row_of
from sdr_sc.semantic.knowledge.interface import Entry, VectorSpace
from sdr_sc.semantic.knowledge.storage.create import create
from sdr_sc.semantic.knowledge.storage.loading import load_table
from sdr_sc.semantic.knowledge.storage.state import LOCAL, State
from sdr_sc.semantic.knowledge.storage.store import Store
from sdr_sc.shown import shown

CAPACITY, MOST_CAPACITY = 4096, 100_000
LEAST_MARGIN = 0.5
SAME_SIMILARITY = 0.999
"""Cosine from which on an item of the same answers is a repeat of an entry, which is then not stored again."""
Outcome = Literal["stored", "repeated", "unsure", "unfit", "unwritten"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Confirmed:
    """An item that was received and answered.

    Attributes:
        vector: float32 (dimension,), as it was received.
        answers: names of classes, by task.
        margin: probability of the first answer minus that of the second, by the decoder alone: with the base's help
            the base would confirm itself. An answer that the far end confirmed has 1.
        title, source, text, picture: as of an `Entry`.
    """

    vector: np.ndarray
    answers: Mapping[str, str]
    margin: float
    title: str = ""
    source: str = ""
    text: str = ""
    picture: bytes = b""


class LocalBase(AskedBase):
    """A local base in its file, which is made where there is none; one process at a time has it.

    Each call of `confirm` is a transaction: a kill loses nothing that it returned of. Where the disk does not take it,
    the base stays as it was, and this is counted.

    Args:
        path: the file.
        space: what the vectors are made by; None for those of a file that is there.
        capacity: entries; beyond them, the one whose confirmation is the longest ago leaves.
        least_margin: items below it are not kept.

    Attributes:
        counts: what became of the items of this process, by outcome; and ``evicted`` entries.

    Raises:
        KnowledgeError: the file is damaged, of another model or kind, or in use by another process.
    """

    def __init__(
        self, path: Path | str, space: VectorSpace | None, capacity: int = CAPACITY, least_margin: float = LEAST_MARGIN
    ) -> None:
        if not 1 <= capacity <= MOST_CAPACITY or not 0.0 <= least_margin <= 1.0:
            raise KnowledgeError(
                f"a local base of {capacity} entries and margins from {least_margin}; give 1 to {MOST_CAPACITY} "
                "entries, and a margin from 0 to 1."
            )
        path = Path(path)
        if space is not None and not path.exists() and not path.is_symlink():
            title = "what this receiver was sure of"
            create(path, State(LOCAL, secrets.token_hex(8), space, title, 0, 0, "", time.time()), ())
        self.capacity, self.least_margin = capacity, least_margin
        self.counts: dict[str, int] = dict.fromkeys((*get_args(Outcome), "evicted"), 0)
        self.store = Store(path, LOCAL)
        self.named = self.store.named
        try:
            if space is not None and self.store.state.space != space:
                raise KnowledgeError(
                    f"{self.named} has vectors {shown(repr(self.store.state.space.name))} of model "
                    f"{self.store.state.space.model_id} where {shown(repr(space.name))} of {space.model_id} are "
                    "received (or its contract is another one); give another file."
                )
            self._load()
        except BaseException:
            self.store.close()
            raise

    def _load(self) -> None:
        self.state, self.table = load_table(self.store)
        with self.store.reading():
            turns = self.store.turns()
        ordered = sorted(self.table.ids.tolist(), key=lambda number: (turns.get(number, 0), number))
        self._recent: OrderedDict[int, None] = OrderedDict.fromkeys(ordered)
        self._turn = max(turns.values(), default=0)
        self._said_unwritten = False

    def confirm(self, items: Sequence[Confirmed]) -> list[Outcome]:
        """Keep items that were answered, such as those of a frame.

        Returns:
            What became of each: ``stored``; ``repeated``: there is an entry like it, which is now the latest;
            ``unsure``: its margin is too small; ``unfit``: it breaks a limit (a number that is not finite, texts too
            long, too many copies); ``unwritten``: the disk does not take it.
        """
        with self.store.lock:
            outcomes: list[Outcome] = []
            new: list[tuple[int, Row, Entry]] = []
            turns: dict[int, int] = {}
            turn = self._turn
            try:
                with self.store.writing():
                    for item in items:
                        turn += 1
                        outcomes.append(self._take(item, turn, turns, new))
                    gone = self._evicted(turns)
                    for number in gone:
                        self.store.delete(number)
                        turns.pop(number, None)
                    for number, when in turns.items():
                        self.store.set_turn(number, when)
                    entries = self.store.count()
                    state = replace(self.state, version=self.version + 1, entries=entries, made_s=time.time())
                    self.store.set_state(state)
            except KnowledgeError as error:
                outcomes = ["unwritten"] * len(items)
                if not self._said_unwritten:
                    _log.warning("%s; what is confirmed is not kept", error)
                self._said_unwritten = True
            else:
                self.state, self._turn, self._said_unwritten = state, turn, False
                self._follow(new, gone, turns)
                self.counts["evicted"] += len(gone)
            for outcome in outcomes:
                self.counts[outcome] += 1
            return outcomes

    def _take(self, item: Confirmed, turn: int, turns: dict[int, int], new: list[tuple[int, Row, Entry]]) -> Outcome:
        """In a transaction: store an item, or the turn of the entry that it repeats."""
        if not (math.isfinite(item.margin) and item.margin >= self.least_margin):
            return "unsure"
        try:
            title = item.title or ", ".join(item.answers.values())[:LONGEST_TITLE]
            entry = Entry(
                f"seen {turn}", title, item.vector, item.answers, item.source, item.text, item.picture, time.time()
            )
            row = row_of(entry, self.space.dimension)
            repeated = self._repeated(entry, new)
            if repeated is not None:
                turns[repeated] = turn
                return "repeated"
            number = self.store.put(row)
        except (KnowledgeError, TypeError, ValueError, AttributeError):
            return "unfit"
        turns[number] = turn
        new.append((number, row, entry))
        return "stored"

    def _repeated(self, entry: Entry, new: list[tuple[int, Row, Entry]]) -> int | None:
        """The id of an entry of the same answers and, nearly, the same vector."""
        answers = dict(entry.answers)
        if new:
            vectors = np.stack([other.vector for _, _, other in new]).astype(np.float64)
            own = np.asarray(entry.vector, np.float64)
            cosine = vectors @ own / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(own))
            for place in np.flatnonzero(cosine >= SAME_SIMILARITY).tolist():
                if dict(new[place][2].answers) == answers:
                    return new[place][0]
        found = self.table.search(np.asarray(entry.vector)[None], 8)
        for number, similarity in zip(found.ids[0].tolist(), found.similarity[0].tolist(), strict=True):
            if similarity >= SAME_SIMILARITY and self.table.has_answers(number, answers):
                return number
        return None

    def _evicted(self, turns: Mapping[int, int]) -> list[int]:
        """Ids that leave: the ones of the earliest confirmations, beyond the capacity."""
        order = [number for number in self._recent if number not in turns]
        order += sorted(turns, key=lambda number: turns[number])
        return order[: max(0, len(order) - self.capacity)]

    def _follow(self, new: list[tuple[int, Row, Entry]], gone: list[int], turns: Mapping[int, int]) -> None:
        """Change what is in memory as the file was."""
        for number, row, entry in new:
            self.table.put(number, np.frombuffer(row.vector, "<f4"), entry.answers)
        for number in sorted(turns, key=lambda number: turns[number]):
            self._recent[number] = None
            self._recent.move_to_end(number)
        for number in gone:
            self.table.remove(number)
            self._recent.pop(number, None)
