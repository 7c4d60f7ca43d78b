# SPDX-License-Identifier: GPL-3.0-or-later
"""Regression of many targets from many columns, dense or sparse, and the few numbers that it is best made of."""

from __future__ import annotations

from typing import Any

import numpy as np

Values = Any
"""A matrix: an array, a sparse one of scipy's, or a linear operator of its."""

_ITERATIONS, _ENOUGH = 40, 1e-4


def ridge(x: Values, y: np.ndarray, penalty: float, enough: float = _ENOUGH, scale: float | None = None) -> np.ndarray:
    """Ridge regression of many targets by conjugate gradients: float32 (columns of x, columns of y).

    Args:
        x: (n, columns).
        y: float32 (n, targets), around their mean.
        penalty: in units of ``scale``.
        enough: part of the first residual's length at which each target is done.
        scale: None for the mean of an item's squared length; needed where x is a linear operator of scipy's.

    >>> rng = np.random.default_rng(1)
    >>> x, wanted = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    >>> bool(np.allclose(ridge(x, x @ wanted, 1e-6), wanted, atol=1e-3))
    True
    """
    if scale is None:
        scale = float(np.square(x).sum() if isinstance(x, np.ndarray) else x.multiply(x).sum()) / x.shape[0]
    back = x.T.tocsr() if hasattr(x, "tocsr") else x.T
    found = np.zeros((x.shape[1], y.shape[1]), np.float32)
    rest = np.asarray(back @ y, np.float32)
    direction, size = rest.copy(), np.square(rest).sum(axis=0)
    first = np.maximum(size, 1e-30)
    for _ in range(_ITERATIONS):
        ahead = np.asarray(back @ (x @ direction), np.float32) + np.float32(penalty * scale) * direction
        step = size / np.maximum((direction * ahead).sum(axis=0), 1e-30)
        found += step * direction
        rest -= step * ahead
        before, size = size, np.square(rest).sum(axis=0)
        if bool((size < enough**2 * first).all()):
            break
        direction = rest + size / np.maximum(before, 1e-30) * direction
    return found


def reduced_rank(x: Values, weights: np.ndarray, count: int) -> np.ndarray:
    """The numbers that a regression's guesses of the targets are best made of, those of most variance first: float32
    (columns of x, count), fewer where there are fewer targets.

    Args:
        weights: float32 (columns of x, targets), of `ridge`.
    """
    guess = np.asarray(x @ weights, np.float64)
    guess -= guess.mean(axis=0)
    values, axes = np.linalg.eigh(guess.T @ guess)
    return np.asarray(weights @ axes[:, np.argsort(-values)[:count]], np.float32)
