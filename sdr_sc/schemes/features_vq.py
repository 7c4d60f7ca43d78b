# SPDX-License-Identifier: GPL-3.0-or-later
"""The student's features, vector-quantised and entropy-coded, LDPC and QAM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.distill.split import held_out
from sdr_sc.schemes.answers.vector import VectorQuantiser, fit
from sdr_sc.schemes.digital.grouped import Decoded, GroupedScheme
from sdr_sc.schemes.model_files import sizes_of_model
from sdr_sc.semantic.inference import SemanticEncoder, unit_power
from sdr_sc.semantic.model_items import load_items

K_LIST = (1, 2, 4, 8, 16, 32)
CELLS = (8, 10, 16, 32, 64)
FEATURES = (2, 4)
"""Complex features of an item that are quantised together."""
_PRICES = (0.0, 0.01)
TRAINING_IMAGES, VALIDATION_IMAGES = 8_000, 5_000
_CHUNK, _SEED = 250, 1


@dataclass(frozen=True)
class VectorSource:
    """See `sdr_sc.schemes.digital.grouped.Source`.

    Attributes:
        encoder: the student's.
        features: complex features of an item.
        quantiser: of these.
        accuracy: on held-out images.
        item_bits: on held-out images.
    """

    encoder: SemanticEncoder
    features: int
    quantiser: VectorQuantiser
    accuracy: float
    item_bits: float

    @property
    def name(self) -> str:
        """Such as ``4 features, 16 cells``."""
        return f"{self.features} features, {len(self.quantiser.chances)} cells, price {self.quantiser.price:g}"

    def encode(self, images: np.ndarray) -> np.ndarray:
        """uint8 (bits,) of 0 and 1."""
        return self.quantiser.encode(prefix(all_features(self.encoder, images), self.features))

    def decode(self, bits: np.ndarray, items: int) -> Decoded | None:
        """The chances of a cell's classes, and its centroid; None where the bits are none of a message."""
        try:
            found = self.quantiser.decode(bits, items)
        except ValueError:
            return None
        return Decoded(self.quantiser.posterior[found], self.quantiser.centroids[found])


class VectorScheme(GroupedScheme):
    """Cells of vector quantisers fitted on training images, when the scheme is made: of several numbers of features and
    cells, those that no other betters in both bits and accuracy.

    A cell's answer is the class that most of its training images have. No decoder that is given the cell alone can do
    better, so that none is fitted.

    Args:
        model: a student's file or name.
        name: what results call it.
        target: see `GroupedScheme`.
        data_set: that it is for.
    """

    def __init__(self, model: str | Path, name: str, target: int = 0, data_set: str = DEFAULT_DATA_SET) -> None:
        self._encoder = SemanticEncoder(model)
        self._sizes = sizes_of_model(model)
        data = load_items(data_set, "train")
        super().__init__(name, _sources(self._encoder, data), K_LIST, target)

    def describe(self) -> dict[str, Any]:
        """Model, code, sizes, and what the quantisers cost and are worth."""
        contract = self._encoder.contract
        return {
            "scheme": self.name,
            "kind": "vector-quantised features, range coder + LDPC + QAM",
            "model": contract.name,
            "model_id": contract.model_id,
            **self.describe_sources(),
            "sizes": self._sizes,
        }


def _sources(encoder: SemanticEncoder, data: ImageSet) -> list[VectorSource]:
    training, held = held_out(len(data), min(VALIDATION_IMAGES, len(data) // 4), seed=_SEED)
    training = training[:TRAINING_IMAGES]
    known, wanted = all_features(encoder, data.images[training]), all_features(encoder, data.images[held])
    found = []
    for features in sorted({min(one, encoder.contract.k_max) for one in FEATURES}):
        samples, truth = prefix(known, features), prefix(wanted, features)
        for price in _PRICES:
            for cells in CELLS:
                classes = len(encoder.contract.class_names)
                quantiser = fit(samples, data.labels[training], classes, cells, price, _SEED)
                index = quantiser.index(truth)
                bits = float(-np.log2(quantiser.chances[index].astype(np.float64)).mean())
                share = float((quantiser.posterior[index].argmax(axis=1) == data.labels[held]).mean())
                found.append(VectorSource(encoder, features, quantiser, share, max(bits, 0.1)))
    found.sort(key=lambda one: (one.item_bits, -one.accuracy))
    best, kept = 0.0, []
    for one in found:
        if one.accuracy > best:
            best = one.accuracy
            kept.append(one)
    return kept[-32:]


def all_features(encoder: SemanticEncoder, images: np.ndarray) -> np.ndarray:
    """complex64 (n, k_max): features for the best channel, as quantisation is little noise."""
    best_db, k_max = encoder.contract.training_snr_db[1], encoder.contract.k_max
    parts = [images[first : first + _CHUNK] for first in range(0, len(images), _CHUNK)]
    return np.concatenate([encoder.encode(part, best_db, k_max) for part in parts])


def prefix(features: np.ndarray, count: int) -> np.ndarray:
    """float32 (n, 2 * count): the first features of each item at mean power 1."""
    return unit_power(np.ascontiguousarray(features[:, :count], np.complex64).view(np.float32))[0]
