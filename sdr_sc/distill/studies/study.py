# SPDX-License-Identifier: GPL-3.0-or-later
"""Studies: which trainings are compared with which, on what; their teachers; and the sizes that a study can have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.studies.schemes import FAIR, Scheme, named

ALL_LABELS = "all_labels"
ENSEMBLE = "ensemble"
ENSEMBLE_MEMBERS = 3
LABEL_COUNTS = (60, 600, 3000)
BOTTLENECK_WEIGHTS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
K_LIST = (1, 2, 4, 8, 16, 32)
UNSEEN_CHANNELS = ("tdl_a(delay_spread_ns=500, doppler_hz=20)", "tdl_d(delay_spread_ns=2000, doppler_hz=200)")


@dataclass(frozen=True)
class Size:
    """How much is trained and measured.

    Attributes:
        seeds: of the students.
        epochs, decision_epochs: of each student.
        teacher_steps: of each teacher's fit, rounded up to whole epochs, of which it has ``teacher_epochs`` at most.
        teacher_batch: images of a step.
        views: stored views of each image.
        asked: the teacher is asked about so many of the first images alone; 0 for all. For few labels.
        images, test_images: the first ones of the training and of the test set alone; 0 for all.
        validation_items: of the training images, held out.
        teacher_pixels: side that images are resized to for the teacher.
        batch_items: of the students.
    """

    seeds: tuple[int, ...] = (1, 2, 3)
    epochs: int = 20
    decision_epochs: int = 5
    teacher_steps: int = 3000
    teacher_epochs: int = 200
    teacher_batch: int = 64
    views: int = 2
    asked: int = 0
    images: int = 0
    test_images: int = 0
    validation_items: int = 5000
    teacher_pixels: int = 48
    batch_items: int = 256

    @property
    def judged(self) -> bool:
        """Whether goals are meant for it: with all images."""
        return not (self.images or self.test_images)

    def settings(self) -> dict[str, Any]:
        """What the students' settings are changed by."""
        names = ("decision_epochs", "validation_items", "batch_items")
        return {name: getattr(self, name) for name in names}


SIZES = {
    "full": Size(),
    "reduced": Size(
        seeds=(1,),
        epochs=2,
        decision_epochs=1,
        teacher_steps=60,
        teacher_batch=32,
        views=1,
        images=6000,
        test_images=2000,
        validation_items=1000,
        teacher_pixels=32,
        batch_items=128,
    ),
    "quick": Size(
        seeds=(1,),
        epochs=1,
        decision_epochs=1,
        teacher_steps=2,
        views=1,
        images=3300,
        test_images=100,
        validation_items=200,
        teacher_pixels=32,
    ),
}
"""A night on two cores, about ten minutes, and a trial of all steps whose figures mean nothing."""


@dataclass(frozen=True)
class TeacherPlan:
    """A teacher of a study: EfficientNet-Lite2, fine-tuned.

    Attributes:
        labels: how many labels it is fitted on; 0 for all.
        seeds: one for each member; several make an ensemble.
    """

    name: str
    labels: int = 0
    seeds: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Condition:
    """What is measured at one point.

    Attributes:
        snr_db, k: of the point.
        channel: line of `sdr_sc.phy.channels.parse_chain`; '' for noise alone.
        pictures: how the test images are shifted, see `sdr_sc.data.shifted`; '' for not at all.
    """

    snr_db: float
    k: int
    channel: str = ""
    pictures: str = ""

    def __str__(self) -> str:
        words = [f"{self.snr_db:g} dB k={self.k}", self.channel, self.pictures]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True)
class Comparison:
    """A gain: one scheme less another.

    Attributes:
        title: in the row's name.
        one, other: names of the schemes; of several, the one that is best on the held-out images at ``chosen_at``.
        conditions: where.
        at_least: goal of the first condition, points, or None.
    """

    title: str
    one: tuple[str, ...]
    other: tuple[str, ...]
    conditions: tuple[Condition, ...]
    at_least: float | None = None


@dataclass(frozen=True)
class Study:
    """Trainings that are compared."""

    name: str
    title: str
    teachers: tuple[TeacherPlan, ...]
    schemes: tuple[Scheme, ...]
    comparisons: tuple[Comparison, ...]


def sized(scheme: Scheme, size: Size) -> Scheme:
    """The scheme with the settings of a size, and with k down to 1."""
    return replace(scheme, changes={"k_list": K_LIST, **scheme.changes, **size.settings()})


def sized_config(scheme: Scheme, size: Size, seed: int, items: int) -> DistillConfig:
    """Settings of a student; one that has few images of its own goes over them as often as the others over theirs.

    Args:
        items: of the training set with the held-out images.
    """
    config = sized(scheme, size).config(seed, size.epochs, items)
    if config.labels:
        config = replace(config, epoch_items=items - config.validation_items)
    return config


def _points(snrs_db: tuple[float, ...], ks: tuple[int, ...]) -> tuple[Condition, ...]:
    return tuple(Condition(snr_db, k) for snr_db in snrs_db for k in ks)


