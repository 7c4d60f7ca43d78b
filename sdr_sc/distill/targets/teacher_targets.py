# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a training step takes its views and the teacher's knowledge of them from."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.targets.prestored import PrestoredKnowledge, open_prestored
from sdr_sc.distill.teachers.base import Teacher, no_better_than_chance
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.semantic.modalities.base import modality_class
from sdr_sc.semantic.modalities.image_views import ViewPolicy, apply_views, draw_views

_log = logging.getLogger(__name__)
_TRIED_ITEMS = 256


@dataclass(frozen=True)
class Batch:
    """Views of some items, and what the teacher says of them.

    Attributes:
        images: uint8 (items, height, width).
        log_probabilities: float32 (items, classes); None where there is no teacher.
        features: float32 (items, feature_dim), whitened, so each of unit variance; None where there are none.
    """

    images: Tensor
    log_probabilities: Tensor | None = None
    features: Tensor | None = None


class Knowledge(Protocol):
    """Views and knowledge.

    Attributes:
        name: for model contracts, cards and checkpoints: another name is other knowledge.
        feature_dim: length of the feature vectors; 0 where there are none.
        knows_classes: whether there are soft labels.
        known_items: how many of the data set's first items it knows; None for all.
    """

    name: str
    feature_dim: int
    knows_classes: bool
    known_items: int | None

    def batch(self, images: Tensor, items: np.ndarray, rng: np.random.Generator) -> Batch:
        """Views of the images, uint8 (n, height, width), which are the data set's ``items``, int64 (n,)."""
        ...


class NoTeacher:
    """Views redrawn in each step; the labels are all that is known."""

    name = "none: trained on the labels alone"
    feature_dim = 0
    knows_classes = False
    known_items: int | None = None

    def __init__(self, policy: ViewPolicy, modality: str = "image") -> None:
        self._policy, self._modality = policy, modality_class(modality)

    def batch(self, images: Tensor, items: np.ndarray, rng: np.random.Generator) -> Batch:
        """See `Knowledge.batch`."""
        return Batch(self._modality.augment(images, rng, self._policy))


class TeacherInTheLoop:
    """Views redrawn in each step, and the teacher asked about each of them: standard distillation."""

    knows_classes = True
    known_items: int | None = None

    def __init__(self, teacher: Teacher, policy: ViewPolicy) -> None:
        self._teacher, self._policy = teacher, policy
        self.name = f"{teacher.name} ({teacher.fingerprint[:16]}), asked in every step"
        self.feature_dim = 0

    def batch(self, images: Tensor, items: np.ndarray, rng: np.random.Generator) -> Batch:
        """See `Knowledge.batch`."""
        views = apply_views(images, draw_views(self._policy, images.shape[1:], len(images), rng))
        answer = self._teacher.ask(views)
        return Batch(views, torch.log_softmax(answer.logits.cpu(), dim=1))


class Prestored:
    """One of the stored views of each item, drawn in each step, with what is stored of it."""

    knows_classes = True

    def __init__(self, stored: PrestoredKnowledge) -> None:
        self._stored = stored
        m = stored.manifest
        self.known_items: int | None = stored.items
        views = ", ".join(f"{name} {value:g}" for name, value in sorted(asdict(m.policy).items()))
        self.name = (
            f"{m.teacher} ({m.fingerprint[:16]}), pre-stored: {stored.views} views ({views}; seed {m.seed}), "
            f"labels {m.labels}, features {m.features}"
        )
        # Raw features have the scale of their teacher, which no weight in the loss would fit.
        self.feature_dim = stored.feature_dim if m.features.startswith("pca") else 0

    def batch(self, images: Tensor, items: np.ndarray, rng: np.random.Generator) -> Batch:
        """See `Knowledge.batch`."""
        targets = self._stored.targets(items, rng.integers(self._stored.views, size=len(items)))
        features = torch.from_numpy(targets.features) if targets.features is not None and self.feature_dim else None
        return Batch(apply_views(images, targets.views), torch.from_numpy(targets.log_probabilities), features)


def training_policy(config: DistillConfig) -> ViewPolicy:
    """How views are drawn in training where none are stored."""
    return ViewPolicy(shift=config.shift, erase=config.erase)


def open_knowledge(
    data: ImageSet,
    config: DistillConfig,
    prestored: Path | None = None,
    teacher: str | None = None,
    device: str = "auto",
) -> Knowledge:
    """Pre-stored knowledge from a folder, or a teacher in the loop, or neither: the labels alone.

    Args:
        data: the training set that it has to fit.
        config: how views are drawn where none are stored.
        prestored: folder that `sdr_sc.distill.targets.prestore` wrote.
        teacher: as `sdr_sc.distill.teachers.load.load_teacher` takes it.
        device: of the teacher.

    Raises:
        SdrScError: folder or teacher cannot be used with this data.
    """
    if prestored is not None:
        return Prestored(open_prestored(prestored, data, may_be_part=True))
    policy = training_policy(config)
    if teacher is None:
        return NoTeacher(policy, data.modality)
    loaded = load_teacher(teacher, device, data.images.shape[1:], len(data.class_names))
    found = loaded.ask(torch.from_numpy(data.images[:_TRIED_ITEMS])).logits.argmax(1).cpu().numpy()
    labels = data.labels[:_TRIED_ITEMS]
    doubt = no_better_than_chance(loaded.name, int((found == labels).sum()), labels)
    if doubt is not None:
        _log.warning("warning: %s", doubt)
    return TeacherInTheLoop(loaded, policy)
