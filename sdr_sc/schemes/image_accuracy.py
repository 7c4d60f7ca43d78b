# SPDX-License-Identifier: GPL-3.0-or-later
"""What compressed images are worth to a classifier: accuracy on held-out training images, by size and bytes.

Run as ``python -m sdr_sc.schemes.image_accuracy [TEACHER ...]`` it keeps the tables of classifiers in the
file that comes with the package ('student' is the shipped one); for other classifiers and other data sets than the
default one they are measured when a scheme is made.
"""

from __future__ import annotations

import json
import math
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.split import held_out
from sdr_sc.documents import read_json
from sdr_sc.errors import SdrScError
from sdr_sc.files import write_whole
from sdr_sc.schemes.classify import ImageClassifier
from sdr_sc.schemes.image_codecs import CODEC_NAMES, SIDES, ImageCodec, make_codec
from sdr_sc.schemes.model_files import sha256_of
from sdr_sc.sealed import check_sidecar, sidecar, sidecar_line
from sdr_sc.shown import reason_of, shown

FILE = Path(__file__).parent / "tables" / "image_accuracy.json"
BUDGETS_BYTES = (24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
MORE_BYTES = (768, 1024, 1536, 2048, 3072)
IMAGES = 600


def budgets_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Bytes of an image of this shape that accuracies are measured at, rising; more than `BUDGETS_BYTES` for images of
    more than 28 x 28 values."""
    return BUDGETS_BYTES if math.prod(shape) <= 28 * 28 else (*BUDGETS_BYTES, *MORE_BYTES)


@lru_cache(maxsize=2)
def validation_images(data_set: str = DEFAULT_DATA_SET) -> tuple[np.ndarray, np.ndarray]:
    """Training images, of those that distillation and fitting hold out by default: uint8 (n, [3,] height, width), int64
    (n,). Of another data set than the default one a tenth, and no more than `IMAGES`."""
    data = load_dataset(data_set, "train")
    count = 5000 if data_set == DEFAULT_DATA_SET else max(1, min(IMAGES, len(data) // 10))
    _, held = held_out(len(data), count, seed=1)
    chosen = held[:IMAGES]
    return data.images[chosen], data.labels[chosen]


@lru_cache(maxsize=8)
def accuracy_by_bytes(codec: ImageCodec, classifier: ImageClassifier, data_set: str = DEFAULT_DATA_SET) -> np.ndarray:
    """float64 (sides, budgets), never falling with the bytes: the kept table, or else one that is measured now."""
    if kept_sha256(codec, classifier, data_set) is None:
        return measure(codec, classifier, *validation_images(data_set))
    return np.array(_kept(FILE)[f"{codec.name} {classifier.fingerprint}"])


def kept_sha256(codec: ImageCodec, classifier: ImageClassifier, data_set: str = DEFAULT_DATA_SET) -> str | None:
    """Which file `accuracy_by_bytes` has a table from, 16 hexadecimal digits; None where it measures one."""
    is_kept = data_set == DEFAULT_DATA_SET and f"{codec.name} {classifier.fingerprint}" in _kept(FILE)
    return _sha256(FILE) if is_kept else None


def measure(codec: ImageCodec, classifier: ImageClassifier, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the images that are classified correctly at each of `SIDES` and of `budgets_of` their shape.

    An image that fits at no quality is not classified, which is not right.

    Returns:
        float64 (sides, budgets), never falling with the bytes.
    """
    shape = images.shape[1:]
    shares = np.zeros((len(SIDES), len(budgets_of(shape))))
    for place, side in enumerate(SIDES):
        for column, most in enumerate(budgets_of(shape)):
            packed = [codec.fit(image, most, side) for image in images]
            arrived = [None if data is None else codec.restore(data, shape) for data in packed]
            restored = {i: image for i, image in enumerate(arrived) if image is not None}
            if restored:
                found = classifier.classes(np.stack(list(restored.values())))
                shares[place, column] = (found == labels[list(restored)]).sum() / len(labels)
    return np.maximum.accumulate(shares, axis=1)


@lru_cache(maxsize=1)
def _sha256(path: Path) -> str:
    return sha256_of(path)


@lru_cache(maxsize=1)
def _kept(path: Path) -> dict[str, list[list[float]]]:
    if not path.exists():
        return {}
    what, fix = "file of image accuracies", "get it again, or delete it"
    check_sidecar(path, what, fix)
    raw = read_json(path, what, fix)
    about = {"sides": list(SIDES), "budgets_bytes": list(BUDGETS_BYTES), "images": IMAGES}
    if not isinstance(raw, dict) or any(raw.get(name) != value for name, value in about.items()):
        return {}
    try:
        kept = dict(raw["accuracy"])
        for table in kept.values():
            values = np.array(table, float)
            if values.shape != (len(SIDES), len(BUDGETS_BYTES)) or not ((values >= 0) & (values <= 1)).all():
                raise ValueError("a table that holds no shares by size and bytes")
    except (ValueError, KeyError, TypeError) as error:
        raise SdrScError(f"{shown(path)} holds no accuracies that can be read ({reason_of(error)}); {fix}.") from error
    return kept


def main(teachers: list[str]) -> None:
    """Measure classifiers and keep what comes of it."""
    kept = dict(_kept(FILE))
    for teacher in teachers:
        classifier = ImageClassifier(teacher)
        for name in CODEC_NAMES:
            found = measure(make_codec(name), classifier, *validation_images())
            kept[f"{name} {classifier.fingerprint}"] = np.round(found, 4).tolist()
            for side, row in zip(SIDES, kept[f"{name} {classifier.fingerprint}"], strict=True):
                print(f"{classifier.name}, {name}, {side} x {side}: {row}", flush=True)
    content = {"sides": SIDES, "budgets_bytes": BUDGETS_BYTES, "images": IMAGES, "accuracy": kept}
    text = (json.dumps(content, indent=1) + "\n").encode()
    write_whole({FILE: text, sidecar(FILE): sidecar_line(FILE, text)})


if __name__ == "__main__":
    main(sys.argv[1:] or ["student"])
