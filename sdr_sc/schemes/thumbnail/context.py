# SPDX-License-Identifier: GPL-3.0-or-later
"""A context model of thumbnails: chances of a pixel's levels from those before it, by a small network.

The inputs are 32 neighbours above and to the left, three pixels of the same row mirrored at the image's middle, as
clothes are symmetric, and the place. Both ends of a link have to come to the same chances to the last bit: sums are
taken in a fixed order (`sdr_sc.phy.linear`), and powers of two are a polynomial of our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from sdr_sc.phy.linear import matmul

NEIGHBOURS = (
    *((0, column) for column in range(-5, 0)),
    *((-1, column) for column in range(-5, 6)),
    *((-2, column) for column in range(-4, 5)),
    *((-3, column) for column in range(-3, 4)),
)
"""Row and column, relative to the pixel, in the order of the inputs."""
MIRRORED = (-1, 0, 1)
MARGIN = 5


@dataclass(frozen=True)
class ContextModel:
    """Weights, float32.

    Attributes:
        side: of the thumbnails.
        levels: how many a pixel has.
        layers: weight (inputs, outputs) and bias (outputs,) of each layer, ReLU between; the last one's outputs are the
            logarithms of chances to base 2, up to a constant.
    """

    side: int
    levels: int
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def chances(self, padded: np.ndarray, places: np.ndarray) -> np.ndarray:
        """float32 (n * places, levels), each row's sum 1: item by item.

        Args:
            padded: float32 (n, side + MARGIN, side + 2 * MARGIN), see `padded`; what stands after a place is not looked
                at.
            places: int (places,), pixels of an image in the order of rows.
        """
        values = inputs(padded, places, self.side).reshape(-1, len(self.layers[0][0]))
        for place, (weight, bias) in enumerate(self.layers):
            values = matmul(values, weight) + bias
            if place < len(self.layers) - 1:
                np.maximum(values, 0, out=values)
        return _shares(values)


def padded(index: np.ndarray, levels: int) -> np.ndarray:
    """float32 (n, side + MARGIN, side + 2 * MARGIN): levels (n, side, side) scaled to 0..1, with zeros above and
    beside."""
    n, side, _ = index.shape
    out = np.zeros((n, side + MARGIN, side + 2 * MARGIN), np.float32)
    out[:, MARGIN:, MARGIN:-MARGIN] = index / np.float32(levels - 1)
    return out


def inputs(padded: np.ndarray, places: np.ndarray, side: int) -> np.ndarray:
    """float32 (n, places, inputs) of the network, see `ContextModel.chances`."""
    around, known, where = _geometry(side)
    flat = padded.reshape(len(padded), -1)
    near = flat[:, around[places]] * known[places]
    return np.concatenate((near, np.broadcast_to(where[places], (len(padded), len(places), where.shape[1]))), axis=2)


@lru_cache(maxsize=16)
def _geometry(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel: places of its inputs in a padded image, which of them are known, and the inputs that tell its
    own."""
    width = side + 2 * MARGIN
    row, column = (values.ravel()[:, None] for values in np.mgrid[0:side, 0:side])
    offsets = np.array(NEIGHBOURS)
    near = (row + MARGIN + offsets[:, 0]) * width + column + MARGIN + offsets[:, 1]
    mirrored = side - 1 - column + np.array(MIRRORED)
    is_known = (mirrored < column) & (mirrored >= 0)
    opposite = (row + MARGIN) * width + np.where(is_known, mirrored, 0) + MARGIN
    known = np.concatenate((np.ones(near.shape), is_known), axis=1).astype(np.float32)
    numbers = np.arange(side)
    where = np.concatenate((row == numbers, column == numbers, is_known[:, 1:2]), axis=1).astype(np.float32)
    return np.concatenate((near, opposite), axis=1), known, where


def inputs_of(side: int) -> int:
    """How many inputs the network has."""
    return len(NEIGHBOURS) + len(MIRRORED) + 2 * side + 1


@njit(cache=True, nogil=True)
def _shares(values: np.ndarray) -> np.ndarray:
    """2 to the power of float32 (n, levels), over the sum of each row."""
    n, levels = values.shape
    out = np.empty_like(values)
    for i in range(n):
        largest = values[i, 0]
        for j in range(1, levels):
            largest = max(largest, values[i, j])
        total = np.float32(0.0)
        for j in range(levels):
            power = max(values[i, j] - largest, np.float32(-24.0))
            whole = np.floor(power)
            part = (power - whole) * np.float32(0.6931471805599453)
            term, share = np.float32(1.0), np.float32(1.0)
            for k in range(1, 8):  # the series of exp, enough for float32
                term = term * part / np.float32(k)
                share += term
            for _ in range(int(-whole)):
                share *= np.float32(0.5)
            out[i, j] = share
            total += share
        for j in range(levels):
            out[i, j] /= total
    return out
