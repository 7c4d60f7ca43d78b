# SPDX-License-Identifier: GPL-3.0-or-later
"""The local base in a receiver: asked about each frame, and given afterwards what was answered with margin."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.answering.known import Decoded
from sdr_sc.semantic.knowledge.features import as_vectors
from sdr_sc.semantic.knowledge.fusion.fuse import Fused, entry_supports, fuse
from sdr_sc.semantic.knowledge.fusion.posterior import Evidence, evidence_of, query_of
from sdr_sc.semantic.knowledge.fusion.rule import margin_of
from sdr_sc.semantic.knowledge.interface import VectorSpace, classes_of
from sdr_sc.semantic.knowledge.local import CAPACITY, Confirmed, LocalBase
from sdr_sc.semantic.knowledge.rules.book import Rules
from sdr_sc.semantic.knowledge.storage.state import encoder_checksum

NEIGHBOURS = 16
"""Entries of a local base that an answer is made from."""


@dataclass(frozen=True, eq=False)
class LocalAnswer:
    """What decoder and local base say together.

    Attributes:
        fused: of the decoder's classes.
        said: by the local base.
        similarity: float32 (n, count), of its entries.
        weights: float64 (n, 3), of decoder, own and new classes.
        margin: float64 (n,), of the decoder alone.
    """

    fused: Fused
    said: Evidence
    similarity: np.ndarray
    weights: np.ndarray
    margin: np.ndarray

    def supports(self, answers: np.ndarray) -> np.ndarray:
        """What each entry adds to the probability of a class: float64 (n, count).

        Args:
            answers: int (n,), classes; one that the decoder lacks has no support here.
        """
        return entry_supports(self.said, self.weights, answers)


class Seen:
    """A receiver's local base.

    Args:
        contract: of its model.
        task: whose answers are kept.
        path, capacity: see `LocalBase`.

    Attributes:
        skipped: items that were not offered to it, by reason.

    Raises:
        KnowledgeError: see `LocalBase`.
    """

    def __init__(self, contract: ModelContract, task: str, path: Path | str, capacity: int = CAPACITY) -> None:
        self._task, self._names = task, tuple(contract.task(task).names)
        self.base = LocalBase(path, space_as_received(contract), capacity)
        self.skipped: Counter[str] = Counter()

    def close(self) -> None:
        """Close the file."""
        self.base.close()

    def counts(self) -> dict[str, int]:
        """What became of the items of this run, and how many entries there are."""
        return {**self.base.counts, **self.skipped, "entries": len(self.base)}

    def asked(self, rules: Rules, decoded: Decoded, sure: np.ndarray) -> LocalAnswer | None:
        """What the local base makes of the decoder's answers; None where it is empty or has no rule for this k.

        Args:
            sure: float64 (n, classes), calibrated probabilities of the decoder; NaN for lost items.
        """
        k = decoded.features.shape[1]
        rule = rules.local.get(k)
        if rule is None or not len(self.base):
            return None
        own = len(self._names)
        query = query_of(decoded.features, decoded.noise_variance, rule.kernel, self.base.space.dimension)
        found = self.base.search(query.vectors, min(NEIGHBOURS, len(self.base)), query.known)
        classes = classes_of(self.base, found.ids, self._task, self._names)
        said = evidence_of(query, found, classes, own, np.full(own, 1.0 / len(self.base)))
        fused = fuse(sure, said, rule, decoded.snr_db)
        there = np.isfinite(sure).all(axis=1)
        margin = margin_of(np.where(there[:, None], sure, 1.0 / own))
        weights = rule.weights(said, margin, decoded.snr_db)
        weights[~there] = 1.0, 0.0, 0.0
        return LocalAnswer(fused, said, found.similarity, weights, margin)

    def confirm(self, rules: Rules, decoded: Decoded, sure: np.ndarray, agreed: np.ndarray) -> None:
        """Offer a frame's items to it, with the decoder's answers and margins.

        Args:
            agreed: int (n,), classes that decoder and bases agree on; below 0 where they do not, or there is none.
        """
        if decoded.features.shape[1] not in rules.local:
            self.skipped["no local rule"] += len(agreed)
            return
        if not decoded.snr_db >= rules.local_from_db:
            self.skipped["below the SNR"] += len(agreed)
            return
        first = -np.sort(-np.nan_to_num(sure), axis=1)
        margins = first[:, 0] - (first[:, 1] if first.shape[1] > 1 else 0.0)
        vectors = as_vectors(decoded.features, self.base.space.dimension)
        items = []
        for place, answer in enumerate(agreed.tolist()):
            if answer < 0 or answer >= len(self._names):
                self.skipped["not agreed on"] += 1
                continue
            name = self._names[answer]
            items.append(Confirmed(vectors[place], {self._task: name}, float(margins[place]), name, decoded.note))
        if items:
            self.base.confirm(items)


def space_as_received(contract: ModelContract) -> VectorSpace:
    """Of a local base: features as they were received, 0 after those that were sent."""
    name = f"features as received, up to k={contract.k_max}"
    return VectorSpace(contract.model_id, encoder_checksum(contract), name, 2 * contract.k_max)
