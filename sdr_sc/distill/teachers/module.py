# SPDX-License-Identifier: GPL-3.0-or-later
"""Any torch module as a teacher, by import path: how a lab plugs in its own large model."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import torch
from torch import Tensor

from sdr_sc.distill.teachers.base import CHUNK, TeacherAnswer, as_batch, checked_answer, fingerprint, joined
from sdr_sc.errors import ContractError
from sdr_sc.semantic.import_path import made_module
from sdr_sc.shown import reason_of

_WANTED = "module.path:callable of something that can be imported and called without arguments"


class ModuleTeacher:
    """A teacher made by ``module.path:callable``, also from the current folder.

    The callable takes nothing and returns a `torch.nn.Module`. Its ``forward`` takes uint8 images (n, channels, height,
    width), prepares them itself, and gives logits (n, classes), or the pair of logits and features (n, feature_dim);
    logits alone serve as features too. The fingerprint covers the weights and the source file of the module's class.

    Args:
        spec: the import path.
        device: where it runs.
        item_shape: (height, width) or (channels, height, width) of the image that it is tried on.

    Raises:
        ContractError: it cannot be imported or called, is no module, or its answer has another shape.
    """

    def __init__(self, spec: str, device: torch.device, item_shape: tuple[int, ...]) -> None:
        self.name = spec
        self._device = device
        self._module = made_module("teacher", spec, _WANTED).to(device).eval()
        source = inspect.getsourcefile(type(self._module))
        code = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""
        self.fingerprint = fingerprint(self._module.state_dict(), {"spec": spec, "code_sha256": code})
        answer = self.ask(torch.zeros(2, *item_shape, dtype=torch.uint8))
        self.classes, self.feature_dim = answer.logits.shape[1], answer.features.shape[1]

    @torch.inference_mode()
    def ask(self, images: Tensor) -> TeacherAnswer:
        """See `sdr_sc.distill.teachers.base.Teacher.ask`."""
        return joined([self._ask(chunk.to(self._device)) for chunk in as_batch(images).split(CHUNK)])

    def _ask(self, images: Tensor) -> TeacherAnswer:
        try:
            answer = self._module(images)
        except Exception as error:
            raise ContractError(
                f"teacher {self.name} fails on uint8 images of shape {tuple(images.shape)} "
                f"({type(error).__name__}: {reason_of(error)}); fix its forward."
            ) from error
        logits, features = answer if isinstance(answer, (tuple, list)) and len(answer) == 2 else (answer, answer)
        return checked_answer(self.name, len(images), logits, features)
