# SPDX-License-Identifier: GPL-3.0-or-later
"""What one training gains over another on the same images and noise draws, with an interval over images and seeds.

The right and wrong answers themselves are kept, a bit each, so that every interval can be computed again.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.documents import whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import Z_95, Row

MOST_ITEMS = 10_000_000
"""Whose answers a file may keep."""


@dataclass(frozen=True)
class PairedGain:
    """Accuracy of one scheme less that of another.

    Attributes:
        points: the gain, points of per cent.
        ci95: over images and seeds, points; over the images alone where there is one seed.
        by_seed: the gain with each seed, points.
        only_one, only_other: how often only the one, and only the other is right (the cells of McNemar's test), over
            all images and seeds.
        images: images of each seed.
    """

    points: float
    ci95: tuple[float, float]
    by_seed: tuple[float, ...]
    only_one: int
    only_other: int
    images: int

    def row(self, name: str, at_least: float | None = None) -> Row:
        """As a row of a table, with a goal if there is one."""
        count = self.images * len(self.by_seed)
        if at_least is None:
            return Row(name, self.points, "points", n=count, ci95=self.ci95, samples=self.by_seed)
        row = Row.at_least(name, self.points, "points", at_least, count, self.ci95)
        return Row(row.name, row.value, row.unit, row.goal, row.ok, row.n, row.ci95, self.by_seed)


def paired_gain(one: np.ndarray, other: np.ndarray) -> PairedGain:
    """Compare two schemes image by image.

    Images and seeds are crossed: all seeds answer the same images. The interval is that of the mean of a two-way table
    with random rows and columns, one value a cell (Cornfield and Tukey, Ann. Math. Stat. 27 (1956) 907-949): its
    variance is (MS_seeds + MS_images - MS_rest) / (seeds images), its degrees of freedom Satterthwaite's. With few
    seeds that differ it is wide, which a bootstrap over three seeds would not be.

    Args:
        one, other: bool (seeds, images), whether each answer is right, for the same images, noise and seeds.

    Raises:
        ValueError: the shapes differ, or there are no two images.
    """
    first, second = np.atleast_2d(np.asarray(one, bool)), np.atleast_2d(np.asarray(other, bool))
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < 2 or not first.shape[0]:
        raise ValueError(f"answers of shape {first.shape} and {second.shape} cannot be paired")
    gain = first.astype(float) - second
    seeds, images = gain.shape
    mean = float(gain.mean())
    by_seed, by_image = gain.mean(axis=1), gain.mean(axis=0)
    ms_images = seeds * float(np.sum((by_image - mean) ** 2)) / (images - 1)
    if seeds == 1:
        half = Z_95 * math.sqrt(ms_images / images)
    else:
        ms_seeds = images * float(np.sum((by_seed - mean) ** 2)) / (seeds - 1)
        rest = gain - by_seed[:, None] - by_image + mean
        ms_rest = float(np.sum(rest**2)) / ((seeds - 1) * (images - 1))
        half = _half_width(ms_seeds, ms_images, ms_rest, seeds, images)
    low, high = 100 * (mean - half), 100 * (mean + half)
    return PairedGain(
        points=100 * mean,
        ci95=(low, high),
        by_seed=tuple(float(100 * value) for value in by_seed),
        only_one=int(np.count_nonzero(first & ~second)),
        only_other=int(np.count_nonzero(second & ~first)),
        images=images,
    )


def _half_width(ms_seeds: float, ms_images: float, ms_rest: float, seeds: int, images: int) -> float:
    from scipy.special import stdtrit  # here: a start-up of the command must not wait for scipy

    # Never below what images or seeds alone would give: a difference of mean squares may come out too small by chance.
    total = max(ms_seeds + ms_images - ms_rest, ms_images, ms_seeds)
    squares = ((ms_seeds, seeds - 1), (ms_images, images - 1), (ms_rest, (seeds - 1) * (images - 1)))
    spread = sum(square**2 / freedom for square, freedom in squares)
    freedom = total**2 / spread if spread else math.inf
    quantile = float(stdtrit(freedom, 0.975)) if math.isfinite(freedom) else Z_95
    return quantile * math.sqrt(total / (seeds * images))


def pack(right: np.ndarray) -> str:
    """Right answers, bool (images,), as text: base64 of their bits, the first image in the highest.

    >>> pack(np.array([True, False, True])), unpack("oA==", 3)
    ('oA==', array([ True, False,  True]))
    """
    return base64.b64encode(np.packbits(np.asarray(right, bool)).tobytes()).decode()


def unpack(text: object, images: int) -> np.ndarray:
    """What `pack` packed, bool (images,).

    Raises:
        SdrScError: it is no such text, or of another number of images.
    """
    try:
        raw = base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != -(-images // 8):
        raise SdrScError(f"the kept answers are not those of {images} images; measure them again.")
    return np.unpackbits(np.frombuffer(raw, np.uint8), count=images).astype(bool)


def packed(right: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Right answers by name, as JSON keeps them: ``{"items": ..., "right": ...}`` each.

    >>> unpacked(packed({"a": np.array([True, False])}), "x")["a"].tolist()
    [True, False]
    """
    return {name: {"items": len(one), "right": pack(one)} for name, one in right.items()}


def unpacked(kept: object, source: str) -> dict[str, np.ndarray]:
    """What `packed` packed, from a file; nothing of a file that keeps no answers.

    Args:
        kept: from JSON.
        source: what errors call the file.

    Raises:
        SdrScError: it is no such thing.
    """
    found = {} if kept is None else kept
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise SdrScError(f"{source} holds no answers that can be read; measure it again.")
    result = {}
    for name, one in found.items():
        items = whole_number(one.get("items"), 0, MOST_ITEMS)
        if items is None:
            raise SdrScError(f"{source} holds no answers that can be read; measure it again.")
        result[str(name)] = unpack(one.get("right"), items)
    return result
