# SPDX-License-Identifier: GPL-3.0-or-later
"""Short texts made by code, with two classes and an entry each, and a model for them that is trained in seconds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.dataset import SetInfo, Split, Targets, TextSet, register_dataset
from sdr_sc.data.texts import Texts
from sdr_sc.distill.multitask.config import MultiTaskConfig
from sdr_sc.distill.multitask.lesson import Lesson
from sdr_sc.distill.multitask.ship import ship
from sdr_sc.distill.multitask.train import MultiTaskTrainer
from sdr_sc.distill.multitask.vectors import TeacherVectors, reduce_vectors
from sdr_sc.semantic.gallery import Gallery

NAME, LONGEST, DIMENSIONS = "toy_texts", 48, 8
KINDS = ("animal", "tool", "weather")
THINGS = (("cat", "dog", "horse", "owl"), ("hammer", "saw", "drill", "file"), ("rain", "snow", "fog", "wind"))
SIZES = ("small", "large", "old", "new", "strange")
TASKS = "classification, subgroup, retrieval"
_FORMS = {"train": ("a {} {}", "the {} {}", "one {} {} here"), "validation": ("some {} {}",), "test": ("this {} {}",)}


@lru_cache(maxsize=3)
def load(split: Split) -> TextSet:
    """Each thing in each size, in the part's own words; an entry for each of these 60."""
    each = [(kind, thing, size) for kind in range(3) for thing in range(4) for size in range(len(SIZES))]
    rows = [(form, *one) for form in _FORMS[split] for one in each]
    texts = [form.format(SIZES[size], THINGS[kind][thing]) for form, kind, thing, size in rows]
    entries = [f"{SIZES[size]} {THINGS[kind][thing]}" for kind, thing, size in each]
    return TextSet(
        Texts.of(texts), LONGEST, np.array([row[1] for row in rows]), KINDS, split[0] * 64, NAME, split, "t" * 64,
        {"subgroup": Targets(np.array([row[3] for row in rows]), SIZES),
         "retrieval": Targets(np.arange(len(rows)) % len(each), entries)},
    )  # fmt: skip


def register() -> None:
    """Make it known to `sdr_sc.data.catalogue.load_dataset` by its name."""
    register_dataset(NAME, SetInfo("toy texts", "text", {"classification": "kind", "retrieval": "entry"}))(load)


def teacher(split: Split) -> np.ndarray:
    """What a large model would say of a part's texts: float64 (items, 24)."""
    rng = np.random.default_rng(3)
    data, places = load(split), np.arange(len(load(split)))
    things, sizes = rng.normal(size=(12, 24)), rng.normal(size=(len(SIZES), 24))
    entry = data.targets("retrieval", places)
    return things[entry // len(SIZES)] + sizes[entry % len(SIZES)]


def teacher_vectors() -> TeacherVectors:
    """The teacher's vectors of all parts."""
    return reduce_vectors(
        "toy", {part: teacher(part) for part in _FORMS}, {part: load(part).sha256 for part in _FORMS}, DIMENSIONS
    )


def make_model(folder: Path, steps: int = 120) -> tuple[Path, Path]:
    """Train, and write the model and the gallery of the test part's entries; returns their paths."""
    vectors = teacher_vectors()
    config = MultiTaskConfig(
        tasks=("classification", "subgroup", "retrieval"), k_list=(4, 8, 16), steps=steps, batch_items=60,
        decoder_width=32, learning_rate=1e-2, dropout=0.0,
    )  # fmt: skip
    data, other = load("train"), load("validation")
    trainer = MultiTaskTrainer(Lesson.of(data, config, vectors.of("train", data.sha256)), config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for one another on a loaded machine
    trainer.run()
    model, gallery = folder / "toy.safetensors", folder / "toy.gallery"
    ship(trainer, other, vectors.of("validation", other.sha256), "toy", model, "none")
    torch.set_num_threads(threads)
    test = load("test")
    Gallery(tuple(test.names("retrieval")), vectors.of("test", test.sha256), "toy").save(gallery)
    return model, gallery
