# SPDX-License-Identifier: GPL-3.0-or-later
"""Studies: that each comparison is fair, and that its teachers are made once and taken again."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.studies.prepare import fit_config, fitted, prepare
from sdr_sc.distill.studies.study import (
    BOTTLENECK_WEIGHTS,
    K_LIST,
    SIZES,
    STUDIES,
    Size,
    Study,
    TeacherPlan,
    pick_studies,
    sized_config,
)
from sdr_sc.distill.targets.prestored import open_prestored
from sdr_sc.distill.teachers.base import TeacherAnswer
from sdr_sc.distill.teachers.ensemble import EnsembleTeacher
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.numerology import Numerology

TINY = Size(
    teacher_steps=1, teacher_batch=8, views=1, images=120, test_images=20, validation_items=40, teacher_pixels=32
)
FULL = SIZES["full"]


def configs(study: Study) -> dict[str, dict]:
    return {scheme.name: asdict(sized_config(scheme, FULL, 1, 60_000)) for scheme in study.schemes}


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_a_study_is_whole(study: Study) -> None:
    names, plans = [scheme.name for scheme in study.schemes], {plan.name for plan in study.teachers}
    assert len(set(names)) == len(names)
    compared = {name for one in study.comparisons for name in (*one.one, *one.other)}
    assert compared == set(names), "what is trained is compared"
    assert {scheme.teacher for scheme in study.schemes if scheme.teacher} == plans
    for condition in (condition for one in study.comparisons for condition in one.conditions):
        assert condition.k in K_LIST and condition.snr_db == round(condition.snr_db), "the held-out tables have it"
        parse_chain(condition.channel, 1e6, 1, Numerology())


def test_a_scheme_of_two_studies_is_the_same() -> None:
    found: dict[str, object] = {}
    for scheme in (scheme for study in STUDIES.values() for scheme in study.schemes):
        assert found.setdefault(scheme.name, scheme) == scheme


TEACHER_SETTINGS = {"soft_weight", "feature_weight", "bottleneck_weight"}


@pytest.mark.parametrize("name", ["control", "shift", "headroom", "few-labels"])
def test_a_control_lacks_the_teacher_and_nothing_else(name: str) -> None:
    study = STUDIES[name]
    settings = configs(study)
    views = {"shift", "erase"} if name == "few-labels" else set()
    for comparison in study.comparisons:
        one = settings[comparison.one[0]]
        assert one["decision_weight"] > 0 and one["decision_epochs"] == FULL.decision_epochs
        for other in (settings[each] for each in comparison.other):
            changed = {key for key in one if one[key] != other[key]}
            assert changed <= TEACHER_SETTINGS | views, comparison.title
            assert one["epoch_items"] == other["epoch_items"], "as many steps"


def test_the_bottleneck_is_swept_with_and_without_the_expected_error() -> None:
    settings = configs(STUDIES["bottleneck"])
    for comparison, decision_weight in zip(STUDIES["bottleneck"].comparisons, (True, False), strict=True):
        (none,) = (settings[name] for name in comparison.other)
        swept = [settings[name] for name in comparison.one]
        assert tuple(one["bottleneck_weight"] for one in swept) == BOTTLENECK_WEIGHTS and none["bottleneck_weight"] == 0
        for one in (*swept, none):
            assert (one["decision_weight"] > 0) is decision_weight
            assert {**one, "bottleneck_weight": 0.0} == none, "the weight alone differs"
        assert {(c.snr_db, c.k) for c in comparison.conditions} == {(s, k) for s in (-5, 0, 5) for k in (1, 2, 4)}


def test_few_labels_are_gone_over_as_often_as_all_images() -> None:
    settings = configs(STUDIES["few-labels"])
    assert {one["epoch_items"] for one in settings.values()} == {55_000}
    assert {one["labels"] for one in settings.values()} == {60, 600, 3000}


def test_standard_distillation_has_the_same_teacher_and_its_soft_labels_alone() -> None:
    for name, pairs in {
        "control": [("ours_k1", "standard_fair")],
        "few-labels": [(f"ours_{count}", f"standard_{count}") for count in (60, 600, 3000)],
    }.items():
        study = STUDIES[name]
        settings, teachers = configs(study), {scheme.name: scheme.teacher for scheme in study.schemes}
        compared = {(one.one, one.other) for one in study.comparisons}
        for ours, standard in pairs:
            assert ((ours,), (standard,)) in compared
            assert teachers[standard] == teachers[ours] != ""
            alone = {**settings[ours], "feature_weight": 0.0, "bottleneck_weight": 0.0}
            assert settings[standard] == alone and alone["soft_weight"] > 0


def test_a_fit_has_the_steps_that_were_asked_for_in_whole_epochs() -> None:
    assert (fit_config(600, 1, FULL, 60_000).epochs, fit_config(600, 1, FULL, 60_000).batch_size) == (200, 64)
    assert fit_config(0, 1, FULL, 60_000).epochs == 4 and fit_config(3000, 1, FULL, 60_000).epochs == 66
    few = fit_config(60, 2, FULL, 60_000)
    assert (few.batch_size, few.epochs, few.labels, few.seed) == (60, 200, 60, 2)


def test_unknown_studies_are_named() -> None:
    assert [study.name for study in pick_studies(())] == list(STUDIES)
    with pytest.raises(SdrScError, match="study 'none' is unknown; give some of control, bottleneck"):
        pick_studies(("none",))


class Sure:
    """A teacher that always says the same."""

    def __init__(self, logits: list[float], feature_dim: int, name: str = "sure") -> None:
        self.name, self.classes, self.feature_dim, self.fingerprint = name, len(logits), feature_dim, f"{logits}"
        self._logits = torch.tensor([logits])

    def ask(self, images: torch.Tensor) -> TeacherAnswer:
        return TeacherAnswer(self._logits.repeat(len(images), 1), torch.full((len(images), self.feature_dim), 1.0))


def test_an_ensemble_answers_with_the_mean_of_the_probabilities() -> None:
    members = [Sure([3.0, 0.0], 2), Sure([-1.0, 1.0], 3)]
    both = EnsembleTeacher(members)
    found = both.ask(torch.zeros(4, 28, 28, dtype=torch.uint8))
    wanted = torch.stack([torch.softmax(one.ask(torch.zeros(4)).logits, 1) for one in members]).mean(0)
    assert torch.allclose(found.logits.exp(), wanted, atol=1e-6) and found.features.shape == (4, 5)
    assert both.feature_dim == 5 and both.fingerprint != EnsembleTeacher(members[::-1]).fingerprint


def test_what_is_no_ensemble_is_refused() -> None:
    for members in ([Sure([0.0, 1.0], 1)], [Sure([0.0, 1.0], 1), Sure([0.0, 1.0, 2.0], 1)]):
        with pytest.raises(ContractError, match="two teachers or more with the same classes"):
            EnsembleTeacher(members)


def test_teachers_are_made_once_and_refused_with_other_settings(tmp_path: Path) -> None:
    data, test, said = fashion_mnist.load("train").first(TINY.images), fashion_mnist.load("test").first(20), []
    plan = TeacherPlan("pair", labels=20, seeds=(1, 2))
    folder = prepare(plan, TINY, data, test, tmp_path, "abc", said.append)
    knowledge = open_prestored(folder, data)
    assert knowledge.items == 120 and knowledge.manifest.feature_dim == 2 * 1280
    assert " + " in knowledge.manifest.teacher and len(said) == 3
    kept = {path: os.stat(path).st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert prepare(plan, TINY, data, test, tmp_path, "def", said.append) == folder
    assert {path: os.stat(path).st_mtime_ns for path in kept} == kept, "nothing is made again"
    part = prepare(
        replace(plan, name="part", seeds=(1,)), replace(TINY, asked=64), data, test, tmp_path, "abc", said.append
    )
    assert open_prestored(part, data, may_be_part=True).items == 64
    with pytest.raises(SdrScError, match="was fitted with another epochs"):
        fitted(20, 1, replace(TINY, teacher_steps=100), data, test, tmp_path, "abc")


def test_an_interrupted_fit_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdr_sc.distill.studies import prepare as module
    from sdr_sc.distill.teachers.efficientnet import load

    data, size = fashion_mnist.load("train").first(TINY.images), replace(TINY, teacher_steps=4)
    test = fashion_mnist.load("test").first(20)
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    (tmp_path / "whole").mkdir(), (tmp_path / "cut").mkdir()
    whole = load(fitted(20, 1, size, data, test, tmp_path / "whole", "abc"))[1]
    step, count = module.FitTrainer._one_step, []

    def failing(trainer) -> float:
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        return step(trainer)

    with monkeypatch.context() as patched:
        patched.setattr(module.FitTrainer, "_one_step", failing)
        with pytest.raises(KeyboardInterrupt):
            fitted(20, 1, size, data, test, tmp_path / "cut", "abc")
    assert (tmp_path / "cut" / "teacher_20_seed1.checkpoint").is_file()
    assert load(fitted(20, 1, size, data, test, tmp_path / "cut", "abc"))[1].weights_sha256 == whole.weights_sha256
    assert whole.validation_accuracy is not None, "it may be 0, so short is the fit"
    network = load(tmp_path / "whole" / "teacher_20_seed1.safetensors")[0]
    with torch.inference_mode():
        found = network(torch.from_numpy(test.images).unsqueeze(1))[0].argmax(1).numpy()
    assert whole.test_accuracy == np.mean(found == test.labels)
