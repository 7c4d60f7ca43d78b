# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments on distillation: schemes, resumable runs, points that are kept, and the tables made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error, sdr_sc

from sdr_sc.errors import SdrScError
from sdr_sc.experiments.distillation import accuracy, points
from sdr_sc.experiments.distillation.points import SWEEP_SNR_DB, Point, key, measure
from sdr_sc.experiments.distillation.runs import Run, Sources, train_all, train_one
from sdr_sc.experiments.distillation.schemes import SCHEMES, Scheme, pick

TINY = Scheme(
    "labels",
    "tiny",
    "labels",
    {"limit_items": 2048, "validation_items": 200, "k_list": (4, 16), "bottleneck_weight": 0},
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(TINY, 1, 6, tmp_path_factory.mktemp("runs"))
    assert train_one(run, Sources(), "abc").startswith("trained in")
    assert run.contract().training["git"] == "abc"
    return run


def test_schemes_differ_from_ours_in_what_their_name_says() -> None:
    ours = SCHEMES["ours"].config(1, 40, 60_000)
    assert ours.soft_weight > 0 and ours.feature_weight > 0 and ours.bottleneck_weight > 0 and ours.adaptive
    assert SCHEMES["ours_without_features"].config(1, 40, 60_000).feature_weight == 0
    assert SCHEMES["ours_without_bottleneck"].config(1, 40, 60_000).bottleneck_weight == 0
    assert not SCHEMES["ours_without_cam"].config(1, 40, 60_000).adaptive
    assert SCHEMES["ours_55"].config(1, 40, 60_000).limit_items == 30_250
    labels = SCHEMES["labels"].config(1, 40, 60_000)
    assert labels.soft_weight == labels.feature_weight == labels.bottleneck_weight == 0 and labels.adaptive
    assert {s.config(2, 7, 60_000).epochs for s in SCHEMES.values()} == {7}, "all have the same budget"
    with pytest.raises(SdrScError, match="'none' is unknown"):
        pick(("none",))


def test_a_run_that_is_there_is_left_alone(tiny: Run) -> None:
    before = tiny.weights.stat().st_mtime_ns
    assert train_one(tiny, Sources(), "def") == "is there"
    assert tiny.weights.stat().st_mtime_ns == before
    assert not tiny.weights.with_suffix(".checkpoint").exists()


def test_a_run_of_other_settings_is_refused(tiny: Run) -> None:
    with pytest.raises(SdrScError, match=r"trained with another epochs \(6, not 2\); delete it"):
        train_one(Run(TINY, 1, 2, tiny.folder), Sources(), "")


def test_schemes_without_their_knowledge_are_told_and_others_trained(tmp_path: Path) -> None:
    said = []
    short = replace(TINY, changes={**TINY.changes, "limit_items": 512})
    runs = [Run(scheme, 1, 1, tmp_path) for scheme in (SCHEMES["ours"], short, SCHEMES["standard"])]
    train_all(runs, Sources(), 1, lambda run, word: said.append((run.scheme.name, word.split(":")[0][:10])))
    assert said == [("ours", "not traine"), ("standard", "not traine"), ("labels", "trained in")]
    assert runs[1].weights.is_file()


def test_weights_from_other_knowledge_are_refused(tiny: Run) -> None:
    config = TINY.config(1, 6, 60_000)
    assert tiny.is_done(config, "none: trained on the labels alone")
    with pytest.raises(SdrScError, match="trained with other knowledge"):
        tiny.is_done(config, "another teacher")


def test_points_are_measured_once(tiny: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [(20.0, 16), (None, 4), (20.0, None), (20.0, 32)]
    first = measure(tiny, asked, images=100)
    assert set(first) == {"20 dB k=16", "no channel k=4", "20 dB k=CAM"}, "a k that the model has not is left out"
    assert all(point.items == 100 and point.correct > 30 for point in first.values())
    assert first["20 dB k=16"].uses_per_item == 16
    monkeypatch.setattr(points, "_point", lambda *a, **k: pytest.fail("measured again"))
    assert measure(tiny, asked, images=100) == first


def test_points_of_another_model_are_not_taken(tiny: Run) -> None:
    path = tiny.weights.with_suffix(".points.json")
    measure(tiny, [(None, 4)], images=50)
    stored = json.loads(path.read_text())
    stored["model_id"], stored["points"]["no channel k=4"]["correct"] = "0" * 16, 1
    path.write_text(json.dumps(stored))
    assert measure(tiny, [(None, 4)], images=50)["no channel k=4"].correct > 12


def test_a_run_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SdrScError, match="labels_seed3.safetensors is missing"):
        measure(Run(TINY, 3, 1, tmp_path), [(None, 4)])


def _found(values: dict[str, list[float]], point: str) -> accuracy.Found:
    return {
        (scheme, seed): {point: Point(round(100 * value), 0, 10_000, 16.0, 32.0)}
        for scheme, row in values.items()
        for seed, value in enumerate(row, start=1)
    }


def test_gains_are_paired_by_seed() -> None:
    found = _found({"ours": [93.0, 94.0, 95.0], "labels": [92.0, 93.0, 94.0]}, key(20.0, 16))
    (row,) = accuracy.difference(found, "ours", "labels", 20.0, 16, at_least=0.5)
    assert row.value == pytest.approx(1.0) and row.ok is True and row.n == 3
    assert row.ci95 == pytest.approx((1.0, 1.0)), "the seeds' own scatter is not the gain's"
    assert accuracy.difference(found, "ours", "standard", 20.0, 16) == []


def test_goals_that_are_missed_are_told() -> None:
    rows = accuracy.goal_rows(_found({"ours": [92.9, 92.8]}, key(20.0, 16)))
    assert [(row.ok, row.n) for row in rows] == [(False, 2)]


def test_loss_by_the_channel_counts_frames_that_were_found() -> None:
    found = {
        ("ours", 1): {
            key(None, 32): Point(9300, 0, 10_000, 32.0, 32.0),
            key(-5.0, 32): Point(4600, 5_000, 10_000, 32.0, 50.0),
        }
    }
    (row,) = accuracy.goal_rows(found)
    assert row.value == pytest.approx(93.0 - 92.0) and row.name.startswith("ours, loss by the channel, -5 dB")


def test_cam_is_held_against_the_smallest_fixed_k_that_is_as_good() -> None:
    shares = {4: 0.80, 16: 0.92, 32: 0.93, None: 0.92}
    uses = {4: 4.0, 16: 16.0, 32: 32.0, None: 5.0}
    found = {
        ("ours", 1): {
            key(snr_db, k): Point(round(1000 * share), 0, 1000, uses[k], uses[k] + 16)
            for snr_db in SWEEP_SNR_DB
            for k, share in shares.items()
        }
    }
    rows = accuracy.cam_rows(found, (4, 16, 32))
    assert rows[0].value == pytest.approx(16 / 5) and rows[0].ok is True
    assert rows[1].value == pytest.approx(32 / 21) and rows[1].ok is False
    assert rows[2].value == pytest.approx(0.0, abs=1e-9)


def test_commands_tell_what_is_missing(tmp_path: Path) -> None:
    for verb in ("accuracy", "ablations", "cam"):
        result = sdr_sc("bench", "distillation", verb, "--folder", str(tmp_path))
        assert_one_line_error(result, f"{tmp_path} has none of these runs", "bench distillation train")
    result = sdr_sc("bench", "distillation", "train", "--folder", str(tmp_path), "--scheme", "nothing")
    assert_one_line_error(result, "scheme 'nothing' is unknown")


def test_tables_come_from_the_runs_that_are_there(tiny: Run, tmp_path: Path) -> None:
    found = points.measure_all([tiny], [(20.0, 16)], workers=1, images=100)
    rows = accuracy.scheme_rows(found)
    assert [row.name for row in rows] == ["cross entropy alone, 20 dB k=16, of frames found"]
    assert np.isnan(rows[0].ci95[0]), "one seed has no interval"
