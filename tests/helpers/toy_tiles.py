# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures made by code, with two classes and an entry each, and a model for them that is trained in seconds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.dataset import ImageSet, SetInfo, Split, Targets, register_dataset
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.vectors import reduce_vectors
from sdr_sc.semantic.gallery import Gallery

NAME, SIDE, DIMENSIONS = "toy_tiles", 28, 8
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "near left", "near right", "right")
TASKS = "classification, subgroup, retrieval"
_COPIES, _BLOB = {"train": 8, "validation": 2, "test": 5}, 7


@lru_cache(maxsize=3)
def load(split: Split) -> ImageSet:
    """A bright square in one of 12 places, on noise; its row is the class, its column the subgroup."""
    rng = np.random.default_rng(["train", "validation", "test"].index(split))
    places = np.tile(np.arange(len(ROWS) * len(COLUMNS)), _COPIES[split])
    images = rng.integers(0, 60, (len(places), SIDE, SIDE)).astype(np.uint8)
    for image, place in zip(images, places, strict=True):
        top, left = 1 + 9 * (place // len(COLUMNS)), _BLOB * (place % len(COLUMNS))
        image[top : top + _BLOB, left : left + _BLOB] += np.uint8(180)
    names = [f"{row} {column}" for row in ROWS for column in COLUMNS]
    more = {"subgroup": Targets(places % len(COLUMNS), COLUMNS), "retrieval": Targets(places, names)}
    return ImageSet(images, places // len(COLUMNS), ROWS, split[0] * 64, NAME, split, "t" * 64, more)


def register() -> None:
    """Make it known to `sdr_sc.data.catalogue.load_dataset` by its name."""
    register_dataset(NAME, SetInfo("toy tiles", "image", {"classification": "row", "retrieval": "place"}))(load)


def teacher(split: Split) -> np.ndarray:
    """What a large model would say of a part's pictures: float64 (items, 24)."""
    rng = np.random.default_rng(3)
    data = load(split)
    return rng.normal(size=(len(ROWS) * len(COLUMNS), 24))[data.targets("retrieval", np.arange(len(data)))]


def make_model(
    folder: Path, steps: int = 120, tasks: tuple[str, ...] = ("classification", "subgroup", "retrieval")
) -> tuple[Path, Path]:
    """Train, and write the model and the gallery of the 12 places; returns their paths."""
    vectors = reduce_vectors(
        "toy", {part: teacher(part) for part in _COPIES}, {part: load(part).sha256 for part in _COPIES}, DIMENSIONS
    )
    config = MultiTaskConfig(
        tasks=tasks, encoder="small", k_list=(4, 8, 16), steps=steps, batch_items=48, decoder_width=32,
        learning_rate=1e-2, dropout=0.0,
    )  # fmt: skip
    data, other, test = load("train"), load("validation"), load("test")
    trainer = MultiTaskTrainer(Lesson.of(data, config, vectors.of("train", data.sha256)), config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for one another on a loaded machine
    trainer.run()
    model, gallery = folder / "pictures.safetensors", folder / "pictures.gallery"
    ship(trainer, other, vectors.of("validation", other.sha256), "toy", model, "none")
    torch.set_num_threads(threads)
    every = np.arange(len(test))
    entries = test.targets("retrieval", every)
    Gallery.of_entries(test.names("retrieval"), entries, vectors.of("test", test.sha256), "toy").save(gallery)
    return model, gallery
