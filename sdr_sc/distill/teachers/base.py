# SPDX-License-Identifier: GPL-3.0-or-later
"""What every teacher is: logits and features for a batch of images, and the checks of these."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sdr_sc.errors import ContractError, MissingDependencyError, SdrScError
from sdr_sc.shown import shown

_SUM_TOLERANCE = 1e-3
"""Of a row's sum: half precision has 2^-11."""
CHUNK = 256
"""Images that a teacher takes at once; more of them only cost memory."""


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


def are_probabilities(rows: Tensor) -> bool:
    """Whether rows (n, classes) of two classes or more are never negative and sum to one.

    >>> are_probabilities(torch.tensor([[0.2, 0.8], [1.0, 0.0]])), are_probabilities(torch.tensor([[0.2, 0.9]]))
    (True, False)
    """
    sums = rows.double().sum(dim=1)
    return rows.shape[1] > 1 and bool((rows >= 0).all()) and bool(((sums - 1).abs() < _SUM_TOLERANCE).all())


def no_better_than_chance(name: str, correct: int, labels: np.ndarray) -> str | None:
    """A line about a teacher whose answers say nothing about the data; None where they do.

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
                f"teacher {name} gives {what} of shape {shape} where {wanted} is needed; fix its output."
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
