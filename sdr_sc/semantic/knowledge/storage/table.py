# SPDX-License-Identifier: GPL-3.0-or-later
"""The vectors of a base in memory, and the search: exact up to `EXACT_LIMIT` entries, by an index above."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.gallery import unit_rows
from sdr_sc.semantic.knowledge.index import ApproximateIndex
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Neighbours

EXACT_LIMIT = 100_000
"""Entries up to which every one is compared."""
_SCORES = 1 << 23
"""Similarities that are held at once: 32 MiB."""
_LEAST_ROOM = 64


class VectorTable:
    """Vectors of entries at length 1, with their answers, by rising ids.

    Removed entries keep their place until half of all places are empty.

    Args:
        dimension: numbers of a vector.
        ids: int64 (n,), rising.
        vectors: float32 (n, dimension), of any length above 0.
        answers: of the entries, by their place among ``kinds``: int32 (n,).
        kinds: different answers by task.
    """

    def __init__(
        self,
        dimension: int,
        ids: np.ndarray | None = None,
        vectors: np.ndarray | None = None,
        answers: np.ndarray | None = None,
        kinds: list[Mapping[str, str]] | None = None,
    ) -> None:
        self.dimension = dimension
        self.index: ApproximateIndex | None = None
        self._ids = np.empty(0, np.int64) if ids is None else ids
        self._vectors = np.empty((0, dimension), np.float32) if vectors is None else unit_rows(vectors)
        self._answers = np.empty(0, np.int32) if answers is None else answers
        self._kinds: list[Mapping[str, str]] = [] if kinds is None else kinds
        self._number = {_frozen(kind): place for place, kind in enumerate(self._kinds)}
        self._used = len(self._ids)
        self._alive = np.ones(self._used, bool)
        self._count = self._used
        self._norms: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> np.ndarray:
        """Of the entries, int64 (n,), rising."""
        return self._ids[: self._used][self._alive[: self._used]]

    @property
    def vectors(self) -> np.ndarray:
        """Of the entries at length 1, by their ids: float32 (n, dimension)."""
        return self._vectors[: self._used][self._alive[: self._used]]

    def put(self, number: int, vector: np.ndarray, answers: Mapping[str, str]) -> None:
        """Add an entry, whose id is above all others, or replace the one of that id."""
        unit = unit_rows(vector[None])[0]
        place = int(self._places(np.array([number]))[0])
        replaced = place >= 0
        if not replaced:
            place = self._room()
            self._ids[place], self._alive[place] = number, True
            self._count += 1
        self._vectors[place], self._answers[place] = unit, self._kind(answers)
        self._norms.clear()
        if self.index is not None:
            if replaced:
                self.index.remove(np.array([number]))
            self.index.add(np.array([number]), unit[None])

    def remove(self, number: int) -> None:
        """Remove an entry; one that is not there is none."""
        place = int(self._places(np.array([number]))[0])
        if place < 0:
            return
        self._alive[place] = False
        self._count -= 1
        if self.index is not None:
            self.index.remove(np.array([number]))
        if self._used > _LEAST_ROOM and self._count < self._used // 2:
            self._compact()

    def search(self, queries: np.ndarray, count: int, known: int | None = None) -> Neighbours:
        """See `sdr_sc.semantic.knowledge.interface.Knowledge.search`."""
        queries = np.asarray(queries)
        if queries.ndim != 2 or queries.shape[1] != self.dimension or queries.dtype.kind not in "fiu":
            raise KnowledgeError(
                f"a base of vectors of {self.dimension} numbers is asked with {queries.dtype} of shape "
                f"{queries.shape}; give float32 (queries, {self.dimension})."
            )
        if count < 1 or (known is not None and not 1 <= known <= self.dimension):
            raise KnowledgeError(f"{count} neighbours by {known} numbers are wanted; give 1 or more of each.")
        known = self.dimension if known is None else known
        ids = np.full((len(queries), count), NO_ENTRY, np.int64)
        similarity = np.full((len(queries), count), NO_ENTRY, np.float32)
        part = queries[:, :known].astype(np.float64)
        with np.errstate(over="ignore"):
            norms = np.linalg.norm(part, axis=1)
        usable = np.flatnonzero(np.isfinite(norms) & (norms > 0))
        if self._count and len(usable):
            unit = (part[usable] / norms[usable, None]).astype(np.float32)
            if self.index is not None and self._count > EXACT_LIMIT:
                found = self._by_index(unit, count, known)
            else:
                found = self._exact(unit, count, known)
            width = found[0].shape[1]
            ids[usable, :width], similarity[usable, :width] = found
        return Neighbours(ids, similarity)

    def answers_of(self, ids: np.ndarray, task: str) -> np.ndarray:
        """See `sdr_sc.semantic.knowledge.interface.Knowledge.answers_of`."""
        ids = np.asarray(ids, np.int64)
        places = self._places(ids.ravel())
        kinds = np.where(places >= 0, self._answers[places], -1) if self._used else np.full(ids.size, -1)
        found = np.empty(ids.size, object)
        found[:] = ["" if kind < 0 else self._kinds[kind].get(task, "") for kind in kinds.tolist()]
        return found.reshape(ids.shape)

    def has_answers(self, number: int, answers: Mapping[str, str]) -> bool:
        """Whether an entry has these answers, and no others."""
        place = int(self._places(np.array([number]))[0])
        return place >= 0 and dict(self._kinds[self._answers[place]]) == answers

    def names_of(self, task: str) -> tuple[str, ...]:
        """See `sdr_sc.semantic.knowledge.interface.Knowledge.names_of`."""
        kinds = np.unique(self._answers[: self._used][self._alive[: self._used]])
        return tuple(sorted({self._kinds[kind][task] for kind in kinds.tolist() if task in self._kinds[kind]}))

    def tasks(self) -> tuple[str, ...]:
        """Tasks that entries have answers to, sorted."""
        kinds = np.unique(self._answers[: self._used][self._alive[: self._used]])
        return tuple(sorted({task for kind in kinds.tolist() for task in self._kinds[kind]}))

    def _exact(self, unit: np.ndarray, count: int, known: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and cosines of the nearest among all, of queries at length 1 over their ``known`` numbers."""
        vectors, alive = self._vectors[: self._used, :known], self._alive[: self._used]
        norms = self._norms_of(known)
        width = min(count, self._count)
        ids, cosines = np.empty((len(unit), width), np.int64), np.empty((len(unit), width), np.float32)
        block = max(1, _SCORES // self._used)
        for start in range(0, len(unit), block):
            scores = unit[start : start + block] @ vectors.T
            if norms is not None:
                scores /= norms
            if self._count < self._used:
                scores[:, ~alive] = -np.inf
            first = np.argpartition(scores, self._used - width, axis=1)[:, self._used - width :]
            rows = slice(start, start + len(scores))
            ids[rows], cosines[rows] = _ranked(self._ids[first], np.take_along_axis(scores, first, axis=1), width)
        return ids, cosines

    def _by_index(self, unit: np.ndarray, count: int, known: int) -> tuple[np.ndarray, np.ndarray]:
        """The same among what the index finds, compared again in float32."""
        assert self.index is not None
        padded = np.zeros((len(unit), self.dimension), np.float32)
        padded[:, :known] = unit
        found = self.index.search(padded, count, partly=known < self.dimension)
        places = self._places(found.ravel()).reshape(found.shape)
        candidates = self._vectors[places, :known]
        scores = np.einsum("qcd,qd->qc", candidates, unit)
        norms = self._norms_of(known)
        if norms is not None:
            scores /= norms[places]
        scores[places < 0] = -np.inf
        return _ranked(np.where(places >= 0, found, NO_ENTRY), scores, min(count, found.shape[1]))

    def _norms_of(self, known: int) -> np.ndarray | None:
        """Lengths of the vectors' first numbers, where these are not all."""
        if known == self.dimension:
            return None
        if known not in self._norms:
            lengths = np.linalg.norm(self._vectors[: self._used, :known], axis=1)
            self._norms[known] = np.maximum(lengths, 1e-6)
        return self._norms[known]

    def _places(self, ids: np.ndarray) -> np.ndarray:
        """Where entries lie, int64; -1 of those that are not there."""
        if not self._used:
            return np.full(len(ids), -1)
        places = np.minimum(np.searchsorted(self._ids[: self._used], ids), self._used - 1)
        return np.where((self._ids[places] == ids) & self._alive[places], places, -1)

    def _kind(self, answers: Mapping[str, str]) -> int:
        frozen = _frozen(answers)
        if frozen not in self._number:
            if len(self._kinds) > _LEAST_ROOM + 4 * self._count:
                self._drop_kinds()
            self._number[frozen] = len(self._kinds)
            self._kinds.append(dict(answers))
        return self._number[frozen]

    def _drop_kinds(self) -> None:
        """Forget answers that no entry has any more."""
        alive = self._alive[: self._used]
        kinds, numbers = np.unique(self._answers[: self._used][alive], return_inverse=True)
        self._kinds = [self._kinds[kind] for kind in kinds.tolist()]
        self._number = {_frozen(kind): place for place, kind in enumerate(self._kinds)}
        self._answers[: self._used][alive] = numbers
        self._answers[: self._used][~alive] = 0

    def _room(self) -> int:
        """A place after all others."""
        if self._used == len(self._ids):
            room = max(_LEAST_ROOM, self._used // 2)
            self._ids = np.concatenate((self._ids, np.zeros(room, np.int64)))
            self._vectors = np.concatenate((self._vectors, np.zeros((room, self.dimension), np.float32)))
            self._answers = np.concatenate((self._answers, np.zeros(room, np.int32)))
            self._alive = np.concatenate((self._alive, np.zeros(room, bool)))
        self._used += 1
        return self._used - 1

    def _compact(self) -> None:
        alive = self._alive[: self._used]
        self._ids, self._answers = self._ids[: self._used][alive], self._answers[: self._used][alive]
        self._vectors = self._vectors[: self._used][alive]
        self._used = self._count
        self._alive = np.ones(self._used, bool)
        self._norms.clear()


def _ranked(ids: np.ndarray, scores: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The best of each row, at equal scores the lowest id first; `NO_ENTRY` where a score is -infinity."""
    order = np.lexsort((ids, -scores), axis=1)[:, :width]
    best, cosines = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    none = np.isneginf(cosines)
    return np.where(none, NO_ENTRY, best), np.where(none, NO_ENTRY, np.clip(cosines, -1.0, 1.0)).astype(np.float32)


def _frozen(answers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(answers.items()))
