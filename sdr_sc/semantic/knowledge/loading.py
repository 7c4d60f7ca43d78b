# SPDX-License-Identifier: GPL-3.0-or-later
"""From a base's file into memory: every row is checked, and all of them against the version's checksum."""

from __future__ import annotations

import logging

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.entries import LARGEST_NUMBER, LEAST_NUMBER, answers_in, checksum_of
from sdr_sc.semantic.knowledge.index import ApproximateIndex
from sdr_sc.semantic.knowledge.schema import how
from sdr_sc.semantic.knowledge.state import GLOBAL, State
from sdr_sc.semantic.knowledge.store import Store
from sdr_sc.semantic.knowledge.table import EXACT_LIMIT, VectorTable

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
    return state, VectorTable(dimension, ids, vectors, answers, [answers_in(text, store.named) for text in kinds])


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
