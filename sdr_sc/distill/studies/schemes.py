# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways of training that are compared: ours, ours without one of its parts, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from sdr_sc.distill.config import RECOMMENDED, DistillConfig
from sdr_sc.errors import SdrScError

Source = Literal["labels", "teacher", "prestored", "uncompressed", "partial"]
DEFAULT_SEEDS = (1, 2, 3)
T = TypeVar("T")


@dataclass(frozen=True)
class Scheme:
    """One way of training.

    Attributes:
        name: in file names and on the command line.
        title: for people.
        source: where soft labels come from: nowhere, the teacher in the loop, the pre-stored knowledge, the same in
            float32 (of the features as many principal components), or that of a teacher that was fitted on
            ``label_share`` of the labels.
        changes: settings that differ from those of ours.
        data_share: part of the training images that it learns from.
        label_share: part of the training images whose labels are used, by itself and by its teacher.
        teacher: of a study (`sdr_sc.distill.studies.study`): the name of the teacher whose stored knowledge it has.
    """

    name: str
    title: str
    source: Source
    changes: dict[str, Any] = field(default_factory=dict)
    data_share: float = 1.0
    label_share: float = 1.0
    teacher: str = ""

    def config(self, seed: int, epochs: int, items: int) -> DistillConfig:
        """Its settings; ``items`` is the size of the training set with the held-out images."""
        config = replace(DistillConfig(seed=seed, epochs=epochs), **RECOMMENDED)
        if self.source == "labels":
            config = replace(config, soft_weight=0.0, feature_weight=0.0)
        elif self.source == "teacher":
            config = replace(config, feature_weight=0.0)
        config = replace(config, **self.changes)
        if self.data_share < 1:
            config = replace(config, limit_items=round(self.data_share * (items - config.validation_items)))
        if self.label_share < 1:
            config = replace(config, labelled_items=round(self.label_share * (items - config.validation_items)))
        return config


FAIR = {"bottleneck_weight": 0.0}
"""A baseline with the expected error of the decision epochs, which is a loss of the labels and needs no teacher."""
_PLAIN = {"bottleneck_weight": 0.0, "decision_weight": 0.0}  # convolutions at rest in the decision epochs, as in ours
SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("ours", "ours", "prestored"),
        Scheme("labels", "cross entropy alone", "labels", _PLAIN),
        Scheme("ours_without_bottleneck", "ours without the bottleneck", "prestored", {"bottleneck_weight": 0.0}),
        Scheme("ours_without_features", "ours without features", "prestored", {"feature_weight": 0.0}),
        Scheme("ours_without_cam", "ours without CAM", "prestored", {"adaptive": False}),
        Scheme(
            "ours_without_decisions",
            "ours without the expected error",
            "prestored",
            {"decision_weight": 0.0},
        ),
        Scheme("ours_55", "ours, student sees 55 % of the images (its teacher saw all)", "prestored", data_share=0.55),
        Scheme(
            "ours_55_labels",
            "ours, student and teacher see 55 % of the labels",
            "partial",
            label_share=0.55,
        ),
        Scheme("labels_55", "cross entropy alone, 55 % of the data", "labels", _PLAIN, data_share=0.55),
        Scheme(
            "fixed_rate",
            "fixed rate, one training SNR (as DeepJSCC)",
            "labels",
            {**_PLAIN, "k_list": (16,), "adaptive": False, "snr_min_db": 9.5, "snr_max_db": 10.5},
        ),
        Scheme("uncompressed", "ours, knowledge in float32", "uncompressed"),
        Scheme("standard", "standard distillation, teacher in the loop", "teacher", _PLAIN),
        Scheme("labels_decisions", "cross entropy + expected error", "labels", FAIR),
        Scheme("standard_decisions", "standard distillation + expected error", "teacher", FAIR),
    )
}


def named(what: str, known: Mapping[str, T], names: tuple[str, ...]) -> list[T]:
    """Some of what there is by its names, all of it for none.

    Raises:
        SdrScError: a name is unknown.
    """
    for name in names:
        if name not in known:
            raise SdrScError(f"{what} {name!r} is unknown; give some of {', '.join(known)}.")
    return [known[name] for name in names] or list(known.values())


def pick(names: tuple[str, ...]) -> list[Scheme]:
    """Schemes by name; see `named`."""
    return named("scheme", SCHEMES, names)
