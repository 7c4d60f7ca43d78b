# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of adaptation over a range of SNRs: which fixed pair is the rival, and the rows."""

from __future__ import annotations

import pytest

from sdr_sc.bench.phy import snr_range
from sdr_sc.bench.phy.snr_range import Point, best_fixed
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.semantic import weights

LONG, SHORT = (FrameMode.ROBUST, 32), (FrameMode.SHORT, 2)


def test_where_no_fixed_pair_is_good_enough_the_most_accurate_one_is_the_rival() -> None:
    adaptive = {0.0: Point(0.9, 30.0)}
    best = best_fixed(adaptive, {LONG: {0.0: Point(0.8, 60.0)}, SHORT: {0.0: Point(0.1, 10.0)}}, 0.0)
    assert best.pair == LONG and best.gain == pytest.approx(2) and best.less_points == pytest.approx(10)


def test_a_pair_may_lose_half_a_point() -> None:
    adaptive = {0.0: Point(0.9, 30.0)}
    for loss, pair in ((0.004, SHORT), (0.006, LONG)):
        fixed = {LONG: {0.0: Point(0.9, 60.0)}, SHORT: {0.0: Point(0.9 - loss, 15.0)}}
        assert best_fixed(adaptive, fixed, 0.0).pair == pair


def test_the_rows_of_each_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snr_range, "SNRS_DB", (5.0, 25.0))
    monkeypatch.setattr(snr_range, "FROM_DB", (5.0, 10.0))
    monkeypatch.setattr(snr_range, "FIXED", {FrameMode.SHORT: (2, 32)})
    rows = snr_range.snr_range_rows(weights.DEFAULT_MODEL, True, 1, lambda _: None)
    assert len(rows) == 8 and [row.goal for row in rows if row.goal] == [">= 3 times"]
    assert all(80 < row.value <= 100 for row in rows if row.name.startswith("accuracy, adaptation"))
