# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs drawn by code, of classes that no model was trained for, to be learnt by a base; and a mix with known items."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import ImageSet, SetInfo, Split, register_dataset
from sdr_sc.errors import DataSetError

SIGNS, MARKS, MIX = "toy_signs", "toy_marks", "toy_mix"
KNOWN, SIDE = "fashion_mnist", 28
_ROW, _COLUMN = np.mgrid[:SIDE, :SIDE] - 13.5
_RADIUS = np.hypot(_ROW, _COLUMN)
SHAPES: dict[str, dict[str, np.ndarray]] = {
    SIGNS: {
        "ring": np.abs(_RADIUS - 9) < 2,
        "cross": (np.abs(_ROW) < 2) | (np.abs(_COLUMN) < 2),
        "bars": (_COLUMN.astype(int) // 4) % 2 == 0,
        "corners": (np.abs(_ROW) > 8) & (np.abs(_COLUMN) > 8),
    },
    MARKS: {
        "dot": _RADIUS < 4,
        "slash": np.abs(_ROW + _COLUMN) < 3,
        "chequers": ((_ROW + 14).astype(int) // 7 + (_COLUMN + 14).astype(int) // 7) % 2 == 0,
        "frame": np.maximum(np.abs(_ROW), np.abs(_COLUMN)) > 11,
        "wedge": (_ROW > np.abs(_COLUMN)) & (_ROW > 2),
    },
}
_COPIES = {"train": 12, "test": 8}


@lru_cache(maxsize=8)
def load(name: str, split: Split) -> ImageSet:
    """Each sign several times, of different brightness, on noise."""
    if split == "validation":
        raise DataSetError(f"{name} has no validation part.")
    rng = np.random.default_rng([[*SHAPES].index(name), ["train", "test"].index(split)])
    names = tuple(SHAPES[name])
    labels = np.repeat(np.arange(len(names)), _COPIES[split])
    images = rng.integers(0, 40, (len(labels), SIDE, SIDE)).astype(np.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[SHAPES[name][names[label]]] = rng.integers(180, 256)
    return ImageSet(images, labels.astype(np.int64), names, split[0] * 64, name, split, "t" * 64)


@lru_cache(maxsize=2)
def load_mix(split: Split) -> ImageSet:
    """The signs, and as many items of the known data; the classes of the signs come first."""
    signs = load(SIGNS, split)
    known = load_dataset(KNOWN, split).first(len(signs))
    names = (*signs.class_names, *known.class_names)
    labels = np.concatenate([signs.labels, known.labels + len(signs.class_names)])
    images = np.concatenate([signs.images, known.images])
    return ImageSet(images, labels, names, split[0] * 64, MIX, split, "t" * 64)


def register() -> None:
    """Make them known to `sdr_sc.data.catalogue.load_dataset` by their names."""

    def of(name: str) -> Callable[[Split], ImageSet]:
        def load_signs(split: Split) -> ImageSet:
            return load(name, split)

        return load_signs

    for name in SHAPES:
        register_dataset(name, SetInfo(name, "image", {"classification": "which sign"}))(of(name))
    register_dataset(MIX, SetInfo("signs and clothes", "image", {"classification": "which"}))(load_mix)
