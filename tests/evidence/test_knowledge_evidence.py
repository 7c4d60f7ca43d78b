# SPDX-License-Identifier: GPL-3.0-or-later
"""What a base adds and costs, measured over the air on few items with the shipped student of pictures and texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sdr_sc.cli.shared.evidence.knowledge import knowledge
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import ImageSet, SetInfo, Split, Targets, register_dataset
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.knowledge import hostile, repeated, worlds
from sdr_sc.evidence.knowledge.added import CURVE_POINTS
from sdr_sc.evidence.knowledge.bases import without_features
from sdr_sc.evidence.knowledge.heard import Heard, difference, share
from sdr_sc.evidence.knowledge.larger import LargerDecoder
from sdr_sc.evidence.knowledge.received import Air, Received
from sdr_sc.evidence.knowledge.repeated import changed_row
from sdr_sc.evidence.knowledge.worlds import Items, folders, known_items, things
from sdr_sc.results.rows import read_measurements
from sdr_sc.semantic.gallery import unit_rows
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel
from sdr_sc.semantic.knowledge.fusion.rule import OFF, FusionRule
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase
from sdr_sc.semantic.weights import read_contract

MODEL, OWN, FOREIGN = "multitask_student", "wordnet+noto_emoji,only=noto_emoji", "foreign_things"
THINGS, VIEWS = 24, 10


def load(split: Split) -> ImageSet:
    """Things of one look each, with a little noise, in two folders; colours by chance, in squares of eight pixels."""
    rng = np.random.default_rng(5)
    looks = rng.integers(0, 255, (THINGS, 3, 4, 4), np.uint8).repeat(8, axis=2).repeat(8, axis=3).astype(int)
    which = np.repeat(np.arange(THINGS), VIEWS)
    images = np.clip(looks[which] + rng.normal(0, 8, (len(which), 3, 32, 32)), 0, 255).astype(np.uint8)
    return ImageSet(
        images,
        which % 2,
        ("even", "odd"),
        split.ljust(64, "e"),
        FOREIGN,
        split,
        "e" * 64,
        {"retrieval": Targets(which, tuple(f"thing {one}" for one in range(THINGS)))},
        np.arange(len(which)),
    )


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    info = SetInfo("squares", "image", {"classification": "which half", "retrieval": "which thing"})
    register_dataset(FOREIGN, info)(load)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few items of everything."""
    monkeypatch.setattr(worlds, "ENTRIES", 120)
    monkeypatch.setattr(worlds, "THINGS", 12)
    for name, value in {"ITEMS": 25, "TIMES": 4, "MISTAKEN": 150, "LAST": 100, "MISTAKES_AT_DB": (10.0,)}.items():
        monkeypatch.setattr(repeated, name, value)
    monkeypatch.setattr(hostile, "TARGETS", 8)
    monkeypatch.setattr(hostile, "TIMES", 5)


def test_parts_share_nothing_and_decoder_and_base_know_the_same_classes() -> None:
    contract = read_contract(MODEL)
    known = known_items(contract, OWN, 1, most=50)
    assert known.columns.tolist() == list(range(26, 35))  # the groups of emoji, after WordNet's classes
    assert len(known.entries) == 50 and len(known.test) == len(load_dataset("noto_emoji", "test"))
    for part in (known.calibration, known.test):
        assert 0 <= part.classes.min() and part.classes.max() < 9
    bytes_of = [{item.tobytes() for item in part.items} for part in (known.entries, known.calibration, known.test)]
    assert not bytes_of[0] & bytes_of[1] and not bytes_of[0] & bytes_of[2] and not bytes_of[1] & bytes_of[2]
    with pytest.raises(SdrScError, match="things often enough"):
        things(contract, FOREIGN, 1)


def test_entries_and_test_items_of_new_classes_are_different_items(small: None) -> None:
    contract = read_contract(MODEL)
    for added, examples in ((things(contract, FOREIGN, 1), 5), (folders(contract, FOREIGN, 1), 20)):
        assert np.bincount(added.entries.classes).tolist() == [examples] * len(added.names)
        assert added.first(1).sum() == len(added.names)
        kept = {item.tobytes() for item in added.entries.items}
        assert not kept & {item.tobytes() for item in added.test.items}
        assert set(added.test.classes.tolist()) == set(range(len(added.names)))


def test_another_models_data_is_refused() -> None:
    with pytest.raises(SdrScError, match="other answers"):
        known_items(read_contract(MODEL), FOREIGN, 1)


def test_the_air_gives_features_with_their_noise_and_the_decoders_outputs() -> None:
    air = Air(MODEL)
    items = known_items(air.encoder.contract, OWN, 1, most=10).test.items[:60]
    seen = air.send(items, 10.0, 8, 1)
    sent = air.encoder.encode(items, 10.0, 8)
    error = seen.features * (1 + seen.noise_variance) - sent
    assert 0.07 < np.mean(np.abs(error) ** 2) < 0.15 and 0.07 < seen.noise_variance.mean() < 0.15
    assert np.abs(seen.snr_db - 10.0).max() < 1.5
    again = air.decoder.outputs(seen.features[:50], float(seen.snr_db[0]))
    np.testing.assert_allclose(again, seen.outputs[:50], atol=1e-3)
    vectors = air.vectors(items)
    cosine = (unit_rows(vectors[:, :16]) * unit_rows(np.ascontiguousarray(seen.features).view(np.float32))).sum(axis=1)
    assert vectors.shape == (60, 64) and cosine.min() > 0.7


