# SPDX-License-Identifier: GPL-3.0-or-later
"""From a base's file into memory: every row is checked, and all of them against the version's checksum."""

from __future__ import annotations

import logging

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.entries import (
    LARGEST_NUMBER,
    LEAST_NUMBER,
    MOST_COPIES,
    answers_in,
    checksum_of,
)
from sdr_sc.semantic.knowledge.index import ApproximateIndex
from sdr_sc.semantic.knowledge.storage.schema import how
from sdr_sc.semantic.knowledge.storage.state import GLOBAL, State
from sdr_sc.semantic.knowledge.storage.store import Store
from sdr_sc.semantic.knowledge.storage.table import EXACT_LIMIT, VectorTable

_BLOCK = 1 << 14
_log = logging.getLogger(__name__)


def load_table(store: Store) -> tuple[State, VectorTable]:
    """State and vectors of a base's present version.

    Raises:
        KnowledgeError: it is damaged.
    """
    with store.reading() as state:
        count, dimension = store.count(), state.space.dimension
        ids, answers = np.empty(count, np.int64), np.empty(count, np.int32)
        vectors = np.empty((count, dimension), np.float32)
        kinds: dict[bytes, int] = {}
        digests = []
        for place, (number, row, digest) in enumerate(store.rows()):
            if place == count:  # of a damaged file, whose tables and indexes contradict each other
                count = -1
                break
            if len(row.vector) != 4 * dimension:
                raise KnowledgeError(f"{store.named} holds a vector of another length; {how(store.kind)}.")
            ids[place], vectors[place] = number, np.frombuffer(row.vector, "<f4")
            answers[place] = kinds.setdefault(row.answers, len(kinds))
            digests.append(digest)
    if len(digests) != count or (
        store.kind == GLOBAL and (state.entries != count or checksum_of(digests) != state.checksum)
    ):
        raise KnowledgeError(
            f"{store.named} is damaged: its content is not that of version {state.version} ({count} entries of "
            f"{state.entries}); {how(store.kind)}."
        )
    if count:
        with np.errstate(invalid="ignore"):
            largest = np.abs(vectors).max(axis=1)
        if not ((largest >= LEAST_NUMBER) & (largest <= LARGEST_NUMBER)).all():  # also of NaN
            raise KnowledgeError(f"{store.named} holds a vector that is no direction; {how(store.kind)}.")
        if most_copies(vectors) > MOST_COPIES:
            raise KnowledgeError(
                f"{store.named} holds more than {MOST_COPIES} entries of one and the same vector; {how(store.kind)}."
            )
    return state, VectorTable(dimension, ids, vectors, answers, [answers_in(text, store.named) for text in kinds])


def most_copies(vectors: np.ndarray) -> int:
    """How many of the vectors, float32 (n, dimension), are alike, at most.

    >>> most_copies(np.array([[1, 2], [3, 4], [1, 2]], np.float32))
    2
    """
    odd = np.random.default_rng(1).integers(0, 1 << 63, vectors.shape[1], np.uint64) * 2 + 1
    hashes = np.empty(len(vectors), np.uint64)
    for start in range(0, len(vectors), _BLOCK):
        bits = vectors[start : start + _BLOCK].view(np.uint32).astype(np.uint64)
        hashes[start : start + _BLOCK] = (bits * odd).sum(axis=1)
    return int(np.unique(hashes, return_counts=True)[1].max())


def make_index(table: VectorTable, state: State, named: str) -> None:
    """Give a large table an index, where faiss is installed."""
    table.index = None
    if len(table) <= EXACT_LIMIT:
        return
    try:
        table.index = ApproximateIndex.cached(table.ids, table.vectors, state.checksum)
    except ImportError:
        _log.warning(
            "%s has %d entries and the Python module 'faiss' is missing: every entry is compared, which takes "
            "long; run 'make setup'.",
            named,
            len(table),
        )
