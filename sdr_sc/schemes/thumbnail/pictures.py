# SPDX-License-Identifier: GPL-3.0-or-later
"""Images made small and coarse: antialiased thumbnails whose pixels have a few levels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdr_sc.phy.linear import matmul

_ITERATIONS = 100


@lru_cache(maxsize=32)
def shrinking(old: int, new: int) -> np.ndarray:
    """float64 (new, old): rows sum to 1; a triangle as wide as two new pixels, as Pillow's antialiased bilinear filter.

    >>> shrinking(4, 2).round(3).tolist()
    [[0.429, 0.429, 0.143, 0.0], [0.0, 0.143, 0.429, 0.429]]
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    distance = np.abs(np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.maximum(1.0 - distance, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def thumbnails(images: np.ndarray, side: int) -> np.ndarray:
    """uint8 (n, side, side), rounded, of uint8 images (n, height, width)."""
    n, height, width = images.shape
    rows = images.reshape(-1, width).astype(np.float64)
    narrow = matmul(rows, np.ascontiguousarray(shrinking(width, side).T)).reshape(n, height, side)
    turned = np.ascontiguousarray(narrow.transpose(0, 2, 1)).reshape(-1, height)
    small = matmul(turned, np.ascontiguousarray(shrinking(height, side).T)).reshape(n, side, side)
    return np.rint(small.transpose(0, 2, 1)).astype(np.uint8)


def lloyd_levels(pixels: np.ndarray, count: int) -> np.ndarray:
    """float64 (count,), rising: the levels of least mean square error (S. P. Lloyd, "Least squares quantization in
    PCM", IEEE Trans. Inf. Theory 28 (1982) 129-137) for uint8 pixels.

    >>> lloyd_levels(np.array([0, 0, 9, 11, 200], np.uint8), 3).tolist()
    [0.0, 10.0, 200.0]
    """
    values, hits = np.unique(pixels, return_counts=True)
    ordered = np.cumsum(hits) / hits.sum()
    first = values[np.minimum(np.searchsorted(ordered, (np.arange(count) + 0.5) / count), len(values) - 1)]
    levels = np.unique(first).astype(np.float64)
    while len(levels) < count:  # a value that many pixels have takes several quantiles: split the widest gaps
        gaps = np.diff(np.append(levels, 255.0))
        place = int(np.argmax(gaps))
        levels = np.insert(levels, place + 1, levels[place] + gaps[place] / 2)
    for _ in range(_ITERATIONS):
        nearest = np.abs(values[:, None] - levels).argmin(axis=1)
        weight = np.bincount(nearest, hits, count)
        levels = np.where(weight > 0, np.bincount(nearest, hits * values, count) / np.maximum(weight, 1), levels)
    return np.sort(levels)


def quantised(pixels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """uint8, shape of the pixels: the nearest level of each, the lower of two."""
    table = np.abs(np.arange(256)[:, None] - levels).argmin(axis=1).astype(np.uint8)
    return table[pixels]
