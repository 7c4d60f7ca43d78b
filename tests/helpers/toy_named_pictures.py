# SPDX-License-Identifier: GPL-3.0-or-later
"""Small colour pictures of coloured shapes, with names that share the words of `toy_texts`' kind of items."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sdr_sc.data.dataset import ImageSet, SetInfo, Split, Targets, register_dataset

NAME, SIDE = "toy_named_pictures", 16
COLOURS = (("red", (230, 20, 20)), ("green", (20, 220, 20)), ("blue", (20, 20, 230)), ("yellow", (230, 230, 20)))
SHAPES = ("square", "bar", "column")
NAMES = tuple(f"{colour} {shape}" for colour, _ in COLOURS for shape in SHAPES)
_VIEWS: dict[str, int] = {"train": 12, "validation": 3, "test": 4}


@lru_cache(maxsize=3)
def load(split: Split) -> ImageSet:
    """Each shape in each colour, in several places: the class is the shape, the subgroup the colour."""
    rng = np.random.default_rng(len(split))
    entry = np.repeat(np.arange(len(NAMES)), _VIEWS[split])
    images = rng.integers(90, 140, (len(entry), 3, SIDE, SIDE)).astype(np.uint8)
    for number, which in enumerate(entry):
        top, left = rng.integers(2, 7, 2)
        height, width = ((6, 6), (3, 9), (9, 3))[which % 3]
        images[number, :, top : top + height, left : left + width] = np.array(COLOURS[which // 3][1])[:, None, None]
    return ImageSet(
        images, entry % 3, SHAPES, split[:2] * 32, NAME, split, "tr" * 32,
        {"subgroup": Targets(entry // 3, tuple(colour for colour, _ in COLOURS)), "retrieval": Targets(entry, NAMES)},
        entry.astype(np.int64),
    )  # fmt: skip


def register() -> None:
    """Make it known to `sdr_sc.data.catalogue.load_dataset` by its name."""
    tasks = {"classification": "shape", "retrieval": "name"}
    register_dataset(NAME, SetInfo("toy named pictures", "image", tasks))(load)


def teacher(split: Split) -> np.ndarray:
    """What a large text model would say of the pictures' names: float64 (items, 24)."""
    rng = np.random.default_rng(4)
    shapes, colours = rng.normal(size=(len(SHAPES), 24)), rng.normal(size=(len(COLOURS), 24))
    data, places = load(split), np.arange(len(load(split)))
    return shapes[data.targets("classification", places)] + colours[data.targets("subgroup", places)]


def sight(split: Split) -> np.ndarray:
    """What a large picture model would see in the pictures: float64 (items, 10)."""
    rng = np.random.default_rng(6)
    seen = rng.normal(size=(len(NAMES), 10))
    return seen[load(split).targets("retrieval", np.arange(len(load(split))))]