_AIR = (Condition(-5.0, 32), Condition(-5.0, 16), Condition(0.0, 16), Condition(10.0, 4), Condition(20.0, 16))
_OURS = Scheme("ours_k1", "ours", "prestored", teacher=ALL_LABELS)
_NO_BOTTLENECK = Scheme("teacher_alone", "ours without the bottleneck", "prestored", FAIR, teacher=ALL_LABELS)
_SOFT_LABELS_ALONE = {**FAIR, "feature_weight": 0.0}
_STANDARD = Scheme(
    "standard_fair", "standard distillation + expected error", "prestored", _SOFT_LABELS_ALONE, teacher=ALL_LABELS
)
_LABELS = Scheme("labels_fair", "cross entropy + expected error", "labels", FAIR)
_TEACHERS = (TeacherPlan(ALL_LABELS),)
_AGAINST = (
    ("ours over cross entropy + expected error", "ours_k1", "labels_fair"),
    ("ours over standard distillation + expected error", "ours_k1", "standard_fair"),
    ("the teacher alone over cross entropy + expected error", "teacher_alone", "labels_fair"),
)


def _control() -> Study:
    compared = tuple(Comparison(title, (one,), (other,), _AIR) for title, one, other in _AGAINST)
    return Study("control", "gain over fair controls", _TEACHERS, (_OURS, _NO_BOTTLENECK, _STANDARD, _LABELS), compared)


def _shift() -> Study:
    scarce = _points((-5.0, 0.0, 5.0), (1, 2))
    unseen = tuple(Condition(10.0, 4, channel) for channel in UNSEEN_CHANNELS)
    pictures = ("rotated 15 degrees", "blurred 1 pixels", "noisy 0.1")
    shifted = tuple(Condition(10.0, 4, pictures=one) for one in pictures)
    compared = tuple(
        Comparison(title, (one,), (other,), (*scarce, *unseen, *shifted)) for title, one, other in _AGAINST[:2]
    )
    return Study(
        "shift", "scarce symbols, unseen channels and pictures", _TEACHERS, (_OURS, _STANDARD, _LABELS), compared
    )


def _bottleneck() -> Study:
    schemes, compared = [], []
    for errors, words, weight in (("error", "with", {}), ("entropy", "without", {"decision_weight": 0.0})):
        none = f"bottleneck_0_{errors}"
        schemes.append(Scheme(none, f"no bottleneck, {words} expected error", "labels", {**FAIR, **weight}))
        others = []
        for value in BOTTLENECK_WEIGHTS:
            others.append(f"bottleneck_{value:g}_{errors}")
            title = f"bottleneck {value:g}, {words} expected error"
            schemes.append(Scheme(others[-1], title, "labels", {"bottleneck_weight": value, **weight}))
        points = _points((-5.0, 0.0, 5.0), (1, 2, 4))
        compared.append(
            Comparison(f"bottleneck at its best weight, {words} expected error", tuple(others), (none,), points)
        )
    return Study("bottleneck", "gain of the information bottleneck", (), tuple(schemes), tuple(compared))


def _few_labels() -> Study:
    schemes, compared, teachers = [], [], []
    strong = {**FAIR, "shift": 2, "erase": 8}
    points = (Condition(20.0, 16), Condition(10.0, 4), Condition(0.0, 16), Condition(-5.0, 32))
    for count in LABEL_COUNTS:
        teachers.append(TeacherPlan(f"labels_{count}", count))
        own, standard, few = f"ours_{count}", f"standard_{count}", {"labels": count}
        schemes += [
            Scheme(own, f"ours, {count} labels", "prestored", few, teacher=teachers[-1].name),
            Scheme(
                standard,
                f"standard distillation + expected error, {count} labels",
                "prestored",
                {**_SOFT_LABELS_ALONE, **few},
                teacher=teachers[-1].name,
            ),
            Scheme(f"labels_{count}", f"cross entropy + expected error, {count} labels", "labels", {**FAIR, **few}),
            Scheme(f"labels_{count}_strong", f"the same, stronger views, {count} labels", "labels", {**strong, **few}),
        ]
        rivals = (f"labels_{count}", f"labels_{count}_strong")
        title = f"{count} labels: ours over the best cross entropy + expected error"
        compared.append(Comparison(title, (own,), rivals, points, 3.0 if count == 600 else None))
        title = f"{count} labels: ours over standard distillation + expected error"
        compared.append(Comparison(title, (own,), (standard,), points))
    return Study("few-labels", "few labels", tuple(teachers), tuple(schemes), tuple(compared))


def _headroom() -> Study:
    members = tuple(range(1, ENSEMBLE_MEMBERS + 1))
    small = {"encoder": "small"}
    schemes = (
        Scheme("ours_ensemble", "ours, ensemble teacher", "prestored", teacher=ENSEMBLE),
        _LABELS,
        Scheme("small_ours", "ours, 10 k encoder", "prestored", small, teacher=ALL_LABELS),
        Scheme("small_ours_ensemble", "ours, 10 k encoder, ensemble teacher", "prestored", small, teacher=ENSEMBLE),
        Scheme("small_labels", "cross entropy + expected error, 10 k encoder", "labels", {**FAIR, **small}),
    )
    pairs = (
        ("ensemble teacher: ours over cross entropy + expected error", "ours_ensemble", "labels_fair"),
        ("10 k encoder: ours over cross entropy + expected error", "small_ours", "small_labels"),
        ("10 k encoder, ensemble: ours over cross entropy + expected error", "small_ours_ensemble", "small_labels"),
    )
    compared = tuple(Comparison(title, (one,), (other,), _AIR) for title, one, other in pairs)
    teachers = (*_TEACHERS, TeacherPlan(ENSEMBLE, seeds=members))
    return Study("headroom", "more room between teacher and student", teachers, schemes, compared)


STUDIES = {study.name: study for study in (_control(), _bottleneck(), _few_labels(), _headroom(), _shift())}


def pick_studies(names: tuple[str, ...]) -> list[Study]:
    """Studies by name; see `named`."""
    return named("study", STUDIES, names)
