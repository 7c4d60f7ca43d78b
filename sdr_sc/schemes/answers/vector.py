# SPDX-License-Identifier: GPL-3.0-or-later
"""Vector quantisers of a student's features, fitted on training images, and what their cells say of the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_sc.phy.linear import matmul
from sdr_sc.schemes.answers.tables import Reader, encode, shares

_ITERATIONS = 25


@dataclass(frozen=True)
class VectorQuantiser:
    """Cells of a feature space, entropy-coded; see `sdr_sc.schemes.digital.grouped.Source`, with features for images.

    Attributes:
        centroids: float32 (cells, values).
        chances: float32 (cells,), how often each is met.
        posterior: float32 (cells, classes), how often an item of a cell is of each class: the receiver's soft answer.
        price: what a bit costs in squared distance, for the choice of a cell.
    """

    centroids: np.ndarray
    chances: np.ndarray
    posterior: np.ndarray
    price: float

    def index(self, features: np.ndarray) -> np.ndarray:
        """int64 (n,): for float32 features (n, values) the cell of the least distance and price."""
        return _costs(features, self.centroids, self.price * -np.log2(self.chances)).argmin(axis=1)

    def encode(self, features: np.ndarray) -> np.ndarray:
        """uint8 (bits,) of 0 and 1."""
        return encode([(self.index(features), np.broadcast_to(self.chances, (len(features), len(self.chances))))])

    def decode(self, bits: np.ndarray, items: int) -> np.ndarray:
        """int64 (items,): the cells.

        Raises:
            ValueError: no message has such bits.
        """
        return Reader(bits).column(np.broadcast_to(self.chances, (items, len(self.chances))))


def fit(features: np.ndarray, labels: np.ndarray, classes: int, cells: int, price: float, seed: int) -> VectorQuantiser:
    """Entropy-constrained vector quantisation (P. A. Chou, T. Lookabaugh and R. M. Gray, IEEE Trans. Acoust., Speech,
    Signal Process. 37 (1989) 31-42); the first centroids are drawn by their distance (k-means++).

    Args:
        features: float32 (n, values).
        labels: int (n,), 0..classes - 1.
        cells: at most; those that no item falls into are left out.
        price: see `VectorQuantiser`; 0 for plain k-means.
    """
    rng = np.random.default_rng((seed, cells))
    centroids = _far_apart(features, cells, rng)
    chances = np.full(len(centroids), 1 / len(centroids))
    for _ in range(_ITERATIONS):
        found = _costs(features, centroids, price * -np.log2(chances)).argmin(axis=1)
        hits = np.bincount(found, minlength=len(centroids))
        sums = np.stack([np.bincount(found, column, len(centroids)) for column in features.T], axis=1)
        used = hits > 0
        centroids = (sums[used] / hits[used, None]).astype(np.float32)
        chances = hits[used] / hits.sum()
    found = _costs(features, centroids, price * -np.log2(chances)).argmin(axis=1)
    counts = np.zeros((len(centroids), classes))
    np.add.at(counts, (found, labels), 1)
    return VectorQuantiser(centroids, shares(counts.sum(axis=1)), shares(counts, 0.05), price)


def _far_apart(features: np.ndarray, cells: int, rng: np.random.Generator) -> np.ndarray:
    chosen = [features[rng.integers(len(features))]]
    nearest = np.full(len(features), np.inf)
    for _ in range(cells - 1):
        nearest = np.minimum(nearest, ((features - chosen[-1]) ** 2).sum(axis=1))
        if not nearest.sum() > 0:
            break
        chosen.append(features[rng.choice(len(features), p=nearest / nearest.sum())])
    return np.array(chosen, np.float32)


def _costs(features: np.ndarray, centroids: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Squared distances to all centroids, up to a constant of each row, and prices."""
    products = matmul(np.ascontiguousarray(features, np.float32), np.ascontiguousarray(centroids.T, np.float32))
    return (centroids**2).sum(axis=1) - 2 * products + prices.astype(np.float32)
