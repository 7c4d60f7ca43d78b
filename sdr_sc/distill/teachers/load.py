# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers behind one small interface: logits and features for a batch of images, wherever the network comes from."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch
from torch import Tensor

from sdr_sc.distill.teachers.base import Teacher, TeacherAnswer, are_probabilities, pick_device
from sdr_sc.errors import ContractError
from sdr_sc.shown import shown

_log = logging.getLogger(__name__)
_TRIED_IMAGES = 8

_KINDS = (
    "a fitted teacher (*.safetensors), an ONNX file (*.onnx), or a torch module by import path (module.path:callable)"
)


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
        from sdr_sc.distill.teachers.module import ModuleTeacher

        teacher = ModuleTeacher(spec, pick_device(device), item_shape)
    elif spec.endswith((".safetensors", ".onnx")):
        path = Path(spec)
        if not path.is_file():
            raise ContractError(
                f"teacher file {spec} is missing; give its path, or make one with 'sdr-sc teacher fit'."
            )
        if spec.endswith(".onnx"):
            from sdr_sc.distill.teachers.onnx import OnnxTeacher

            teacher = OnnxTeacher(path, device, item_shape)
        else:
            from sdr_sc.distill.teachers.efficientnet import EfficientNetTeacher

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
