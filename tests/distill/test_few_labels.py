# SPDX-License-Identifier: GPL-3.0-or-later
"""Few labels: which are drawn, that teacher and student use the same ones, and that no other is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from command import assert_one_line_error, sdr_sc

from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.config import DistillConfig
from sdr_sc.distill.split import draw_labelled, split
from sdr_sc.distill.targets.teacher_targets import Batch, NoTeacher, training_policy
from sdr_sc.distill.teachers.fit import FitConfig, FitTrainer
from sdr_sc.distill.train import Trainer
from sdr_sc.errors import SdrScError

CONFIG = DistillConfig(
    epochs=1,
    batch_items=64,
    validation_items=100,
    k_list=(4, 8),
    decoder_width=16,
    precision="float32",
    bottleneck_weight=1e-2,
    decision_epochs=1,
    decision_weight=10.0,
    labels=40,
)
TAUGHT = replace(CONFIG, soft_weight=0.5)


class Oracle:
    """A teacher that names a class by the image's number, whatever the label is."""

    name, feature_dim, knows_classes = "oracle", 0, True
    known_items: int | None = None

    def batch(self, images: torch.Tensor, items: np.ndarray, rng: np.random.Generator) -> Batch:
        logits = 4.0 * torch.nn.functional.one_hot(torch.from_numpy(items % 10), 10).float()
        return Batch(images, torch.log_softmax(logits, 1))


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("train").first(600)


def weights(data: ImageSet, config: DistillConfig, taught: bool) -> torch.Tensor:
    trainer = Trainer(data, config, Oracle() if taught else NoTeacher(training_policy(config)))
    trainer.run()
    return trainer.objective.student.encoder.symbols.weight.detach()


@pytest.mark.parametrize("count", [10, 60, 333])
def test_labels_are_drawn_from_all_classes_alike(count: int) -> None:
    targets = np.arange(2000) % 10
    candidates = np.arange(100, 1900)
    drawn = draw_labelled(targets, candidates, count, seed=1)
    sizes = np.bincount(targets[drawn], minlength=10)
    assert len(set(drawn)) == count and set(drawn) <= set(candidates) and sizes.max() - sizes.min() <= 1
    assert np.array_equal(drawn, draw_labelled(targets, candidates, count, seed=1))
    assert not np.array_equal(drawn, draw_labelled(targets, candidates, count, seed=2))


def test_unequal_classes_keep_their_shares_and_none_is_left_out() -> None:
    targets = np.repeat([0, 1, 2], [900, 99, 1])
    sizes = np.bincount(targets[draw_labelled(targets, np.arange(1000), 100, seed=1)])
    assert sizes.tolist() == [89, 10, 1] or sizes.tolist() == [90, 9, 1]
    assert np.bincount(targets[draw_labelled(targets, np.arange(1000), 1000, seed=1)]).tolist() == [900, 99, 1]


def test_more_labels_hold_the_fewer_ones(data: ImageSet) -> None:
    targets = np.arange(600) % 10
    few, many = (draw_labelled(targets, np.arange(600), count, seed=3) for count in (50, 200))
    assert set(few) < set(many)


@pytest.mark.parametrize("count", [9, 501])
def test_too_few_or_too_many_labels_are_refused(data: ImageSet, count: int) -> None:
    with pytest.raises(SdrScError, match=f"{count} labels were asked for, where the training items are 500 of 10"):
        split(data, replace(CONFIG, labels=count))


def test_where_a_teacher_knows_the_first_images_the_labels_are_the_same(data: ImageSet) -> None:
    whole, part = split(data, CONFIG), split(data, CONFIG, known_items=300)
    assert np.array_equal(part.training, whole.training[whole.training < 300])
    assert np.array_equal(part.unlabelled, whole.unlabelled[whole.unlabelled < 300])
    assert np.array_equal(part.validation, whole.validation)
    with pytest.raises(SdrScError, match="none more than are held out; use fewer --validation-items"):
        split(data, replace(CONFIG, validation_items=600))


def test_teacher_and_students_use_the_same_labels_and_hold_out_the_same_images(data: ImageSet) -> None:
    taught, alone = split(data, CONFIG), split(data, CONFIG, taught=False)
    used = np.setdiff1d(taught.training, taught.unlabelled)
    assert len(taught.training) == 500 and np.array_equal(used, alone.training) and not len(alone.unlabelled)
    fit = FitConfig(seed=7, labels=40, validation_items=100, batch_size=8, image_size=32, pretrained=False)
    teacher = FitTrainer(data, fit, torch.device("cpu"))
    assert np.array_equal(teacher.images.numpy(), data.images[used])
    assert np.array_equal(teacher.validation[0].numpy(), data.images[alone.validation])


@pytest.mark.parametrize("taught", [True, False])
def test_no_other_label_is_seen(data: ImageSet, taught: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TAUGHT if taught else replace(CONFIG, epoch_items=128)
    labelled = split(data, config, taught=False).training
    monkeypatch.setattr("sdr_sc.distill.split.draw_labelled", lambda *_: labelled)  # which goes by the labels
    hidden, seen = data.labels.copy(), data.labels.copy()
    others = np.setdiff1d(split(data, config).training, labelled)
    hidden[others] = (hidden[others] + 1) % 10
    seen[labelled[0]] = (seen[labelled[0]] + 1) % 10
    first, second, third = (weights(replace(data, labels=each), config, taught) for each in (data.labels, hidden, seen))
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_without_a_teacher_only_labelled_images_are_used_as_often_as_asked(data: ImageSet) -> None:
    config = replace(CONFIG, epoch_items=500)
    trainer = Trainer(data, config, NoTeacher(training_policy(config)))
    assert trainer.steps_per_epoch == 500 // 64 and len(trainer.items) == 40
    order = trainer._order(np.random.default_rng(1))
    assert len(order) == 500 and set(order) == set(trainer.items)
    assert set(np.bincount(order)[trainer.items]) == {12, 13}, "each as often as the others"
    other = data.images.copy()
    other[np.setdiff1d(np.arange(600), trainer.items)] = 255
    assert torch.equal(weights(data, config, False), weights(replace(data, images=other), config, False))


def test_an_epoch_without_a_size_is_each_item_once(data: ImageSet) -> None:
    trainer = Trainer(data, replace(CONFIG, labels=0), NoTeacher(training_policy(CONFIG)))
    order = trainer._order(np.random.default_rng(4))
    assert np.array_equal(order, np.random.default_rng(4).permutation(trainer.items))


def test_a_teacher_is_measured_after_as_many_images_as_are_held_out(data: ImageSet) -> None:
    fit = FitConfig(epochs=5, labels=20, validation_items=50, batch_size=10, image_size=32, pretrained=False)
    said = []
    FitTrainer(data, fit, torch.device("cpu")).run(on_epoch=lambda epoch, found: said.append((epoch, found is None)))
    assert said == [(1, True), (2, True), (3, False), (4, True), (5, False)]


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SdrScError, match="leave out --labelled-items and --limit-items"):
        replace(CONFIG, limit_items=100)
    with pytest.raises(SdrScError, match="labels, label_seed and epoch_items"):
        replace(CONFIG, epoch_items=-1)
    with pytest.raises(SdrScError, match="--labels or --limit"):
        FitConfig(labels=10, limit=10)
    assert_one_line_error(sdr_sc("teacher", "fit", "--labels", "10", "--limit", "10"), "--labels or --limit")
