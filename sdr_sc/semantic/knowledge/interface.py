# SPDX-License-Identifier: GPL-3.0-or-later
"""What a knowledge base is to those who ask it: the space of its vectors, its entries, and the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

NO_ENTRY = -1
"""Id, and similarity, of a place in `Neighbours` that no entry fills."""
UNKNOWN_CLASS = -1
"""Of an entry that has no answer to a task."""


@dataclass(frozen=True)
class VectorSpace:
    """What vectors were made by: a base answers queries of this space alone.

    Attributes:
        model_id: of the model's contract.
        contract_sha256: checksum of what of that contract decides the features (of all of it in bases of earlier
            programs).
        name: which of the model's vectors, such as ``features k=32 at 10 dB``.
        dimension: numbers of a vector.
    """

    model_id: str
    contract_sha256: str
    name: str
    dimension: int


@dataclass(frozen=True, eq=False)
class Entry:
    """One thing that a base knows.

    Attributes:
        key: its name in the base, the same in all versions.
        title: in a few words, for people.
        vector: float32 (dimension,).
        answers: the name of the class, by the task's name.
        source: where it comes from, such as ``fashion_mnist test 17``.
        text: what it says, or ''.
        picture: PNG that shows it, or b''.
        added_s: when it came into the base, seconds since 1970.
    """

    key: str
    title: str
    vector: np.ndarray
    answers: Mapping[str, str]
    source: str
    text: str = ""
    picture: bytes = field(default=b"", repr=False)
    added_s: float = 0.0


@dataclass(frozen=True)
class Neighbours:
    """What a search found, the nearest first.

    Attributes:
        ids: int64 (queries, count); `NO_ENTRY` where the base has fewer, or the query has no direction (lost, all 0).
        similarity: float32 (queries, count), cosine of query and entry; `NO_ENTRY` likewise.
    """

    ids: np.ndarray
    similarity: np.ndarray


class Knowledge(Protocol):
    """A knowledge base, global or local."""

    @property
    def space(self) -> VectorSpace: ...
    @property
    def base_id(self) -> str:
        """The same in all versions of a base, of no other base."""
        ...

    @property
    def version(self) -> int:
        """Rises with every change."""
        ...

    def __len__(self) -> int: ...

    def search(self, queries: np.ndarray, count: int, known: int | None = None) -> Neighbours:
        """The nearest entries of each query.

        Args:
            queries: float32 (n, dimension), of any length; one with a number that is not finite is lost.
            count: entries wanted of each.
            known: how many numbers of a vector, from the first on, were received and are compared; None for all.

        Raises:
            SdrScError: the queries have another dimension.
        """
        ...

    def answers_of(self, ids: np.ndarray, task: str) -> np.ndarray:
        """Names of the entries' classes in a task.

        Args:
            ids: int64, of any shape, from `Neighbours`.

        Returns:
            str objects of that shape; '' where there is no entry, or it has no answer to this task.
        """
        ...

    def names_of(self, task: str) -> tuple[str, ...]:
        """All names of a task's classes that entries have, sorted."""
        ...

    def entry(self, number: int) -> Entry:
        """An entry by its id, with all that it holds.

        Raises:
            SdrScError: the base has none of this id.
        """
        ...


def all_names(base: Knowledge, task: str, names: Sequence[str]) -> tuple[str, ...]:
    """Names of a task's classes: those of the contract, and after them those that the base alone has, sorted.

    Args:
        names: of the contract's task.
    """
    own = set(names)
    return (*names, *(name for name in base.names_of(task) if name not in own))


def classes_of(base: Knowledge, ids: np.ndarray, task: str, names: Sequence[str]) -> np.ndarray:
    """Classes of entries in a task.

    Args:
        ids: int64, of any shape.
        names: by their number, from `all_names`.

    Returns:
        int64 of that shape; `UNKNOWN_CLASS` where there is no entry, no answer, or none among the names.
    """
    number = {name: place for place, name in enumerate(names)}
    answers = base.answers_of(ids, task)
    found = [number.get(name, UNKNOWN_CLASS) if name else UNKNOWN_CLASS for name in answers.ravel().tolist()]
    return np.array(found, np.int64).reshape(answers.shape)
