# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers behind one small interface: logits and features for a batch of images, wherever the network comes from."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sdr_sc.errors import ContractError, MissingDependencyError, SdrScError
from sdr_sc.shown import shown

_log = logging.getLogger(__name__)
_TRIED_IMAGES = 8
_SUM_TOLERANCE = 1e-3
"""Of a row's sum: half precision has 2^-11."""
CHUNK = 256
"""Images that a teacher takes at once; more of them only cost memory."""

_KINDS = (
    "a fitted teacher (*.safetensors), an ONNX file (*.onnx), or a torch module by import path (module.path:callable)"
)


@dataclass(frozen=True)
class TeacherAnswer:
    """What a teacher knows about a batch.

    Attributes:
        logits: float32 (n, classes).
        features: float32 (n, feature_dim).
    """

    logits: Tensor
    features: Tensor


class Teacher(Protocol):
    """A large network that is asked and never trained.

    Attributes:
        name: for people and for model cards.
        classes: number of logits.
        feature_dim: length of an image's feature vector.
        fingerprint: SHA-256 over weights and preprocessing, hexadecimal: stored answers belong to it and to no other.
    """

    name: str
    classes: int
    feature_dim: int
    fingerprint: str

    def ask(self, images: Tensor) -> TeacherAnswer:
        """Answer for uint8 images (n, height, width) or (n, channels, height, width), in inference mode.

        The answer lies on the device that the teacher was made for.
        """
        ...


def load_teacher(
    spec: str, device: str = "auto", item_shape: tuple[int, ...] = (28, 28), classes: int | None = None
) -> Teacher:
    """Make a teacher.

    Args:
        spec: path of a checkpoint of ``sdr-sc teacher fit`` (``*.safetensors``), path of an ONNX file (``*.onnx``), or
            ``module.path:callable``, which is imported and called, and so runs code, and returns a torch module.
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        item_shape: shape of an image, (height, width) or (channels, height, width); the teacher is tried on one.
        classes: how many classes the data has, to be checked; None for no check.

    Raises:
        SdrScError: there is no such teacher, it cannot be loaded, or it does not fit the data.
    """
    teacher: Teacher
    if ":" in spec and not spec.endswith((".safetensors", ".onnx")):
        from sdr_sc.distill.teacher_module import ModuleTeacher

        teacher = ModuleTeacher(spec, pick_device(device), item_shape)
    elif spec.endswith((".safetensors", ".onnx")):
        path = Path(spec)
        if not path.is_file():
            raise ContractError(
                f"teacher file {spec} is missing; give its path, or make one with 'sdr-sc teacher fit'."
            )
        if spec.endswith(".onnx"):
            from sdr_sc.distill.teacher_onnx import OnnxTeacher

            teacher = OnnxTeacher(path, device, item_shape)
        else:
            from sdr_sc.distill.efficientnet import EfficientNetTeacher

            teacher = EfficientNetTeacher(path, pick_device(device))
    else:
        raise ContractError(f"teacher {spec!r} is of no known kind; give {_KINDS}.")
    if not spec.endswith(".safetensors") and answers_with_probabilities(teacher, item_shape):
        _log.warning(
            "warning: teacher %s answers with probabilities, as after a softmax; their logarithms are taken as logits",
            shown(teacher.name),
        )
        teacher = LogarithmOf(teacher)
    if classes is not None and teacher.classes != classes:
        raise ContractError(
            f"teacher {spec} answers with {teacher.classes} classes where the data has {classes}; "
            "take one that was fitted on this data."
        )
    return teacher


def answers_with_probabilities(teacher: Teacher, item_shape: tuple[int, ...]) -> bool:
    """Whether a teacher's rows are never negative and sum to one, as after a softmax, about images of noise.

    A second softmax of them would be all but flat, and distillation from it would teach nothing.
    """
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (_TRIED_IMAGES, *item_shape), generator=generator, dtype=torch.uint8)
    return are_probabilities(teacher.ask(images).logits)


def are_probabilities(rows: Tensor) -> bool:
    """Whether rows (n, classes) of two classes or more are never negative and sum to one.

    >>> are_probabilities(torch.tensor([[0.2, 0.8], [1.0, 0.0]])), are_probabilities(torch.tensor([[0.2, 0.9]]))
    (True, False)
    """
    sums = rows.double().sum(dim=1)
    return rows.shape[1] > 1 and bool((rows >= 0).all()) and bool(((sums - 1).abs() < _SUM_TOLERANCE).all())


