# SPDX-License-Identifier: GPL-3.0-or-later
"""Scalar quantisers of Lloyd and Max, one for each component of a feature vector."""

from __future__ import annotations

import numpy as np

ITERATIONS = 30


class Quantiser:
    """Levels for each component, the best for the samples by mean square error (S. P. Lloyd, "Least squares
    quantization in PCM", IEEE Trans. Inf. Theory 28 (1982) 129-137).

    Args:
        samples: float (n, components).
        bits: of a component, 1..8.

    Attributes:
        levels: float32 (components, 2**bits), rising.
        error: mean square error over the samples.

    >>> samples = np.random.default_rng(1).standard_normal((20_000, 1))
    >>> round(Quantiser(samples, 2).error, 2)
    0.12
    """

    def __init__(self, samples: np.ndarray, bits: int) -> None:
        self.bits, count = bits, 1 << bits
        shares = (np.arange(count) + 0.5) / count
        ordered = np.sort(samples, axis=0)
        sums = np.concatenate((np.zeros((1, samples.shape[1])), np.cumsum(ordered, axis=0, dtype=np.float64)))
        self.levels = np.quantile(samples, shares, axis=0).T.astype(np.float32)
        for levels, values, sum_ in zip(self.levels, ordered.T, sums.T, strict=True):
            for _ in range(ITERATIONS):
                edges = np.searchsorted(values, (levels[1:] + levels[:-1]) / 2)
                bounds = np.concatenate(([0], edges, [len(values)]))
                hits = np.diff(bounds)
                used = hits > 0
                levels[used] = np.diff(sum_[bounds])[used] / hits[used]
        self.error = float(np.mean((self.values(self.index(samples)) - samples) ** 2))

    def index(self, values: np.ndarray) -> np.ndarray:
        """int64 (n, components): the nearest level of each."""
        edges = (self.levels[:, 1:] + self.levels[:, :-1]) / 2
        return np.stack([np.searchsorted(edges[c], values[:, c]) for c in range(values.shape[1])], axis=1)

    def values(self, index: np.ndarray) -> np.ndarray:
        """float32 (n, components)."""
        return np.take_along_axis(self.levels, index.T, axis=1).T
