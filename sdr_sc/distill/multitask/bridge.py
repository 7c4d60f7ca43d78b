# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge from a picture model's vectors to a text model's: a ridge regression from pictures to their names.

The two models were trained apart and are not changed; what is learned is this one linear map, on training drawings
alone. It knows the pictures that it was fitted on, and is no model that compares any picture with any text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.semantic.gallery import unit_rows

RIDGES = tuple(float(f"{10.0**power:.3g}") for power in np.arange(-5.0, 0.6, 0.5))
"""That are tried, as a share of the pictures' mean variance in a dimension."""
FOLDS = 5


@dataclass(frozen=True)
class Bridge:
    """A map between two spaces.

    Attributes:
        centre: float32 (pictures' dimensions,), their mean.
        weights: float32 (pictures' dimensions, texts' dimensions).
        offset: float32 (texts' dimensions,), the texts' mean.
        ridge: that it was fitted with, one of `RIDGES`.
    """

    centre: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    ridge: float

    def across(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures' vectors (n, dimensions) in the texts' space: float32, of unit length."""
        return unit_rows((pictures - self.centre) @ self.weights + self.offset)


def fit_bridges(pictures: np.ndarray, texts: np.ndarray, ridges: Sequence[float] = RIDGES) -> list[Bridge]:
    """Ridge regressions, one for each weight of the penalty.

    Args:
        pictures: (n, dimensions), of unit length.
        texts: (n, dimensions), of the pictures' names, of unit length.

    >>> rng = np.random.default_rng(1)
    >>> pictures, turn = rng.normal(size=(200, 4)), rng.normal(size=(4, 3))
    >>> bridge, _ = fit_bridges(pictures, pictures @ turn, (1e-6, 1.0))
    >>> bool(np.allclose(bridge.across(pictures), unit_rows(pictures @ turn), atol=1e-3))
    True
    """
    centre, offset = pictures.mean(axis=0, dtype=np.float64), texts.mean(axis=0, dtype=np.float64)
    x, y = pictures - centre, texts - offset
    values, directions = np.linalg.eigh(x.T @ x / len(x))
    turned, mean_variance = directions.T @ (x.T @ y / len(x)), float(values.mean())
    return [
        Bridge(
            centre.astype(np.float32),
            (directions @ (turned / (values + ridge * mean_variance)[:, None])).astype(np.float32),
            offset.astype(np.float32),
            ridge,
        )
        for ridge in ridges
    ]


def best_bridge(bridges: Sequence[Bridge], quality: Callable[[Bridge], float]) -> Bridge:
    """The one of the highest quality, on items that none of them was fitted on."""
    return max(bridges, key=quality)


def across_in_turns(pictures: np.ndarray, texts: np.ndarray, groups: np.ndarray, ridge: float) -> np.ndarray:
    """Training pictures in the texts' space, each by a bridge that was fitted without any picture of its origin: what
    the bridge makes of pictures that it does not know, as of all others.

    Args:
        pictures, texts: as of `fit_bridges`.
        groups: int (n,), alike for pictures of one origin.
        ridge: of the bridges.

    Returns:
        float32 (n, texts' dimensions), of unit length.
    """
    origins, of_item = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(1).permutation(len(origins))[of_item] % FOLDS
    found = np.empty_like(texts, dtype=np.float32)
    for number in range(FOLDS):
        own = fold == number
        (bridge,) = fit_bridges(pictures[~own], texts[~own], (ridge,))
        found[own] = bridge.across(pictures[own])
    return found


@dataclass(frozen=True)
class Found:
    """How well pictures and names find each other, of a part's items.

    Attributes:
        ranks: int (items,), how many names of the gallery are nearer to a picture than its own; 0 is best.
        names: entries of the gallery.
        back_ranks: int (names,), how many pictures of others are nearer to a name than the nearest of its own.
    """

    ranks: np.ndarray
    names: int
    back_ranks: np.ndarray

    @property
    def mean_reciprocal_rank(self) -> float:
        """Of the own names: 1 where each is the first."""
        return float(np.mean(1.0 / (1 + self.ranks)))


def find_each_other(pictures: np.ndarray, entries: np.ndarray, gallery: np.ndarray) -> Found:
    """Rank names by pictures, and pictures by names.

    Args:
        pictures: (items, dimensions) in the texts' space, of unit length.
        entries: int (items,), places in the gallery.
        gallery: (names, dimensions), of unit length; each has an item.

    >>> found = find_each_other(np.eye(3)[[0, 0, 1]], np.array([0, 1, 1]), np.eye(3)[:2])
    >>> found.ranks.tolist(), found.back_ranks.tolist(), found.names
    ([0, 1, 0], [0, 0], 2)
    """
    cosine = pictures @ gallery.T
    own = np.take_along_axis(cosine, entries[:, None], axis=1)
    ranks = (cosine > own).sum(axis=1)
    is_own = entries[:, None] == np.arange(len(gallery))
    nearest = np.where(is_own, cosine, -np.inf).max(axis=0)
    return Found(ranks, len(gallery), ((cosine > nearest) & ~is_own).sum(axis=0))
