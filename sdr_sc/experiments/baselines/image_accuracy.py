# SPDX-License-Identifier: GPL-3.0-or-later
"""What compressed images are worth to a classifier: accuracy on held-out training images, by bytes of an image.

Run as ``python -m sdr_sc.experiments.baselines.image_accuracy [TEACHER ...]`` it keeps the tables of classifiers in the
file that comes with the package ('' is the shipped student); for others they are measured when a scheme is made.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.split import held_out
from sdr_sc.errors import SdrScError
from sdr_sc.experiments.baselines.classify import ImageClassifier
from sdr_sc.experiments.baselines.images import CODEC_NAMES, ImageCodec, make_codec
from sdr_sc.files import write_whole

FILE = Path(__file__).with_name("image_accuracy.json")
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
    """float64 (budgets,), never falling: the kept table, or else one that is measured now."""
    kept = _kept(FILE).get(f"{codec.name} {classifier.fingerprint}")
    return measure(codec, classifier, *validation_images()) if kept is None else np.array(kept)


def measure(codec: ImageCodec, classifier: ImageClassifier, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 (budgets,), never falling: share of the images that are classified rightly at each of `BUDGETS_BYTES`.

    An image that fits at no quality is not classified, which is not right.
    """
    shape = (images.shape[1], images.shape[2])
    shares = []
    for most in BUDGETS_BYTES:
        restored, places = [], []
        for i, image in enumerate(images):
            data = codec.fit(image, most)
            arrived = None if data is None else codec.restore(data, shape)
            if arrived is not None:
                places.append(i)
                restored.append(arrived)
        right = (classifier.classes(np.stack(restored)) == labels[places]).sum() if places else 0
        shares.append(right / len(labels))
    return np.maximum.accumulate(shares)


@lru_cache(maxsize=1)
def _kept(path: Path) -> dict[str, list[float]]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        same = raw["budgets_bytes"] == list(BUDGETS_BYTES) and raw["images"] == IMAGES
        return dict(raw["accuracy"]) if same else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SdrScError(
            f"{path} holds no accuracies that can be read ({error!r}); get it again, or delete it."
        ) from error


def main(teachers: list[str]) -> None:
    """Measure classifiers and keep what comes of it."""
    kept = dict(_kept(FILE))
    for teacher in teachers:
        classifier = ImageClassifier(teacher)
        for name in CODEC_NAMES:
            found = measure(make_codec(name), classifier, *validation_images())
            kept[f"{name} {classifier.fingerprint}"] = np.round(found, 4).tolist()
            print(f"{classifier.name}, {name}: {kept[f'{name} {classifier.fingerprint}']}", flush=True)
    content = {"budgets_bytes": BUDGETS_BYTES, "images": IMAGES, "accuracy": kept}
    write_whole({FILE: (json.dumps(content, indent=1) + "\n").encode()})


if __name__ == "__main__":
    main(sys.argv[1:] or [""])
