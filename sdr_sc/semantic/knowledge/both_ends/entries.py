# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of a base as both ends number them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.errors import ContractError, KnowledgeError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.both_ends.tag import BaseTag
from sdr_sc.semantic.knowledge.features import FeatureVectors
from sdr_sc.shown import shown

MOST_SHARED = 1 << 20
_SCORES = 1 << 22
"""Similarities that are held at once."""


@dataclass(frozen=True, eq=False)
class SharedEntries:
    """Entries as feature symbols, each different, in the order of their vectors' bytes: files of one and the same
    content may hold them in any order.

    Attributes:
        symbols: complex64 (entries, k), of mean power 1 a symbol.
        tag: of the base.
        snr_db: that the features were made for, dB: what an item is compared with has to be made for the same.
    """

    symbols: np.ndarray
    tag: BaseTag
    snr_db: float

    @classmethod
    def of_vectors(cls, vectors: np.ndarray, tag: BaseTag, snr_db: float) -> SharedEntries:
        """From vectors, float32 (entries, 2 k), real and imaginary parts in turn, in any order.

        Raises:
            KnowledgeError: there are none or too many, or one is no direction.

        >>> tag = BaseTag("0123456789abcdef", 1, "ab" * 32)
        >>> found = SharedEntries.of_vectors(np.array([[2, 0], [0, 3], [2, 0]], np.float32), tag, 10.0)
        >>> found.symbols.tolist()
        [[1j], [(1+0j)]]
        """
        raw = np.ascontiguousarray(vectors, "<f4")
        if raw.ndim != 2 or not 1 <= len(raw) <= MOST_SHARED or raw.shape[1] % 2:
            raise KnowledgeError(
                f"vectors of shape {raw.shape} are no entries that both ends could number; give 1 to {MOST_SHARED}."
            )
        width = raw.shape[1]
        different = np.unique(raw.view(np.dtype((np.void, 4 * width))).ravel())
        wide = different.view("<f4").reshape(-1, width).astype(np.float64)
        power = np.square(wide).sum(axis=1, keepdims=True) / (width // 2)
        if not (np.isfinite(power).all() and (power > 0).all()):
            raise KnowledgeError("a vector of the base is no direction; build the base again.")
        return cls((wide / np.sqrt(power)).astype(np.float32).view(np.complex64), tag, snr_db)

    @classmethod
    def of_base(cls, base: KnowledgeBase, contract: ModelContract) -> SharedEntries:
        """Of a global base that is open.

        Raises:
            KnowledgeError: its vectors are not all of the features that the model sends, or it is empty.
        """
        kind = FeatureVectors.of_name(base.space.name)
        if kind.k != contract.k_max:
            raise KnowledgeError(
                f"{base.named} has vectors of {kind.k} symbols and model {shown(contract.name)!r} sends up to "
                f"{contract.k_max}; build the base with all of them."
            )
        with base.store.reading() as state:
            base.check_unchanged(state)
            raw = b"".join(row.vector for _, row, _ in base.store.rows())
        vectors = np.frombuffer(raw, "<f4").reshape(-1, base.space.dimension)
        return cls.of_vectors(vectors, BaseTag.of_state(base.state), kind.snr_db)

    @classmethod
    def of_file(cls, path: Path | str, contract: ModelContract) -> SharedEntries:
        """Of a global base's file, as `of_base`.

        Raises:
            KnowledgeError: the file cannot be read, or is for another model.
        """
        with KnowledgeBase(path, contract) as base:
            return cls.of_base(base, contract)

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def k(self) -> int:
        """Symbols of an entry."""
        return self.symbols.shape[1]

    def nearest(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The entry that each item's features are nearest to.

        Args:
            features: complex64 (items, k), of mean power 1 a symbol, made for `snr_db`.

        Returns:
            int64 (items,), numbers of entries; float64 (items,), cosines, -1 to 1.

        Raises:
            ContractError: the features have another shape.
        """
        if features.ndim != 2 or features.shape[1] != self.k:
            raise ContractError(f"features of shape {features.shape} are compared with entries of {self.k} symbols.")
        wide = np.ascontiguousarray(features, np.complex64).view(np.float32)
        entries = self.symbols.view(np.float32)
        best, similarity = np.zeros(len(wide), np.int64), np.full(len(wide), -np.inf)
        step = max(1, _SCORES // max(len(wide), 1))
        for first in range(0, len(entries), step):
            found = wide @ entries[first : first + step].T
            place = found.argmax(axis=1)
            value = found[np.arange(len(wide)), place]
            better = value > similarity
            best[better], similarity[better] = first + place[better], value[better]
        return best, np.clip(similarity / self.k, -1.0, 1.0)