def test_controls_say_nothing_of_the_items() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    base = MemoryBase(vectors, np.arange(40) % 4, 2, 4)
    features = unit_rows(vectors)[:, :8] * np.sqrt(4)
    received = Received(
        np.ascontiguousarray(features, np.float32).view(np.complex64), np.full((40, 4), 1e-3), np.full(40, 30.0),
        np.zeros((40, 2), np.float32),
    )  # fmt: skip
    asked = base.asked(received, np.zeros((40, 2)), base.classes, 30.0)
    assert (asked.classes[:, 0] == base.classes).all()
    blind = without_features(asked, base, 1)
    assert 0.05 < (blind.classes[:, 0] == base.classes).mean() < 0.6
    assert (np.ptp(blind.found.similarity, axis=1) == 0).all()
    assert sorted(base.shuffled(1).classes) == sorted(base.classes)
    assert (base.shuffled(1).classes != base.classes).any()


def test_a_larger_decoder_learns_the_entries_and_spares_known_items() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 16)).astype(np.float32)
    base = MemoryBase(vectors, np.repeat(np.arange(6), 10), 4, 6)

    def received(which: np.ndarray, seed: int) -> Heard:
        sent = unit_rows(vectors[which]) * np.sqrt(8)
        noise = np.random.default_rng(seed).normal(size=sent.shape) * np.sqrt(0.01 / 2)
        features = np.ascontiguousarray((sent + noise) / 1.01, np.float32).view(np.complex64)
        logits = 5.0 * (base.classes[which][:, None] == np.arange(4))
        shape = features.shape
        seen = Received(
            features, np.full(shape, 0.01), np.full(len(which), 20.0), np.zeros((len(which), 2), np.float32)
        )
        return Heard(Items(np.zeros((len(which), 1), np.uint8), base.classes[which], which), seen, logits)

    larger = LargerDecoder(base, 8, (0.0, 20.0), 1)
    known, new = np.flatnonzero(base.classes < 4), np.flatnonzero(base.classes >= 4)
    held, one = received(np.tile(known, 5), 2), received(new, 3)
    level = larger.level([held], 0.01)
    assert (larger.answers(held, level) == base.classes[held.items.groups]).mean() >= 0.99
    assert (larger.answers(one, level) == base.classes[new]).mean() > 0.8
    assert (larger.among_new(one.received) == base.classes[new]).mean() > 0.8
    lost = Received(*(np.full_like(part, np.nan) for part in (
        one.received.features, one.received.noise_variance, one.received.snr_db, one.received.outputs)))  # fmt: skip
    assert (larger.among_new(lost) == -1).all() and (larger.among_known(lost) == -1).all()


def test_intervals_are_over_groups() -> None:
    right, groups = np.repeat([True, False], 50), np.repeat(np.arange(4), 25)
    wide, narrow = share("a", right, groups), share("a", right, np.arange(100))
    assert wide.ci95 and narrow.ci95 and wide.ci95[1] - wide.ci95[0] > 2 * (narrow.ci95[1] - narrow.ci95[0])
    gain = difference("b", right, np.zeros(100, bool), groups)
    assert gain.value == 50.0 and gain.ci95 and gain.ci95[0] < 0 < 100 < gain.ci95[1]


def test_a_changed_answer_with_margin_misses_the_goal_from_10_db_up() -> None:
    sure, rule = np.array([[0.95, 0.05], [0.6, 0.4]]), FusionRule(4, Kernel(0.1), OFF, OFF)
    assert changed_row("x", sure, np.array([0, 1]), 10.0, rule).ok
    assert changed_row("x", sure, np.array([1, 1]), 10.0, rule).ok is False
    below = changed_row("x", sure, np.array([1, 1]), 0.0, rule)
    assert below.goal is None and below.value == 1.0 and below.n == 1


@pytest.mark.timeout(3000)  # of a loaded machine; alone it takes some seconds
def test_the_verb_measures_all_parts_and_keeps_its_configuration(small: None, tmp_path: Path) -> None:
    path = tmp_path / "knowledge.json"
    words = [MODEL, "--new", FOREIGN, "--calibrate-on", FOREIGN, "--snr-db", "20", "--k", "16", "--json", str(path)]
    done = CliRunner().invoke(knowledge, words)
    assert done.exit_code in (0, 1) and (done.exception is None or isinstance(done.exception, SystemExit)), done.output
    kept = read_measurements(path)
    assert kept["config"]["new"] == FOREIGN and kept["config"]["k"] == [16] and kept["git"]
    values = {row["name"]: row["value"] for row in kept["rows"]}
    assert all(row["n"] for row in kept["rows"]), json.dumps([row for row in kept["rows"] if not row["n"]])
    things_at = "things, 5 entries each, k=16: "
    assert values[f"{things_at}with the base, new classes alone; 20 dB"] > 60.0
    assert values[f"{things_at}control, shuffled base; 20 dB"] < 25.0
    assert values[f"{things_at}control, larger decoder, new classes alone; 20 dB"] > 60.0
    curve = [values[f"{things_at}{points:g} points allowed, with the base; 20 dB"] for points in CURVE_POINTS]
    assert curve == sorted(curve) and curve[-1] > curve[0]
    assert values["10,000 near copies that claim a new class, k=16: answers with margin that changed; 20 dB"] == 0.0
    beside = "10,000 near copies of a known class beside new things, k=16: what they change; 20 dB"
    assert values[beside] <= 0.0
    assert values["5 % hostile entries that claim a known class, k=16: answers with margin that changed; 20 dB"] == 0.0
    for part in ("folders, 20 entries each", "repeated items, own answers", "subgroup, ", "150 items, all own answers"):
        assert any(name.startswith(part) for name in values), part


def test_an_attack_without_its_base_is_refused() -> None:
    done = CliRunner().invoke(knowledge, [MODEL, "--part", "hostile"])
    assert done.exit_code == 2 and "give both" in done.output
