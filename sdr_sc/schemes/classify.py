# SPDX-License-Identifier: GPL-3.0-or-later
"""Classifiers of whole images: any teacher, or a shipped student without a channel between its two ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET, ImageSet
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.fitting_model import contract_for_images
from sdr_sc.schemes.model_files import size_of_teacher, sizes_of_model, together
from sdr_sc.semantic import weights
from sdr_sc.shown import command_line, shown

STUDENT = "student"
CHUNK = 250
_MEMORY = 500_000


class ImageClassifier:
    """Classes of images; each image is asked about once, as sweeps come back to the same ones at every SNR.

    Args:
        teacher: as `load_teacher` takes it; ``student`` for the shipped student, or ``student:MODEL`` for another one,
            whose encoder and decoder then stand at the same place with nothing between them. '' is the shipped one,
            marked as a stand-in.
        data_set: whose images it answers; the shipped student knows the default one alone.

    Attributes:
        name: for people.
        fingerprint: of weights and preprocessing.
        size: see `model_files`.

    Raises:
        SdrScError: there is no such teacher, it does not fit, or none is given for another data set.
    """

    def __init__(self, teacher: str = "", data_set: str = DEFAULT_DATA_SET) -> None:
        self._known: dict[bytes, int] = {}
        images = images_of(data_set)
        kind, _, model = teacher.partition(":")
        if kind in ("", STUDENT):
            if not model and data_set != DEFAULT_DATA_SET:
                raise SdrScError(
                    f"the shipped student does not know the images of {shown(data_set)}; give teacher: FILE, made by "
                    f"'sdr-sc teacher fit', or teacher: {STUDENT}:MODEL, made by 'sdr-sc distill', both with "
                    f"--data-set {command_line([data_set])}."
                )
            model = model or weights.DEFAULT_MODEL
            self._ask, self.name, self.fingerprint = _student(model, data_set, not teacher)
            self.size = together(*sizes_of_model(model).values())
        else:
            self._ask, self.name, self.fingerprint = _teacher(teacher, images)
            self.size = size_of_teacher(teacher)

    def classes(self, images: np.ndarray) -> np.ndarray:
        """int64 (n,) for uint8 images (n, [3,] height, width)."""
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


@lru_cache(maxsize=2)
def images_of(data_set: str) -> ImageSet:
    """The test images of a data set.

    Raises:
        SdrScError: it is missing or damaged, or holds no images, which the image baselines send.
    """
    data = load_dataset(data_set, "test")
    if data.modality != "image":
        raise SdrScError(
            f"the image baselines send images, and the data set {shown(data_set)} holds {shown(data.modality)}s; leave "
            "these schemes out."
        )
    return data


@lru_cache(maxsize=4)
def classifier_of(teacher: str, data_set: str = DEFAULT_DATA_SET) -> ImageClassifier:
    """The classifier of a name, the same one for all who ask: it remembers what it answered.

    Raises:
        SdrScError: see `ImageClassifier`.
    """
    return ImageClassifier(teacher, data_set)


def _student(model: str, data_set: str, is_stand_in: bool) -> tuple[Callable[[np.ndarray], np.ndarray], str, str]:
    from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder, answers

    contract_for_images(model, data_set)
    encoder, decoder = SemanticEncoder(model), SemanticDecoder(model)
    contract = encoder.contract
    best_db = contract.training_snr_db[1]

    def ask(images: np.ndarray) -> np.ndarray:
        return answers(decoder.decode(encoder.encode(images, best_db, contract.k_max), best_db))[0]

    note = " (no teacher was given)" if is_stand_in else ""
    return ask, f"student {contract.name}{note}", contract.model_id


def _teacher(spec: str, data: ImageSet) -> tuple[Callable[[np.ndarray], np.ndarray], str, str]:
    import torch

    from sdr_sc.distill.teachers.load import load_teacher

    teacher = load_teacher(spec, "cpu", data.item_shape, len(data.class_names))

    def ask(images: np.ndarray) -> np.ndarray:
        logits = teacher.ask(torch.from_numpy(np.ascontiguousarray(images))).logits
        if not bool(logits.isfinite().all()):
            raise SdrScError(f"teacher {spec} answers with values that are not finite; take another one.")
        return logits.argmax(1).cpu().numpy()

    return ask, f"teacher {teacher.name}", teacher.fingerprint
