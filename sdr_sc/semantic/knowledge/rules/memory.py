# SPDX-License-Identifier: GPL-3.0-or-later
"""Bases that are asked to find out how much they should count: in memory, or open ones, and held-out items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from sdr_sc.semantic.knowledge.fusion.fit import HeldOut
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel, class_prior, query_of
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Neighbours
from sdr_sc.semantic.knowledge.storage.table import VectorTable

NEIGHBOURS = 64
_SEARCHED_WITH = Kernel(0.1)


class Heard(Protocol):
    """What a receiver has of items: complex64 and float (n, k)."""

    @property
    def features(self) -> np.ndarray: ...
    @property
    def noise_variance(self) -> np.ndarray: ...


def asked_of(
    search: Callable[[np.ndarray, int, int], Neighbours],
    classes_of: Callable[[np.ndarray], np.ndarray],
    dimension: int,
    prior: np.ndarray,
    received: Heard,
    logits: np.ndarray,
    truth: np.ndarray,
    snr_db: float,
    weight: float = 1.0,
    count: int = NEIGHBOURS,
) -> HeldOut:
    """What a base says of received items, with what fusion needs beside.

    Args:
        search: of queries, a number of neighbours, and how many numbers of a vector are known.
        classes_of: of entries' ids; below 0 where there is none.
        dimension: of the base's vectors.
        prior: see `sdr_sc.semantic.knowledge.fusion.posterior.class_prior`.
        logits: float (n, own classes), of the decoder.
        truth: int (n,), what is right.
        snr_db: that was set, dB.
        weight: see `HeldOut`.
        count: of neighbours.
    """
    symbols = slice(min(received.features.shape[1], dimension // 2))
    features, noise = received.features[:, symbols], received.noise_variance[:, symbols]
    query = query_of(features, noise, _SEARCHED_WITH, dimension)
    found = search(query.vectors, count, query.known)
    return HeldOut(snr_db, logits, truth, features, noise, found, classes_of(found.ids), prior, weight)


@dataclass(frozen=True, eq=False)
class MemoryBase:
    """Entries.

    Attributes:
        vectors: float32 (n, dimension).
        classes: int64 (n,), the decoder's own first.
        own: how many classes are the decoder's.
        class_count: of all classes.
    """

    vectors: np.ndarray
    classes: np.ndarray
    own: int
    class_count: int

    @cached_property
    def _table(self) -> VectorTable:
        count = len(self.classes)
        return VectorTable(self.vectors.shape[1], np.arange(count), self.vectors, np.zeros(count, np.int32), [{}])

    @property
    def prior(self) -> np.ndarray:
        """See `class_prior`."""
        return class_prior(np.bincount(self.classes, minlength=self.class_count), self.own)

    def joined(self, vectors: np.ndarray, classes: np.ndarray, class_count: int) -> MemoryBase:
        """With more entries."""
        return MemoryBase(
            np.concatenate([self.vectors, vectors]), np.concatenate([self.classes, classes]), self.own, class_count
        )

    def shuffled(self, seed: int) -> MemoryBase:
        """The same with the classes of other entries: what it says of items is not true."""
        return replace(self, classes=np.random.default_rng(seed).permutation(self.classes))

    def asked(
        self, received: Heard, logits: np.ndarray, truth: np.ndarray, snr_db: float, weight: float = 1.0
    ) -> HeldOut:
        """Neighbours of received items, with what fusion needs beside.

        Args:
            logits: float (n, own), of the decoder.
            truth: int (n,), what is right.
            snr_db: that was set, dB.
            weight: see `HeldOut`.
        """
        return asked_of(
            self.search, self.classes_of, self.vectors.shape[1], self.prior, received, logits, truth, snr_db, weight
        )

    def search(self, queries: np.ndarray, count: int, known: int) -> Neighbours:
        """See `sdr_sc.semantic.knowledge.interface.Knowledge.search`."""
        return self._table.search(queries, min(count, len(self.classes)), known)

    def classes_of(self, ids: np.ndarray) -> np.ndarray:
        """Of entries, -1 where there is none."""
        return np.where(ids == NO_ENTRY, -1, self.classes[ids])
