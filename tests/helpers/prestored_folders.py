# SPDX-License-Identifier: GPL-3.0-or-later
"""A small data set, a teacher that is a linear map, and what a folder of its knowledge holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.targets.prestore import PrestoreConfig
from sdr_sc.distill.teachers.base import TeacherAnswer
from sdr_sc.semantic.modalities.image_views import (
    ViewPolicy,
)

CLASSES, FEATURE_DIM, SIDE, ITEMS = 10, 20, 12, 23
CONFIG = PrestoreConfig(views=3, features="pca6x4", shard_items=8, policy=ViewPolicy(2, 4))


class LinearTeacher:
    """A seeded linear map of the pixels."""

    name, classes, feature_dim = "linear", CLASSES, FEATURE_DIM

    def __init__(self, seed: int = 1) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.body = torch.randn(SIDE * SIDE, FEATURE_DIM, generator=generator)
        self.head = torch.randn(FEATURE_DIM, CLASSES, generator=generator) / 8
        self.fingerprint = hashlib.sha256(str(seed).encode()).hexdigest()
        self.asked = 0

    def ask(self, images: torch.Tensor) -> TeacherAnswer:
        assert images.dtype == torch.uint8
        self.asked += len(images)
        # Row by row: the answer to an image must not depend on its batch.
        features = torch.stack([(row.double() / 255 @ self.body.double()).float() for row in images.flatten(1)])
        return TeacherAnswer(features @ self.head, features)


def make_data(seed: int = 1) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(ITEMS, SIDE, SIDE)).astype(np.uint8)
    names = tuple(f"class {number}" for number in range(CLASSES))
    return ImageSet(images, rng.integers(CLASSES, size=ITEMS), names, hashlib.sha256(images.tobytes()).hexdigest())


DATA = make_data()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