class LogarithmOf:
    """A teacher whose probabilities are turned into logits by the logarithm.

    Args:
        teacher: one that `answers_with_probabilities`.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self.name, self.classes, self.feature_dim = teacher.name, teacher.classes, teacher.feature_dim
        self.fingerprint = hashlib.sha256(f"logarithm of {teacher.fingerprint}".encode()).hexdigest()

    def ask(self, images: Tensor) -> TeacherAnswer:
        """See `Teacher.ask`.

        Raises:
            ContractError: the rows are no probabilities this time.
        """
        answer = self._teacher.ask(images)
        if not are_probabilities(answer.logits):
            raise ContractError(
                f"teacher {self.name} answered with probabilities first and with other values now; let it give logits."
            )
        logits = answer.logits.clamp_min(torch.finfo(torch.float32).tiny).log()
        # Where a teacher has no features of its own, its answers stand for them.
        features = logits if torch.equal(answer.features, answer.logits) else answer.features
        return TeacherAnswer(logits, features)


def no_better_than_chance(name: str, correct: int, labels: np.ndarray) -> str | None:
    """A line about a teacher whose answers tell nothing about the data; None where they do.

    Args:
        name: of the teacher.
        correct: how many of the labels its most probable class is.
        labels: int (n,), of the items that it was asked about, not empty.

    >>> no_better_than_chance("t", 90, np.arange(100) % 10)
    >>> no_better_than_chance("t", 10, np.arange(100) % 10)
    'teacher t is right about 10.0 % of 100 images, which is no better than always naming one class (10.0 %)'
    """
    items, commonest = len(labels), int(np.bincount(labels).max())
    # Two standard deviations above what one class alone would have, so that a few lucky guesses are none.
    share = commonest / items
    if correct > commonest + 2 * math.sqrt(items * share * (1 - share)):
        return None
    return (
        f"teacher {shown(name)} is right about {100 * correct / items:.1f} % of {items} images, which is no better "
        f"than always naming one class ({100 * share:.1f} %)"
    )


def pick_device(device: str) -> torch.device:
    """The torch device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        SdrScError: the name is unknown, or there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise SdrScError(f"device {device!r} is unknown; give auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingDependencyError("device cuda was asked for, but torch finds no GPU here; give --device cpu.")
    return torch.device(device)


def as_batch(images: Tensor) -> Tensor:
    """Images with their channel axis: uint8 (n, channels, height, width).

    Raises:
        ContractError: they are not uint8, or have another number of axes.
    """
    if images.dtype != torch.uint8 or images.ndim not in (3, 4):
        raise ContractError(
            f"a teacher was asked about {str(images.dtype).removeprefix('torch.')} images of shape "
            f"{tuple(images.shape)}; give uint8 of shape (n, height, width) or (n, channels, height, width)."
        )
    return images.unsqueeze(1) if images.ndim == 3 else images


def checked_answer(name: str, items: int, logits: Any, features: Any) -> TeacherAnswer:
    """The answer as float32, refused if it has not one row for each image.

    Raises:
        ContractError: an output is no tensor of shape (items, something).
    """
    for what, value in (("logits", logits), ("features", features)):
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if not isinstance(value, Tensor) or value.ndim != 2 or len(value) != items or value.shape[1] < 1:
            wanted = f"({items}, {'classes' if what == 'logits' else 'feature_dim'})"
            raise ContractError(
                f"teacher {name} gives {what} of shape {shape} where {wanted} is needed; mend its output."
            )
    return TeacherAnswer(logits.float(), features.float())


def joined(answers: list[TeacherAnswer]) -> TeacherAnswer:
    """One answer from those of the chunks."""
    return TeacherAnswer(torch.cat([a.logits for a in answers]), torch.cat([a.features for a in answers]))


def fingerprint(tensors: Mapping[str, Tensor], preprocessing: Mapping[str, Any]) -> str:
    """SHA-256 over names, shapes, types and values of the weights, and over the preprocessing, hexadecimal."""
    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        # As bytes, which every type has; numpy knows no bfloat16. A scalar has no last axis to view.
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
