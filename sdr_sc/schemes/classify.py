# SPDX-License-Identifier: GPL-3.0-or-later
"""Classifiers of whole images: any teacher, or a shipped student without a channel between its two ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.schemes.model_files import size_of_teacher, sizes_of_model, together
from sdr_sc.semantic import weights

STUDENT = "student"
CHUNK = 250
_MEMORY = 500_000
_ITEM_SHAPE = (28, 28)


class ImageClassifier:
    """Classes of images; each image is asked about once, as sweeps come back to the same ones at every SNR.

    Args:
        teacher: as `load_teacher` takes it; ``student`` for the shipped student, whose encoder and decoder
            then stand at the same place with nothing between them. '' is the same, marked as a stand-in.

    Attributes:
        name: for people.
        fingerprint: of weights and preprocessing.
        size: see `model_files`.

    Raises:
        SdrScError: there is no such teacher, or it does not fit.
    """

    def __init__(self, teacher: str = "") -> None:
        self._known: dict[bytes, int] = {}
        is_student = teacher in ("", STUDENT)
        self._ask, self.name, self.fingerprint = _student(not teacher) if is_student else _teacher(teacher, _ITEM_SHAPE)
        self.size = (
            together(*sizes_of_model(weights.DEFAULT_MODEL).values()) if is_student else size_of_teacher(teacher)
        )

    def classes(self, images: np.ndarray) -> np.ndarray:
        """int64 (n,) for uint8 images (n, height, width)."""
        keys = [hashlib.blake2b(image.tobytes(), digest_size=12).digest() for image in images]
        if len(self._known) > _MEMORY:
            self._known = {}
        known = self._known  # of one memory to the end, as threads may share it
        places = {key: i for i, key in enumerate(keys) if key not in known}
        new = list(places.values())
        for first in range(0, len(new), CHUNK):
            chunk = new[first : first + CHUNK]
            for i, found in zip(chunk, self._ask(images[chunk]), strict=True):
                known[keys[i]] = int(found)
        return np.array([known[key] for key in keys], np.int64)


@lru_cache(maxsize=4)
def classifier_of(teacher: str) -> ImageClassifier:
    """The classifier of a name, the same one for all who ask: it remembers what it answered.

    Raises:
        SdrScError: see `ImageClassifier`.
    """
    return ImageClassifier(teacher)


def _student(is_stand_in: bool) -> tuple[Callable[[np.ndarray], np.ndarray], str, str]:
    from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers

    encoder, decoder = SemanticEncoder(weights.DEFAULT_MODEL), SemanticDecoder(weights.DEFAULT_MODEL)
    contract = encoder.contract
    best_db = contract.training_snr_db[1]

    def ask(images: np.ndarray) -> np.ndarray:
        return answers(decoder.decode(encoder.encode(images, best_db, contract.k_max), best_db))[0]

    note = " (no teacher was given)" if is_stand_in else ""
    return ask, f"student {contract.name}{note}", contract.model_id


def _teacher(spec: str, item_shape: tuple[int, int]) -> tuple[Callable[[np.ndarray], np.ndarray], str, str]:
    import torch

    from sdr_sc.data.fashion_mnist import CLASS_NAMES
    from sdr_sc.distill.teachers.load import load_teacher

    teacher = load_teacher(spec, "cpu", item_shape, len(CLASS_NAMES))

    def ask(images: np.ndarray) -> np.ndarray:
        logits = teacher.ask(torch.from_numpy(np.ascontiguousarray(images))).logits
        if not bool(logits.isfinite().all()):
            raise SdrScError(f"teacher {spec} answers with values that are not finite; take another one.")
        return logits.argmax(1).cpu().numpy()

    return ask, f"teacher {teacher.name}", teacher.fingerprint
