# SPDX-License-Identifier: GPL-3.0-or-later
"""The vectors of a base by default: a model's feature symbols of an item, as it sends them, without noise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.inference import SemanticEncoder
from sdr_sc.semantic.knowledge.interface import VectorSpace
from sdr_sc.semantic.knowledge.storage.state import encoder_checksum
from sdr_sc.shown import shown

USUAL_SNR_DB = 10.0
_NAME = re.compile(r"features k=([0-9]{1,5}) at (-?[0-9.]{1,8}) dB")


@dataclass(frozen=True)
class FeatureVectors:
    """Which of a model's features are vectors: real and imaginary parts in turn, so 2 k numbers.

    Features are nested: what arrives of fewer symbols is compared with the first numbers of each vector.

    Attributes:
        k: feature symbols.
        snr_db: that they are made for, dB.
    """

    k: int
    snr_db: float

    @property
    def name(self) -> str:
        """In a space of vectors.

        >>> FeatureVectors(32, 10.0).name, FeatureVectors.of_name("features k=32 at 10 dB")
        ('features k=32 at 10 dB', FeatureVectors(k=32, snr_db=10.0))
        """
        return f"features k={self.k} at {self.snr_db:g} dB"

    @classmethod
    def of_name(cls, name: str) -> FeatureVectors:
        """From the name of a space.

        Raises:
            KnowledgeError: it is another kind of space.
        """
        found = _NAME.fullmatch(name)
        try:
            return cls(int(found[1]), float(found[2]))  # type: ignore[index]
        except (TypeError, ValueError):
            raise KnowledgeError(
                f"vectors {shown(repr(name), 80)} are none that this program makes of items; use a program of its time."
            ) from None

    def space(self, contract: ModelContract) -> VectorSpace:
        """Of a model's vectors.

        Raises:
            ContractError: the model does not send k symbols.
        """
        contract.check_k(self.k)
        return VectorSpace(contract.model_id, encoder_checksum(contract), self.name, 2 * self.k)


def usual_vectors(contract: ModelContract) -> FeatureVectors:
    """All of a model's symbols, made for `USUAL_SNR_DB` or the nearest SNR of its training."""
    low, high = contract.training_snr_db
    return FeatureVectors(contract.k_max, min(max(USUAL_SNR_DB, low), high))


class FeatureMaker:
    """Items to vectors.

    Args:
        model: as of `SemanticEncoder`.
        vectors: None for the usual ones.
        threads: CPU threads.

    Raises:
        ContractError, MissingDependencyError: the model cannot be used.
    """

    def __init__(self, model: str | Path, vectors: FeatureVectors | None = None, threads: int = 1) -> None:
        self.encoder = SemanticEncoder(model, threads)
        self.contract = self.encoder.contract
        self.kind = usual_vectors(self.contract) if vectors is None else vectors
        self.space = self.kind.space(self.contract)

    def vectors(self, items: np.ndarray) -> np.ndarray:
        """Vectors of items.

        Args:
            items: uint8 (n, *item_shape).

        Returns:
            float32 (n, 2 k), of mean power 1 a symbol.

        Raises:
            ContractError: the items are none of the model, or it gives no numbers.
        """
        return as_vectors(self.encoder.encode(items, self.kind.snr_db, self.kind.k), self.space.dimension)


def as_vectors(features: np.ndarray, dimension: int) -> np.ndarray:
    """Feature symbols as vectors to search with, of which ``2 * features.shape[1]`` numbers are known.

    Args:
        features: complex64 (n, symbols), up to ``dimension / 2`` symbols.
        dimension: of the base's vectors.

    Returns:
        float32 (n, dimension), 0 after what is known.

    >>> as_vectors(np.array([[1 + 2j]], np.complex64), 4).tolist()
    [[1.0, 2.0, 0.0, 0.0]]
    """
    found = np.zeros((len(features), dimension), np.float32)
    found[:, : 2 * features.shape[1]] = np.ascontiguousarray(features, np.complex64).view(np.float32)
    return found
