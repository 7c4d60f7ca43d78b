# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the experiments on distillation: goals, gains, and what was not measured."""

from __future__ import annotations

import math

import pytest

from sdr_sc.bench.distillation import accuracy
from sdr_sc.bench.distillation.points import COMPARED, SWEEP_SNR_DB, Point, key
from sdr_sc.results.rows import NOT_MEASURED


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
    assert row.samples == pytest.approx((1.0, 1.0, 1.0))
    assert accuracy.difference(found, "ours", "standard", 20.0, 16) == []


def test_goals_that_are_missed_are_reported() -> None:
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


def test_ablations_are_the_gains_of_ours_over_ours_without_a_part() -> None:
    shares = {"ours": 93.0, "ours_without_cam": 90.0, "labels": 92.5, "labels_decisions": 92.75, "fixed_rate": 80.0}
    found: accuracy.Found = {
        (scheme, seed): {
            key(*point): Point(round(100 * (share + seed + number)), 0, 10_000, 16.0, 32.0)
            for number, point in enumerate(COMPARED)
        }
        for scheme, share in shares.items()
        for seed in (1, 2)
    }
    rows = accuracy.ablation_rows(found)
    assert len(rows) == 3 * len(COMPARED), "those that were not trained have no rows, and the others no goals"
    parts = (("ours without CAM", 3.0), ("cross entropy alone", 0.5), ("cross entropy + expected error", 0.25))
    for part, (title, gain) in enumerate(parts):
        for row, point in zip(rows[part * len(COMPARED) :], COMPARED, strict=False):
            assert row.name == f"ours, gain over {title}, {key(*point)}"
            assert row.value == pytest.approx(gain) and row.n == 2 and row.goal is row.ok is None
            assert row.ci95 == pytest.approx((gain, gain))


def test_what_was_asked_for_and_is_not_trained_is_a_row_without_a_figure() -> None:
    found = _found({"ours": [93.0, 94.0], "labels": [92.0]}, key(20.0, 16))
    asked = [(scheme, seed) for seed in (1, 2) for scheme in ("ours", "labels", "standard")]
    rows = {row.name: row for row in accuracy.goal_rows(found, asked)}
    gain = "ours, gain over cross entropy alone, 20 dB k=16"
    assert rows[gain].value == pytest.approx(1.0) and rows[gain].n == 1
    missing = {name: row for name, row in rows.items() if NOT_MEASURED in name}
    assert f"{gain}, other seeds, not measured: labels_seed2 is not trained" in missing
    standard = "ours, gain over standard distillation, teacher in the loop, 20 dB k=16"
    assert f"{standard}, not measured: standard_seed1, standard_seed2 are not trained" in missing
    assert all(math.isnan(row.value) and row.ok is None and row.n is None for row in missing.values())
    assert not any("in float32" in name for name in rows), "nobody asked for it"
    assert not any(NOT_MEASURED in row.name for row in accuracy.goal_rows(found, [("ours", 1), ("labels", 1)]))


def test_seeds_that_are_missing_are_reported_beside_what_the_cam_saves() -> None:
    points = {key(snr_db, k): Point(900, 0, 1000, k or 5.0, 40.0) for snr_db in SWEEP_SNR_DB for k in (4, 16, None)}
    rows = accuracy.cam_rows({("ours", 1): points}, (4, 16), [("ours", 1), ("ours", 2)])
    missing = [row for row in rows if NOT_MEASURED in row.name]
    assert [row.name.split(", ")[1] for row in missing] == ["features alone", "with all overhead"]
    assert all("ours_seed2 is not trained" in row.name and math.isnan(row.value) for row in missing)
