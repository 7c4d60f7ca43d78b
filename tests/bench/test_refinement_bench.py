# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of refinement and of the confidence: its estimators, and its rows on little data."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench import calibration, refinement
from sdr_sc.bench.refinement import Sent, needed_k, rising
from sdr_sc.semantic import weights
from sdr_sc.semantic.calibration import Calibration


def sent(right: list[float], symbols: float = 4.0, air: float = 100.0) -> Sent:
    return Sent(np.array(right), np.full(len(right), symbols), air)


def test_isotonic_regression_never_falls_and_keeps_the_mean() -> None:
    values = np.random.default_rng(1).normal(np.linspace(0, 1, 40), 0.5)
    found = rising(values)
    assert (np.diff(found) >= 0).all() and found.mean() == pytest.approx(values.mean())
    others = [np.sort(np.random.default_rng(seed).normal(found, 0.05)) for seed in range(20)]
    assert all(np.square(found - values).sum() <= np.square(other - values).sum() for other in others)


def test_one_lucky_k_is_not_taken_for_the_truth() -> None:
    assert needed_k(0.921, {4: 0.91, 6: 0.925, 8: 0.915, 12: 0.93}) == 6.0  # 6 and 8 reach 0.92 together
    assert needed_k(0.926, {4: 0.91, 6: 0.925, 8: 0.915, 12: 0.93}) == 10.0
    assert needed_k(0.5, {4: 0.91, 6: 0.92}) == 4.0 and needed_k(0.99, {4: 0.91, 6: 0.92}) == 6.0


def test_passes_are_averaged_image_by_image() -> None:
    joined = refinement._joined([[sent([1, 0]), sent([1])], [sent([0, 0], 8.0), sent([1], 6.0, 300.0)]])
    assert joined.right.tolist() == [0.5, 0.0, 1.0]
    assert joined.symbols.tolist() == [6.0, 6.0, 5.0] and joined.air == 300.0


def test_the_interval_is_paired_over_the_images() -> None:
    right = (np.random.default_rng(2).random(2000) < 0.9).astype(float)
    rng = np.random.default_rng(3)
    low, high = refinement._gain_interval(sent([*right], 2.0), {2: sent([*(0.5 * right)]), 4: sent([*right])}, rng)
    assert 1.95 < low <= high <= 2.0  # what the images are like cancels


def test_rows_over_noise_are_of_every_k_and_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "SNRS_DB", (5.0,))
    rows = calibration.noise_rows(weights.DEFAULT_MODEL, True, 1)
    assert [row.n for row in rows] == [500] * 2 and all(0 < row.value < 15 for row in rows)
    assert "worst k" in rows[0].name and "worst round" in rows[1].name and rows[0].goal == "<= 2 points"


def test_a_confidence_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "SNRS_DB", (0.0,))
    monkeypatch.setattr(Calibration, "confidence", lambda *_: np.full(500, 0.99))
    assert calibration.noise_rows(weights.DEFAULT_MODEL, True, 1)[0].value > 30


def test_rows_over_links_count_the_frames_that_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "LINK_SNRS_DB", (0.0,))
    rows = calibration.link_rows(weights.DEFAULT_MODEL, None, True, 1, lambda _: None)
    assert [row.name.split(", ")[-3] for row in rows] == ["AWGN"] * 2 + ["TDL-C 300 ns"] * 2
    assert all(0 < row.n <= 500 and 0 < row.value < 25 for row in rows)
    assert rows[0].n == 500 and rows[0].goal == "<= 2 points"
