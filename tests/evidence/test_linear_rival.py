# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear analog rival: its maps, its share of power, and its rows beside a student's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_texts

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.multitask.regression import reduced_rank, ridge
from sdr_sc.evidence.multitask import measure
from sdr_sc.evidence.multitask.linear import POWERS, LinearRival, Numbers
from sdr_sc.evidence.multitask.linear_maps import (
    Weighting,
    components,
    kind_of,
    least_squares,
    shared_power,
    values_of,
    word_counts,
)
from sdr_sc.evidence.multitask.measure import bench_multitask
from sdr_sc.evidence.multitask.quantised_vectors import ResidualQuantiser
from sdr_sc.evidence.multitask.rows import Setting
from sdr_sc.results.rows import Row
from sdr_sc.semantic.gallery import Gallery
from sdr_sc.semantic.inference import SemanticDecoder


def test_words_are_weighted_by_how_rare_they_are_at_unit_length() -> None:
    data = toy_texts.load("train")
    counts = values_of(data, data.items(np.arange(len(data))))
    assert kind_of(data) == "text" and counts.shape[0] == len(data) and counts.sum() > 3 * len(data)
    found = Weighting.fit(counts).of(counts)
    assert np.allclose(np.sqrt(np.asarray(found.multiply(found).sum(axis=1))), 1, atol=1e-5)
    first = found[0].toarray()[0]
    common, rare = first[first > 0].min(), first.max()
    assert rare > 1.5 * common, "'a' of 'a small cat' says less than 'cat'"


def test_regression_finds_numbers_that_carry_what_is_wanted_where_components_do_not() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 12)).astype(np.float32) * np.array([9.0] * 8 + [1.0] * 4, np.float32)
    wanted = x[:, 8:]
    axes = reduced_rank(x, ridge(x, wanted - wanted.mean(axis=0), 1e-6), 4)
    for found, least, most in ((axes, 0.0, 0.01), (components(x, 4, 1), 0.9, 1.1)):
        z = x @ found
        weights, offset = least_squares(z, wanted, 0.0)
        assert least <= np.square(z @ weights + offset - wanted).mean() <= most


def test_power_goes_where_a_linear_receiver_loses_least() -> None:
    rng = np.random.default_rng(4)
    variances = np.array([9.0, 4.0, 1.0, 0.01])
    x = rng.normal(size=(20_000, 4)) * np.sqrt(variances)

    def error(power: np.ndarray, noise: float) -> float:
        sent = x * np.sqrt(power / variances)
        heard = sent + np.sqrt(noise) * rng.normal(size=sent.shape)
        weights, offset = least_squares(sent, x, noise)
        return float(np.square(heard @ weights + offset - x).sum(axis=1).mean())

    for noise in (0.01, 1.0):
        best = shared_power(variances, noise)
        assert best.sum() == pytest.approx(4) and (best >= 0).all()
        assert error(best, noise) < min(error(np.ones(4), noise), error(4 * variances / variances.sum(), noise)) + 0.01
    assert shared_power(variances, 1.0)[3] == 0


def test_what_is_sent_has_one_power_for_every_item() -> None:
    x = np.random.default_rng(5).normal(size=(50, 6)).astype(np.float32)
    numbers = Numbers.of("some", np.eye(6, 4, dtype=np.float32), x)
    for k in (1, 2, 4):  # 8 numbers where there are 4
        sent = numbers.sent(x, k, 0.1)
        assert sent.shape == (50, 2 * k) and np.allclose(np.square(sent).mean(axis=1), 1)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    toy_texts.register()
    model, gallery = toy_texts.make_model(tmp_path_factory.mktemp("toy"), steps=40)
    train = toy_texts.load("train")
    kept = Gallery.load(gallery)
    vectors = kept.vectors  # a training text has the vector of its entry
    others = Gallery(tuple(train.names("retrieval")), vectors, "toy")
    return Setting(str(model), train, toy_texts.load("test"), kept, [0.0, 20.0], [4, 8], 1, others=others)


