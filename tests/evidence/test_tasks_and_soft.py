# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads for tasks chosen afterwards, and probabilities at the receiver."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.errors import SdrScError
from sdr_sc.evidence import attributes
from sdr_sc.evidence.attributes import label_sets
from sdr_sc.evidence.entries import entry_named
from sdr_sc.evidence.heads import predict
from sdr_sc.evidence.known_tasks import KnownTasks
from sdr_sc.evidence.soft import bench_soft, filled, likelihood_nats
from sdr_sc.evidence.tasks import bench_tasks
from sdr_sc.evidence.watched import KNOWLEDGE, SOFT, watch
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.schemes.scheme import Knowledge, SoftAnswers

TEST = load_dataset("fashion_mnist", "test")
IMAGES, LABELS = TEST.images[:200], TEST.labels[:200].astype(np.int64)
SOFT_SCHEMES = [("ours", {}), ("label_ldpc", {"teacher": "student"}), ("features_ldpc", {})]


def picture(box: tuple[int, int, int, int], value: int = 200) -> np.ndarray:
    """A box, from row, to row, from column, to column, on black."""
    made = np.zeros((28, 28), np.uint8)
    made[box[0] : box[1], box[2] : box[3]] = value
    return made


def test_attributes_are_what_they_are_called() -> None:
    wide, tall = picture((10, 14, 2, 26)), picture((2, 26, 10, 14), 100)
    pixels = np.stack([wide, tall, picture((2, 26, 2, 8))]) / 255.0
    ratios = attributes.width_over_height(pixels)
    assert ratios[:2].tolist() == [6.0, pytest.approx(1 / 6)]
    assert attributes.brightness(pixels)[0] == pytest.approx(2 * attributes.brightness(pixels)[1])
    mirrored = attributes.symmetry(pixels)
    assert mirrored[0] == pytest.approx(1) and mirrored[2] < 0
    striped = wide.copy()
    striped[:, ::2] //= 2
    assert attributes.pattern(np.stack([wide, striped]) / 255.0).tolist() == [0.0, pytest.approx(2 / 3, abs=0.1)]


def test_a_half_within_its_class_is_none_that_the_class_tells() -> None:
    train = load_dataset("fashion_mnist", "train")
    labels, truth = train.labels[:4000], TEST.labels[:2000]
    for one in label_sets(train.images[:4000], labels, TEST.images[:2000], truth):
        counts = np.zeros((10, one.levels))
        np.add.at(counts, (labels, one.train), 1)
        by_class = counts.argmax(axis=1)[truth] == one.test
        assert set(one.train) == set(range(one.levels)) and len(one.test) == 2000
        if one.name.endswith("half"):
            assert 0.4 < by_class.mean() < 0.6, one.name
        if one.name in ("class", "group of classes"):
            assert by_class.all()
        if one.name.endswith("quarter"):
            assert np.bincount(one.train).min() > 0.2 * 4000 and by_class.mean() < 0.8


def test_a_head_learns_what_is_there_and_nothing_that_is_not() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((2500, 6))
    labels = (values[:, 0] * values[:, 1] > 0).astype(np.int64)
    known, new = slice(0, 2000), slice(2000, None)
    found = predict(values[known], labels[known], values[new], 2)
    assert (found == labels[new]).mean() > 0.9
    luck = rng.integers(0, 2, 2500)
    assert 0.35 < (predict(values[known], luck[known], values[new], 2) == luck[new]).mean() < 0.65
    lost = values[new].copy()
    lost[:100] = np.nan
    often = np.ones(2000, np.int64)
    often[:500] = 0
    assert (predict(values[known], often, lost, 2)[:100] == 1).all()
    assert (predict(np.full((9, 1), np.nan), np.ones(9, np.int64), np.zeros((3, 1)), 2) == 1).all()


@pytest.mark.parametrize(("name", "parameters"), SOFT_SCHEMES)
def test_what_the_receiver_knows_agrees_with_its_answers(name: str, parameters: dict) -> None:
    scheme = make_scheme(name, **parameters)
    assert isinstance(scheme, SoftAnswers) and isinstance(scheme, Knowledge)
    seen = watch(scheme, SOFT, IMAGES, LABELS, 10.0, None)
    assert seen.values.shape == (200, 10) and np.allclose(seen.values.sum(axis=1), 1)
    assert np.array_equal(seen.values.argmax(axis=1), seen.result.found), "the most probable class is the answer"
    assert likelihood_nats(seen.values, LABELS).mean() < 1.0
    known = watch(scheme, KNOWLEDGE, IMAGES, LABELS, 10.0, None)
    assert len(known.values) == 200 and np.isfinite(known.values).all()
    assert known.result.correct == seen.result.correct > 180


