# SPDX-License-Identifier: GPL-3.0-or-later
"""What the experiments on distillation report on time and size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from teachers import small_teacher

from sdr_sc.bench.distillation import cost
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.teachers.base import Teacher
from sdr_sc.distill.teachers.load import load_teacher
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError
from sdr_sc.results.rows import Row
from sdr_sc.semantic.modalities.image_views import ViewPolicy

pytestmark = pytest.mark.usefixtures("one_thread")

TEACHER = "teachers:Linear"
WHOLE = "epochs, 10 decision epochs and the pass over 2 views, times faster than with the teacher in the loop, in torch"
ITEMS = 5000 + 6 * 256  # held out, and to train on


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("train").first(ITEMS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: ImageSet) -> Path:
    path = tmp_path_factory.mktemp("prestored") / "k"
    Prestorer(load_teacher(TEACHER, "cpu"), data, PrestoreConfig(views=2, features="pca8x4"), path).run()
    return path


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch, data: ImageSet) -> None:
    """A part of the data, and the fewest steps."""
    monkeypatch.setattr(cost.fashion_mnist, "load", lambda _split: data)
    monkeypatch.setattr(cost, "_QUICK_STEPS", 1)


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def test_times_are_of_both_on_one_device_and_views_those_of_training(
    folder: Path, little: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices, trained, said = [], [], []

    def loaded(spec: str, device: str, *arguments: object) -> Teacher:
        devices.append(device)
        return load_teacher(spec, "cpu", *arguments)  # type: ignore[arg-type]

    class Watched(Trainer):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            devices.append(self.device.type)
            trained.append(self)

    monkeypatch.setattr(cost, "load_teacher", loaded)
    monkeypatch.setattr(cost, "Trainer", Watched)
    rows = by_name(cost.time_rows(folder, [TEACHER], 40, True, said.append))
    assert devices == ["cpu"] * 5 and "both on the CPU with 1 threads" in said[0]
    assert trained[2].knowledge._policy == ViewPolicy(shift=1, erase=0)  # type: ignore[attr-defined]
    assert [trainer.config.feature_weight > 0 for trainer in trained] == [True, True, False, False]
    assert [trainer.objective.deciding for trainer in trained] == [False, True, False, True]
    ours, standard = rows["an epoch, ours (torch)"].value, rows["an epoch, teacher in the loop (torch)"].value
    ratio = rows["an epoch, times faster than with the teacher in the loop, in torch"]
    assert ratio.goal == ">= 10 times" and ratio.n == 2 and ratio.ok is (ratio.value >= 10)
    assert 0.2 < ratio.value / (standard / ours) < 5, "the mean of ratios is near the ratio of means"
    whole = rows[f"40 {WHOLE}"]
    assert 0 < whole.value and whole.goal == ">= 5 times"
    assert rows["teacher over all images once (torch)"].value > 0


def test_ratios_follow_from_the_times(folder: Path, little: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def step_seconds(trainer: Trainer, _steps: int) -> float:
        first, deciding = (0.01, 0.004) if trainer.knowledge.feature_dim else (0.3, 0.2)
        return deciding if trainer.objective.deciding else first

    monkeypatch.setattr(cost, "_step_seconds", step_seconds)
    monkeypatch.setattr(cost, "_seconds", lambda work: 512 * 0.001)
    rows = by_name(cost.time_rows(folder, [TEACHER], 10, True, lambda _word: None))
    steps = (ITEMS - 5000) // 256
    assert rows["an epoch, ours (torch)"].value == pytest.approx(0.01 * steps)
    assert rows["teacher over all images once (torch)"].value == pytest.approx(0.001 * ITEMS)
    ratio = rows["an epoch, times faster than with the teacher in the loop, in torch"]
    assert ratio.value == pytest.approx(30) and ratio.ok is True
    assert rows["a decision epoch, ours (torch)"].value == pytest.approx(0.004 * steps)
    assert rows["a decision epoch, teacher in the loop (torch)"].value == pytest.approx(0.2 * steps)
    whole, ours = rows[f"10 {WHOLE}"], (10 * 0.01 + 10 * 0.004) * steps + 2 * 0.001 * ITEMS
    assert whole.value == pytest.approx((10 * 0.3 + 10 * 0.2) * steps / ours) and whole.ok is False


def test_teachers_that_do_not_fit_are_refused(
    folder: Path, little: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(told: str, *teachers: str) -> None:
        with pytest.raises(SdrScError, match=told):
            cost.time_rows(folder, teachers, 40, True, lambda _word: None)

    other = str(small_teacher(tmp_path / "other.safetensors"))
    refused("holds the knowledge of another teacher", other)
    refused("run in one and the same runtime", TEACHER, other)
    monkeypatch.setattr(cost, "_runtime", lambda spec: spec)
    refused("answer differently", TEACHER, other)


def test_sizes_and_times_of_teacher_and_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_QUICK_LATENCY_ROUNDS", 2)
    rows = by_name(
        cost.size_rows("fashion_mnist_student", small_teacher(tmp_path / "t.safetensors"), True, lambda _word: None)
    )
    over = rows["teacher's parameters over the encoder's"]
    assert over.value == rows["parameters, teacher"].value / rows["parameters, encoder"].value and over.ok is True
    assert rows["parameters, encoder"].value == 47_856
    arithmetic = [rows[f"arithmetic of an image, {who}"].value for who in ("teacher", "encoder")]
    assert arithmetic[0] > arithmetic[1] > 1
    for runtime, goal in (("onnxruntime", ">= 30 times"), ("torch", None)):
        ratio = rows[f"teacher's time for one image over the encoder's, {runtime}"]
        assert ratio.goal == goal and ratio.n == 2 and ratio.ci95[0] <= ratio.value <= ratio.ci95[1]
        times = [rows[f"one image, {who}, {runtime}"].value for who in ("teacher", "encoder")]
        assert times[0] > times[1] > 0 and np.isfinite(times).all()
