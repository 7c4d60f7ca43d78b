# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic pictures in colour of ten classes, 32 x 32, and the same as CIFAR-10's files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

CLASSES = 10


def colour_set(items: int, seed: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pictures, uint8 (items, 32, 32, 3), labels, and names: a class is a shape (five) in a warm or a cold colour."""
    rng = np.random.default_rng(seed)
    labels = np.arange(items) % CLASSES
    rows, columns = np.mgrid[:32, :32]
    images = rng.integers(60, 120, (items, 32, 32, 3))
    for image, label in zip(images, labels, strict=True):
        top, left, size = *rng.integers(4, 12, 2), rng.integers(12, 17)
        y, x = (rows - top) / size, (columns - left) / size
        inside = (y >= 0) & (y < 1) & (x >= 0) & (x < 1)
        shape = label // 2
        drawn = inside & (
            (shape == 0)
            | ((shape == 1) & ((y - 0.5) ** 2 + (x - 0.5) ** 2 < 0.25))
            | ((shape == 2) & (np.abs(x - 0.5) < 0.15))
            | ((shape == 3) & (np.abs(y - 0.5) < 0.15))
            | ((shape == 4) & (np.abs(y - x) < 0.2))
        )
        colour = np.array([230, 90, 40] if label % 2 else [40, 110, 230])
        image[drawn] = np.clip(colour + rng.integers(-20, 20, 3), 0, 255)
    return images.astype(np.uint8), labels, tuple(f"class {number}" for number in range(CLASSES))


def cifar_batch(images: np.ndarray, labels: list[int], key: bytes = b"labels") -> bytes:
    """A batch as CIFAR's authors pickled it."""
    data = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
    return pickle.dumps({b"data": data, key: list(map(int, labels))}, protocol=2)


def write_cifar(folder: Path, seed: int, per_batch: int) -> Path:
    """Five training batches, a test batch and the names."""
    folder = folder / "cifar-10-batches-py"
    folder.mkdir()
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for number, name in enumerate(names):
        images, labels, class_names = colour_set(per_batch, seed + number)
        (folder / name).write_bytes(cifar_batch(images, labels.tolist()))
    meta = {b"label_names": [name.encode() for name in class_names]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder
