# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of the report of sweeps, against hand-made results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sweep_studies import ITEMS, made_up, view_of, with_more_right, write

from sdr_sc.report.sweep.compare import difference
from sdr_sc.report.sweep.operating_points import pool
from sdr_sc.report.sweep.selection import View
from sdr_sc.report.sweep.tables import contest, needs, saving
from sdr_sc.report.sweep.text_tables import (
    contest_table,
    latency_table,
    need_table,
    saving_sentences,
    size_table,
    time_table,
)
from sdr_sc.results.rows import clustered_interval
from sdr_sc.sweep.grid import Point


def two(one: Any, other: Any, different: int = 10_000) -> Any:
    """The difference of two points' results."""
    (a,), (b,) = (pool([r] if not isinstance(r, list) else r, different).values() for r in (one, other))
    return difference([(a, b)])


def test_curves_show_the_own_choice_or_the_smallest_k_that_is_as_good(view: View, tmp_path: Path) -> None:
    assert [scheme.curve for scheme in view.schemes] == [
        "ours (CAM)", "pca (k = 8)", "features_ldpc", "label_ldpc (class only)"
    ]  # fmt: skip
    assert view.reference.label == "ours"
    fixed = [{"scheme": "pca", "k": [4, 8, 16, 32]}]
    right = {4: 10, 8: 17, 16: 17, 32: 17}
    path = write(tmp_path / "k.parquet", lambda p, _: made_up(p, right[p.k or 0], p.k or 0), schemes=fixed)
    assert view_of(path).schemes[0].k == 8


def test_seeds_are_pooled(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.parquet",
        lambda p, _: made_up(p, 10 if p.seed == 1 else 16, 4, snr_est_mean_db=9.0 if p.seed == 1 else None,
                             frames_lost=0 if p.seed == 1 else 4),
        schemes=["label_ldpc"], snr_db=[10], channels={"awgn": ""}, seeds=[1, 2],
    )  # fmt: skip
    (operation,) = view_of(path).operations.values()
    assert (operation.items, operation.accuracy, operation.uses, operation.on_air) == (400, 0.65, 4.0, 14.0)
    assert operation.snr_db == 9.0  # of the seed whose frames were received
    assert operation.interval == pytest.approx(clustered_interval([10] * 10 + [16] * 10, [20] * 20))
    assert operation.confusion.sum() == 400 and operation.seconds == pytest.approx(0.002)


def test_symbols_needed_for_the_target(view: View) -> None:
    at_10 = needs(view, "awgn", 10, "uses")
    # k=16 (95 %, 16 symbols), and the module's choice (90 %, 8); k=4 has 85 %.
    assert at_10["ours"].operation.key.k is None and at_10["ours"].operation.uses == 8 and at_10["ours"].ratio == 1
    assert at_10["pca"].operation is None and at_10["pca"].is_measured
    assert at_10["label_ldpc"].ratio == pytest.approx(3 / 8)
    assert not at_10["ours"].is_sure  # 90 % of 200 items
    at_20 = needs(view, "awgn", 20, "on_air")
    assert at_20["ours"].operation.uses == 4 and at_20["features_ldpc"].ratio == pytest.approx(22 / 14)
    table = need_table(view, "awgn", "uses")
    cells = {row[0]: row[1:] for row in table.rows}
    assert table.head == ("Scheme", "0 dB", "10 dB", "20 dB")
    assert cells["ours"] == ("not reached", "≈ 8.0 (CAM)", "≈ 4.0 (k = 4)")
    assert cells["label_ldpc (class only)"] == ("≈ 6.0", "3.0 (×0.38)", "2.0 (×0.50)")
    assert cells["features_ldpc"] == ("not reached", "not reached", "12.0 (×3.0)")


def test_another_target(study_path: Path) -> None:
    found = needs(view_of(study_path, 70.0), "awgn", 0, "uses")
    assert found["ours"].operation.key.k == 4 and found["pca"].operation is None


def test_what_the_module_saves(view: View) -> None:
    found = saving(view, view.reference, "awgn")
    assert found is not None
    # Means over 0, 10 and 20 dB: its own choice (17 + 18 + 18) / 60 with (16 + 8 + 4) / 3 symbols.
    assert found.adaptive.accuracy == pytest.approx(53 / 60) and found.adaptive.uses == pytest.approx(28 / 3)
    assert found.fixed[4].accuracy == pytest.approx(49 / 60) and found.equal_k == 16
    assert found.saved("uses", 16) == pytest.approx(1 - 28 / 3 / 16)
    assert found.saved("on_air", 16) == pytest.approx(1 - (28 / 3 + 10) / 26)
    assert found.ahead[16].points == pytest.approx(100 * (53 - 55) / 60) and found.ahead[16].is_seen
    assert found.near_k == 16 and found.ahead[4].low > 0
    assert saving_sentences(found) == [
        "CAM, 88.3 % in the mean, saves 42 % of the payload symbols and saves 26 % of all symbols on air against "
        "k = 16, the cheapest fixed k at least as accurate (91.7 %)."
    ]


def test_no_fixed_k_as_accurate_as_the_module(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", lambda p, _: made_up(p, {4: 10, 16: 15, None: 16}[p.k], p.k or 8),
                 schemes=[{"scheme": "ours", "k": [4, 16, "cam"]}])  # fmt: skip
    view = view_of(path)
    found = saving(view, view.reference, "awgn")
    assert found is not None and found.equal_k is None and found.best_k == 16
    assert saving_sentences(found) == [
        "No fixed k is as accurate as CAM (80.0 % in the mean); the best, k = 16, is at 75.0 %."
    ]


def test_a_fixed_k_that_is_hardly_worse_is_reported(tmp_path: Path) -> None:
    def make(point: Point, _: object) -> Any:
        found = made_up(point, {4: 16, 16: 17, None: 16}[point.k], point.k or 8)
        if point.k == 4:
            return with_more_right(found, -1)
        return found

    path = write(tmp_path / "x.parquet", make, schemes=[{"scheme": "ours", "k": [4, 16, "cam"]}], snr_db=[10])
    view = view_of(path)
    found = saving(view, view.reference, "awgn")
    assert found is not None and (found.equal_k, found.near_k) == (16, 4)
    second = saving_sentences(found)[1].replace("\u00a0", " ")
    told = "Against k = 4, the cheapest that is less accurate by 0.5 points at most (CAM is ahead by +0.5 ("
    assert second.startswith(told)
    assert second.endswith("it spends 100 % more of the payload symbols and spends 29 % more of all symbols on air.")


def test_who_wins_at_comparable_symbols(view: View) -> None:
    at_0 = contest(view, "awgn", 0, "uses")
    assert at_0 is not None and at_0.budget == pytest.approx(17.6)
    # The class alone has 18 of 20 with 6 symbols, ours 17 with 16, pca 8 with 8; features_ldpc spends 40.
    assert [rival.scheme.label for rival in at_0.rivals] == ["label_ldpc", "ours", "pca"]
    assert at_0.winner is not None and at_0.winner.label == "label_ldpc"
    assert [s.label for s in at_0.over] == ["features_ldpc"]
    behind = at_0.rivals[1].behind
    assert behind is not None and behind.points == pytest.approx(5) and behind.is_seen
    at_20 = contest(view, "awgn", 20, "uses")
    assert at_20 is not None and [rival.scheme.label for rival in at_20.rivals] == ["label_ldpc", "ours"]
    rows = {row[0]: row for row in contest_table(view, "awgn", "uses").rows}
    assert rows["0"][2] == "label_ldpc (class only)" and rows["0"][5] == "label_ldpc wins"
    assert rows["0"][4].startswith("+5.0\u00a0(+") and rows["0"][4].endswith(", ours (k = 16)")
    assert rows["0"][6] == "features_ldpc" and rows["20"][6] == "pca, features_ldpc"


def test_a_difference_that_is_not_seen_is_no_win(tmp_path: Path) -> None:
    def make(point: Point, _: object) -> Any:
        found = made_up(point, 16, 8)
        if point.scheme == "pca":
            found.correct_by_block[:] = [14, 18] * 5
            return with_more_right(found, 1)
        return found

    view = view_of(write(tmp_path / "x.parquet", make, schemes=["ours", {"scheme": "pca", "k": [8]}]))
    found = contest(view, "awgn", 10, "uses")
    assert found is not None and found.winner is None and len(found.alike) == 1
    assert contest_table(view, "awgn", "uses").rows[1][5] == "no difference seen to " + found.alike[0].scheme.label


def test_differences_are_of_the_same_items() -> None:
    rng = np.random.default_rng(3)
    hard = rng.integers(0, 20, 10)  # how hard a block is, alike for both
    one, other = made_up(Point("a", "c", 0, None, 1), 10, 4), made_up(Point("b", "c", 0, None, 1), 10, 4)
    one.correct_by_block[:], other.correct_by_block[:] = hard, np.maximum(hard - rng.integers(0, 3, 10), 0)
    found = two(one, other)
    assert found.is_paired
    d = one.correct_by_block.astype(float) - other.correct_by_block
    mean = d.sum() / ITEMS
    sd = math.sqrt(((d - mean * 20) ** 2).sum() * 10 / 9) / ITEMS
    least = math.sqrt(np.abs(d).sum() - d.sum() ** 2 / ITEMS) / ITEMS
    assert found.points == pytest.approx(100 * mean)
    assert found.high - found.points == pytest.approx(100 * 2.2621572 * max(sd, least), rel=1e-6)
    independent = math.hypot(*(high - low for r in (one, other) for low, high in (r.interval,))) / 2
    assert found.high - found.points < 50 * independent


def test_differences_with_unlike_blocks_use_those_that_end_together() -> None:
    of_20, of_50 = made_up(Point("a", "c", 0, None, 1), 15, 4, 20), made_up(Point("b", "c", 0, None, 1), 10, 4, 50)
    found = two(of_20, of_50)
    assert found.is_paired and found.points == pytest.approx(25)  # two blocks of 100 items
    alone = made_up(Point("b", "c", 0, None, 1), 10, 4, 200)
    assert not two(of_20, alone).is_paired
    other_seed = made_up(Point("b", "c", 0, None, 2), 10, 4)
    assert not two(of_20, other_seed).is_paired


def test_a_few_items_are_no_win_though_all_blocks_agree() -> None:
    one, other = made_up(Point("a", "c", 0, None, 1), 10, 4, 100), made_up(Point("b", "c", 0, None, 1), 10, 4, 100)
    one.correct_by_block[:] += 1
    found = two(one, other)
    assert found.points == pytest.approx(1) and not found.is_seen


def test_seeds_with_the_same_images_make_a_difference_no_surer_than_the_images() -> None:
    def results(scheme: str, right: int, seeds: int) -> list:
        return [made_up(Point(scheme, "c", 0, None, seed), right, 4) for seed in range(1, seeds + 1)]

    one = two(results("a", 12, 1), results("b", 10, 1), different=ITEMS)
    eight = two(results("a", 12, 8), results("b", 10, 8), different=ITEMS)
    assert eight.high - eight.low > 0.8 * (one.high - one.low)
    unlike = two(results("a", 12, 8), results("b", 10, 8))
    assert unlike.high - unlike.low < 0.45 * (one.high - one.low)


def test_time_an_item(view: View) -> None:
    row = {row[0]: row for row in time_table(view).rows}["ours (CAM)"]
    assert row[1] == row[2] == "2" and row[4] == f"{6 * ITEMS:,}" and row[5] == "5.0"


def test_sizes_of_both_ends(view: View) -> None:
    rows = {row[0]: row[1:] for row in size_table(view).rows}
    assert rows["ours"] == ("47,856", "193", "43,402", "0.5")
    assert rows["pca"] == ("not stated",) * 4
    assert rows["features_ldpc"] == ("not stated", "1,200", "0", "0")
    assert rows["label_ldpc"] == ("not stated", "not stated", "0", "0")


def test_latency_of_an_item(view: View, tmp_path: Path) -> None:
    table = latency_table(view)
    rows = {row[0]: row[1:] for row in table.rows}
    assert table.head == ("Scheme", "On air, 0 dB", "On air, 10 dB", "On air, 20 dB", "Computing")
    # 16 + 10 symbols on air an item at 0 dB: half an OFDM symbol of 52, which lasts 80 us. A frame has 50 items.
    assert rows["ours (CAM)"] == ("0.04 (2)", "0.0277 (1.38)", "0.0215 (1.08)", "2")
    assert rows["pca (k = 8)"][:3] == ("0.0277 (1.38)",) * 3
    path = write(tmp_path / "x.parquet", keep=lambda p: p.channel == "tdl_c" or p.snr_db == 0)
    assert {row[0]: row[1:4] for row in latency_table(view_of(path)).rows}["ours (CAM)"] == ("0.04 (2)", "–", "–")
