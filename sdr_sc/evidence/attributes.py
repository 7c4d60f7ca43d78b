# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that nobody trained the student for: attributes measured from the picture, beside the class.

Thresholds come from training images. An attribute *within its class* is above or below the median of its own class, so
that the class alone says nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdr_sc.errors import SdrScError

_INK = 0.1  # brightness above which a pixel is of the article
_LEAST = 1e-6
GROUPS = np.array([0, 1, 0, 0, 0, 2, 0, 2, 3, 2])
"""Of Fashion-MNIST's classes: tops and dresses, trousers, shoes, bags."""


def brightness(pixels: np.ndarray) -> np.ndarray:
    """Mean over the picture, float (n,), of pixels 0..1 (n, height, width)."""
    return pixels.mean(axis=(1, 2))


def width_over_height(pixels: np.ndarray) -> np.ndarray:
    """Of the box around the article."""
    ink = pixels > _INK
    return ink.any(axis=1).sum(axis=1) / np.maximum(ink.any(axis=2).sum(axis=1), 1)


def symmetry(pixels: np.ndarray) -> np.ndarray:
    """Correlation of the picture with its mirror image."""
    centred = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    power = np.maximum((centred**2).sum(axis=(1, 2)), _LEAST)
    return (centred * centred[:, :, ::-1]).sum(axis=(1, 2)) / power


def pattern(pixels: np.ndarray) -> np.ndarray:
    """Mean step between neighbouring pixels within the article, over its mean brightness."""
    ink = pixels > _INK
    inside = ink[:, :, 1:] & ink[:, :, :-1]
    steps = (np.abs(np.diff(pixels, axis=2)) * inside).sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)
    return steps / np.maximum((pixels * ink).sum(axis=(1, 2)) / np.maximum(ink.sum(axis=(1, 2)), 1), _LEAST)


MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brightness": brightness,
    "width over height": width_over_height,
    "symmetry": symmetry,
    "pattern": pattern,
}


@dataclass(frozen=True)
class LabelSet:
    """Labels of a task that came up after the student was trained.

    Attributes:
        name: of the task.
        train, test: int64, 0..levels - 1, of training and test pictures.
        levels: how many labels there are.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    levels: int


def label_sets(
    train: np.ndarray, train_classes: np.ndarray, test: np.ndarray, test_classes: np.ndarray
) -> list[LabelSet]:
    """All tasks: the class, its group, each measure in quarters, and each measure within its class in halves.

    Args:
        train, test: uint8 (n, height, width).
        train_classes, test_classes: int (n,).

    Raises:
        SdrScError: the pictures are not grey.
    """
    if train.ndim != 3:
        raise SdrScError("the attributes are measured on grey pictures, and these have colours; give other data.")
    classes = int(train_classes.max()) + 1
    found = [LabelSet("class", train_classes.astype(np.int64), test_classes.astype(np.int64), classes)]
    if classes == len(GROUPS):
        found.append(LabelSet("group of classes", GROUPS[train_classes], GROUPS[test_classes], int(GROUPS.max()) + 1))
    for name, measure in MEASURES.items():
        known, new = measure(train / np.float32(255)), measure(test / np.float32(255))
        edges = np.quantile(known, (0.25, 0.5, 0.75))
        found.append(LabelSet(f"{name}, quarter", np.searchsorted(edges, known), np.searchsorted(edges, new), 4))
        middle = np.array([np.median(known[train_classes == one]) for one in range(classes)])
        halves = (known > middle[train_classes]).astype(np.int64), (new > middle[test_classes]).astype(np.int64)
        found.append(LabelSet(f"{name} within its class, half", *halves, 2))
    return found
