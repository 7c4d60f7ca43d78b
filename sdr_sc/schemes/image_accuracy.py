# SPDX-License-Identifier: GPL-3.0-or-later
"""What compressed images are worth to a classifier: accuracy on held-out training images, by size and bytes.

Run as ``python -m sdr_sc.schemes.image_accuracy [TEACHER ...]`` it keeps the tables of classifiers in the
file that comes with the package ('student' is the shipped one); for others they are measured when a scheme is made.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.data import fashion_mnist
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
IMAGES = 600


@lru_cache(maxsize=1)
def validation_images() -> tuple[np.ndarray, np.ndarray]:
    """Held-out training images, of those that our model's own table comes from: uint8 (n, 28, 28), int64 (n,)."""
    data = fashion_mnist.load("train")
    _, held = held_out(len(data), 5000, seed=1)
    chosen = held[:IMAGES]
    return data.images[chosen], data.labels[chosen]


def accuracy_by_bytes(codec: ImageCodec, classifier: ImageClassifier) -> np.ndarray:
    """float64 (sides, budgets), never falling with the bytes: the kept table, or else one that is measured now."""
    kept = _kept(FILE).get(f"{codec.name} {classifier.fingerprint}")
    return measure(codec, classifier, *validation_images()) if kept is None else np.array(kept)


def kept_sha256(codec: ImageCodec, classifier: ImageClassifier) -> str | None:
    """Which file `accuracy_by_bytes` has a table from, 16 hexadecimal digits; None where it measures one."""
    is_kept = f"{codec.name} {classifier.fingerprint}" in _kept(FILE)
    return _sha256(FILE) if is_kept else None


def measure(codec: ImageCodec, classifier: ImageClassifier, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the images that are classified correctly at each of `SIDES` and `BUDGETS_BYTES`.

    An image that fits at no quality is not classified, which is not right.

    Returns:
        float64 (sides, budgets), never falling with the bytes.
    """
    shares = np.zeros((len(SIDES), len(BUDGETS_BYTES)))
    for place, side in enumerate(SIDES):
        for column, most in enumerate(BUDGETS_BYTES):
            packed = [codec.fit(image, most, side) for image in images]
            arrived = [None if data is None else codec.restore(data) for data in packed]
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
