# SPDX-License-Identifier: GPL-3.0-or-later
"""Small colour pictures of cut-out drawings on random backgrounds: any number of them from one drawing, by seed.

All is done in numpy, so that the pixels do not depend on the version of a library for images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SOURCE_SIDE, LARGER_SOURCE_SIDE = 64, 128
"""Of a drawing, pixels: large enough for pictures of half of it; those of packages have 128, or are rendered so."""


@dataclass(frozen=True)
class Composing:
    """How drawings are put into pictures.

    Attributes:
        side: of a picture, pixels.
        scale: of the drawing's side over the picture's, from and to.
        degrees: largest turn, either way.
        shift: largest move each way, as a share of the picture's side.
        finer: samples a pixel, each way, of which the mean is taken.
        source_side: pixels that the drawing is taken with.
    """

    side: int = 32
    scale: tuple[float, float] = (0.7, 1.0)
    degrees: float = 15.0
    shift: float = 0.1
    finer: int = 2
    source_side: int = SOURCE_SIDE

    @classmethod
    def of(cls, side: int) -> Composing:
        """The usual ranges for pictures of a size; drawings are taken with as many pixels as it needs.

        >>> [(how.finer, how.source_side) for how in map(Composing.of, (32, 64, 160))]
        [(2, 64), (2, 128), (1, 128)]
        """
        if side <= SOURCE_SIDE // 2:
            return cls(side)
        return cls(side, finer=2 if side < LARGER_SOURCE_SIDE else 1, source_side=LARGER_SOURCE_SIDE)


def fitted(drawing: np.ndarray, source_side: int = SOURCE_SIDE) -> np.ndarray:
    """A drawing in the middle of a square, its colours weighted by its opacity.

    Args:
        drawing: uint8 (height, width, 4): red, green, blue, opacity.
        source_side: of the square, pixels.

    Returns:
        float32 (source_side, source_side, 4), 0 to 1: each pixel the mean over the area that it covers.
    """
    values = drawing.astype(np.float32) / 255
    values[..., :3] *= values[..., 3:]
    height, width = values.shape[:2]
    side = max(height, width)
    square = np.zeros((4, side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = values.transpose(2, 0, 1)
    shares = area_shares(side, source_side)
    return np.ascontiguousarray(resampled(square, shares, shares).transpose(1, 2, 0))


@lru_cache(maxsize=8)
def area_shares(of: int, into: int) -> np.ndarray:
    """How much of each of ``of`` pixels lies in each of ``into``: float32 (into, of), rows of sum 1.

    >>> area_shares(3, 2).astype(float).round(3).tolist()
    [[0.667, 0.333, 0.0], [0.0, 0.333, 0.667]]
    """
    edges = np.arange(into + 1) * (of / into)
    pixels = np.arange(of)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(covered, 0, None) * (into / of)).astype(np.float32)


def resampled(pictures: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Pictures whose rows and columns are weighted means of others.

    It is computed in float64: the order in which BLAS adds depends on threads and processor, and with float32 one pixel
    of 100,000 differed by it.

    Args:
        pictures: of any numbers, (..., height, width).
        rows: float32 (new height, height), weights; ``columns`` likewise of widths.

    Returns:
        float32 (..., new height, new width).
    """
    double = (rows.astype(np.float64), pictures.astype(np.float64), columns.astype(np.float64).T)
    return (double[0] @ double[1] @ double[2]).astype(np.float32)


def compose(drawings: np.ndarray, how: Composing, seeds: np.ndarray) -> np.ndarray:
    """Pictures of drawings, one of each. A seed gives the same picture at any size: no draw depends on the side.

    Args:
        drawings: float32 (n, source_side, source_side, 4), of `fitted`.
        how: sizes and ranges.
        seeds: int64 (n, words): of each picture; the same one gives the same picture, whatever else is asked for.

    Returns:
        uint8 (n, 3, side, side): red, green, blue.
    """
    pictures = np.empty((len(drawings), 3, how.side, how.side), np.uint8)
    for place, (drawing, seed) in enumerate(zip(drawings, seeds, strict=True)):
        rng = np.random.default_rng([int(word) for word in seed])
        ground = _background(how.side, rng)
        over = _placed(drawing, how, rng)
        mixed = over[..., :3] + ground * (1 - over[..., 3:])
        pictures[place] = np.rint(255 * np.clip(mixed, 0, 1)).astype(np.uint8).transpose(2, 0, 1)
    return pictures


def _background(side: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (side, side, 3): a slope between two colours in any direction, with blurred spots."""
    colours = rng.random((2, 3), np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    across = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    slope = np.clip(0.5 + math.cos(angle) * across[:, None] + math.sin(angle) * across, 0, 1)[..., None]
    spots = rng.standard_normal((5, 5, 3), np.float32) * np.float32(rng.uniform(0, 0.15))
    shares = _tent_shares(side, 5)
    blurred = resampled(spots.transpose(2, 0, 1), shares, shares).transpose(1, 2, 0)
    return np.clip(colours[0] * (1 - slope) + colours[1] * slope + blurred, 0, 1).astype(np.float32)


@lru_cache(maxsize=8)
def _tent_shares(side: int, points: int) -> np.ndarray:
    """Weights of linear interpolation between points: float32 (side, points)."""
    place = np.linspace(0, points - 1, side)[:, None]
    return np.clip(1 - np.abs(place - np.arange(points)), 0, None).astype(np.float32)


def _placed(drawing: np.ndarray, how: Composing, rng: np.random.Generator) -> np.ndarray:
    """The drawing scaled, turned and moved: float32 (side, side, 4), opacity last."""
    scale = rng.uniform(*how.scale)
    angle = math.radians(rng.uniform(-how.degrees, how.degrees))
    moved = rng.uniform(-how.shift, how.shift, 2)
    fine = how.side * how.finer
    across = (np.arange(fine) + 0.5) / fine - 0.5
    rows, columns = across[:, None] - moved[0], across[None, :] - moved[1]
    size = len(drawing)
    from_row = ((math.cos(angle) * rows - math.sin(angle) * columns) / scale + 0.5) * size - 0.5
    from_column = ((math.sin(angle) * rows + math.cos(angle) * columns) / scale + 0.5) * size - 0.5
    taken = _sampled(drawing, from_row.astype(np.float32), from_column.astype(np.float32))
    finer = taken.reshape(how.side, how.finer, how.side, how.finer, 4)
    samples = [finer[:, row, :, column] for row in range(how.finer) for column in range(how.finer)]
    return sum(samples[1:], samples[0]) * np.float32(1 / how.finer**2)


def _sampled(drawing: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Linear interpolation at places, nothing outside: float32 (*places, 4)."""
    size = len(drawing)
    padded = np.zeros((size + 2, size + 2, 4), np.float32)
    padded[1:-1, 1:-1] = drawing
    rows, columns = np.clip(rows, -1, size) + 1, np.clip(columns, -1, size) + 1
    top, left = np.minimum(rows.astype(np.int32), size), np.minimum(columns.astype(np.int32), size)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    flat, first = padded.reshape(-1, 4), top * (size + 2) + left
    corners = [flat.take(first + step, axis=0) for step in (0, 1, size + 2, size + 3)]
    upper = corners[0] + (corners[1] - corners[0]) * right
    lower = corners[2] + (corners[3] - corners[2]) * right
    return upper + (lower - upper) * down
