# SPDX-License-Identifier: GPL-3.0-or-later
"""A base in memory for measurements: entries with classes, neighbours of what was received, altered copies of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sdr_sc.evidence.knowledge.received import Received
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut
from sdr_sc.semantic.knowledge.fusion.fuse import Fused, fuse
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel, class_prior, query_of
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule
from sdr_sc.semantic.knowledge.interface import NO_ENTRY, Neighbours
from sdr_sc.semantic.knowledge.storage.table import VectorTable

NEIGHBOURS = 64
_SEARCHED_WITH = Kernel(0.1)


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
        self, received: Received, logits: np.ndarray, truth: np.ndarray, snr_db: float, weight: float = 1.0
    ) -> HeldOut:
        """Neighbours of received items, with what fusion needs beside.

        Args:
            logits: float (n, own), of the decoder.
            truth: int (n,), what is right.
            snr_db: that was set, dB.
            weight: see `HeldOut`.
        """
        query = query_of(received.features, received.noise_variance, _SEARCHED_WITH, self.vectors.shape[1])
        found = self._table.search(query.vectors, min(NEIGHBOURS, len(self.classes)), query.known)
        classes = np.where(found.ids == NO_ENTRY, -1, self.classes[found.ids])
        noise = received.noise_variance
        return HeldOut(snr_db, logits, truth, received.features, noise, found, classes, self.prior, weight)


def without_features(asked: HeldOut, base: MemoryBase, seed: int) -> HeldOut:
    """As if features said nothing: entries by chance, all as near as an item like none would be."""
    ids = np.random.default_rng(seed).integers(len(base.classes), size=asked.found.ids.shape)
    similarity = np.broadcast_to(np.median(asked.found.similarity, axis=1)[:, None], ids.shape)
    return replace(asked, found=Neighbours(ids, similarity), classes=base.classes[ids])


def fused_of(asked: HeldOut, received: Received, rule: FusionRule) -> tuple[np.ndarray, Fused]:
    """The decoder's probabilities, and the fused answers, by the SNR that the receiver estimated."""
    estimated = np.where(np.isfinite(received.snr_db), received.snr_db, 0.0)
    sure = rule.decoder_probabilities(asked.logits, estimated)
    return sure, fuse(sure, asked.evidence(rule.kernel), rule, estimated)


def best_of(probabilities: np.ndarray) -> np.ndarray:
    """int64 (n,), the most probable class; -1 for lost items."""
    there = np.isfinite(probabilities).all(axis=1)
    return np.where(there, np.where(there[:, None], probabilities, 0.0).argmax(axis=1), -1)