def test_it_answers_all_tasks_over_the_air(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    coded = Row("coded", 1.0, "")
    monkeypatch.setattr(measure, "rival_rows", lambda *_: [coded])
    kept: dict[str, np.ndarray] = {}
    alone = replace(setting, with_coded=False)
    rows: dict[str, Row] = {row.name: row for row in bench_multitask(alone, True, said.append, kept)}
    assert coded.name not in rows
    head = "20 dB; linear analog, k=8"
    assert rows[f"{head}; payload symbols an item"].value == 8
    assert rows[f"{head}; classification"].value > 80 and rows[f"{head}; subgroup"].value > 80
    assert rows[f"{head}; R@5"].value > 80 > rows["0 dB; linear analog, k=4; R@1"].value
    titles = [name for name in rows if name.startswith("linear analog, k=8, at 20 dB; numbers, of ")]
    assert len(titles) == 1 and rows[titles[0]].n == 180
    ours = kept["20 dB; ours, k=8; classification"]
    assert 100 * ours.mean() == pytest.approx(rows["20 dB; ours, k=8; classification"].value)


def test_numbers_and_power_are_chosen_for_each_snr(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {-5.0: "the same", 0.0: "by its root", 20.0: "least error"}
    asked: set[tuple[str, str, float, int]] = set()

    def quality(self: LinearRival, numbers: Numbers, snr_db: float, k: int, *places: np.ndarray) -> float:
        asked.add((numbers.title, numbers.power, snr_db, k))
        return float(numbers.power == wanted[snr_db]) + 0.1 * numbers.title.endswith(f"classes at {k // 4}")

    monkeypatch.setattr(LinearRival, "_quality", quality)
    several = replace(setting, snrs_db=list(wanted), k_list=[4, 12])
    rival = LinearRival(several, SemanticDecoder(several.model), 100, lambda what: None)
    assert len(asked) == 4 * 3 * 3 * 2  # ways to numbers, of sharing power, SNRs, k
    for snr_db, power in wanted.items():
        for k in (4, 12):
            assert rival.title(snr_db, k) == f"reduced rank, classes at {k // 4}, power: {power}"
            assert rival.scheme(snr_db, k).k_list == (k,)


def test_in_much_noise_entries_are_found_by_more_numbers_than_the_least_error_sends(setting: Setting) -> None:
    variances, rng = np.array([100.0, 4.0, 1.0, 0.3]), np.random.default_rng(9)
    x = (rng.normal(size=(400, 4)) * np.sqrt(variances)).astype(np.float32)
    sent = {power: Numbers("some", np.eye(4, dtype=np.float32), np.zeros(4), variances, power) for power in POWERS}
    for power, numbers in sent.items():
        assert POWERS[power](variances, 1.0).sum() == pytest.approx(4), power
        assert np.allclose(np.square(numbers.sent(x, 2, 1.0)).mean(axis=1), 1)
    used = {power: int((np.abs(one.sent(x, 2, 3.0)) > 1e-6).any(axis=0).sum()) for power, one in sent.items()}
    assert used["least error"] < used["by its root"] == used["the same"] == 4


def test_few_vectors_are_quantised_all_the_same() -> None:
    vectors = np.random.default_rng(7).normal(size=(40, 4)).astype(np.float32)
    found = ResidualQuantiser.fit(vectors, 2, 1)
    assert np.square(found.decode(found.encode(vectors)) - vectors).mean() < 1e-3


def test_without_the_teachers_vectors_it_answers_classes_alone(setting: Setting) -> None:
    alone = replace(setting, others=None)
    rival = LinearRival(alone, SemanticDecoder(alone.model), 100, lambda what: None)
    assert not rival.has_vectors and rival.items == 100
    scheme, test = rival.scheme(20.0, 8), alone.test
    items = test.items(np.arange(len(test)))
    (sent,) = scheme.send(items, np.zeros(len(items), np.int64), None, 8)
    assert sent.payload.shape == (60, 8)
    assert np.allclose(np.square(np.abs(sent.payload)).mean(axis=1), 1, atol=1e-4)


def test_pictures_are_sent_as_components_of_their_pixels(setting: Setting, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    labels = np.arange(300) % 3
    images = rng.integers(0, 80, (300, 3, 16, 16), np.uint8)
    images[np.arange(300), labels] += 100
    train = ImageSet(images, labels, toy_texts.KINDS, "d" * 64, "colours", "train", "d" * 64)
    alone = replace(setting, train=train, others=None)
    rival = LinearRival(alone, SemanticDecoder(alone.model), 1000, lambda what: None)
    scheme = rival.scheme(20.0, 4)
    assert kind_of(train) == "image" and len(scheme._receivers) == 3
    z = scheme._send(images)
    assert (scheme._receivers[0](z).argmax(axis=1) == labels).mean() > 0.95


def test_counts_of_no_words_are_zero() -> None:
    from sdr_sc.data.texts import text_items

    counts = word_counts(text_items(["", "?!"]).batch.slots(8))
    assert counts.sum() == 0 and np.isfinite(Weighting.fit(counts).of(counts).toarray()).all()