@pytest.mark.parametrize(("name", "parameters"), SOFT_SCHEMES)
def test_what_is_lost_is_known_by_nothing(name: str, parameters: dict) -> None:
    scheme = make_scheme(name, **parameters)
    seen = watch(scheme, SOFT, IMAGES, LABELS, -20.0, None)
    assert np.isnan(seen.values).all() and seen.result.correct == 0
    even = filled(seen.values, 10)
    assert (even == 0.1).all() and likelihood_nats(even, LABELS).tolist() == pytest.approx([np.log(10)] * 200)


def test_each_frame_of_a_fading_channel_is_drawn_again_and_items_stay_in_order() -> None:
    scheme = make_scheme("label_ldpc", teacher="student")
    seen = watch(scheme, KNOWLEDGE, IMAGES, LABELS, 30.0, None, channel="rayleigh(doppler_hz=5)")
    there = ~np.isnan(seen.values).any(axis=1)
    assert np.array_equal(seen.values[there].argmax(axis=1), seen.result.found[there]) and there.sum() >= 100


def test_the_class_says_of_the_truth_what_held_out_images_taught() -> None:
    scheme = make_scheme("label_ldpc", teacher="student")
    values = watch(scheme, SOFT, IMAGES, LABELS, 10.0, None).values
    assert len(np.unique(values.round(12), axis=0)) <= 10
    shirt = values[values.argmax(axis=1) == 6]  # shirts are taken for T-shirts, trousers for nothing
    assert 0.6 < shirt[0, 6] < 0.95 and shirt[0, 0] > 0.02
    trousers = values[values.argmax(axis=1) == 1]
    assert trousers[0, 1] > 0.95


def test_answers_known_beforehand_arrive_as_they_were_sent() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 40960, 120)
    scheme = KnownTasks(40960)
    result = run_scheme(scheme, TEST.images[:120], labels, "", 10.0, None, Numerology(), classes=40960)
    assert result.found.tolist() == labels.tolist()
    few = run_scheme(KnownTasks(10), TEST.images[:120], labels % 10, "", 10.0, None, Numerology())
    assert few.channel_uses < result.channel_uses / 2


def test_the_bench_of_tasks_has_a_row_for_each_and_the_class_is_no_help_within_classes() -> None:
    entries = (entry_named("label_ldpc:teacher=student"), entry_named("ours:k=4"))
    found = {row.name: row.value for row in bench_tasks(True, 1, lambda _: None, entries)}
    column = "; label_ldpc:teacher=student"
    assert found[f"10 dB, class{column}"] > 85 and found[f"10 dB, group of classes{column}"] > 95
    assert 38 < found[f"10 dB, brightness within its class, half{column}"] < 62
    assert found["10 dB, symmetry, quarter; all answers, coded"] == 100
    assert found["10 dB, payload symbols an image; ours:k=4"] == 4
    assert found["10 dB, payload symbols an image; all answers, coded"] > 4


def test_the_bench_of_soft_answers_leaves_out_who_gives_none() -> None:
    log: list[str] = []
    rows = bench_soft(True, 1, log.append, (entry_named("ours:k=2"), entry_named("pca")))
    values = {row.name: row for row in rows}
    assert "pca gives no probabilities, and is left out" in log and not any("pca" in name for name in values)
    name = "noise alone, 20 dB, ours:k=2"
    assert values[f"{name}; payload symbols"].value == 2 and 0 < values[f"{name}; nats lost"].value < 0.5
    sure, all_ = values[f"{name}; accuracy of the surest 95 %"], values[f"{name}; accuracy"]
    assert sure.value > all_.value and all_.n is not None and sure.n == round(0.95 * all_.n)
    with pytest.raises(SdrScError, match="none of the schemes gives probabilities"):
        bench_soft(True, 1, log.append, (entry_named("pca"),))


@pytest.mark.parametrize(
    ("text", "words"),
    [("theirs", "'theirs' is unknown"), ("ours:model", "has 'model'; give NAME:PARAMETER=VALUE"),
     ("ours:k=none", "has k=none; give a whole number"), ("label_ldpc:model=x", "no parameter 'model'")],
)  # fmt: skip
def test_a_scheme_that_cannot_be_is_refused(text: str, words: str) -> None:
    with pytest.raises(SdrScError, match=words):
        entry_named(text)


def test_schemes_without_knowledge_are_refused_by_name() -> None:
    with pytest.raises(SdrScError, match="receiver of scheme answers cannot be asked for its knowledge"):
        watch(KnownTasks(10), KNOWLEDGE, IMAGES, LABELS, 10.0, None)
