# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols for an accuracy, from results whose numbers can be checked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import ROOT, assert_one_line_error, sdr_sc
from sweep_studies import made_up, write

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.rates import read_rates, rows, tables
from sdr_sc.sweep.config import SweepConfig
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.tally import PointResult

# Right of each 20 items, of 200, and payload symbols an item; 10 more are on the air.
POINTS = {
    ("ours", 4, 0.0): (14, 4), ("ours", 16, 0.0): (19, 16), ("ours", 4, 10.0): (18, 4), ("ours", 16, 10.0): (19, 16),
    ("coded for 85", None, 0.0): (10, 60), ("coded for 90", None, 0.0): (18, 90),
    ("coded for 85", None, 10.0): (17, 30), ("coded for 90", None, 10.0): (19, 60),
    ("label_ldpc", None, 0.0): (19, 1.5), ("label_ldpc", None, 10.0): (12, 1),
}  # fmt: skip


def study(path: Path, missing: tuple[str, float] = ("", 0.0)) -> Path:
    def make(point: Point, config: SweepConfig) -> PointResult:
        right, uses = POINTS[point.scheme, point.k, point.snr_db]
        return made_up(point, right, uses, channel_uses=round(200 * uses), symbols_on_air=round(200 * (uses + 10)))

    schemes = [
        {"scheme": "ours", "k": [4, 16]},
        {"scheme": "features_ldpc", "name": "coded for 85", "target": 85},
        {"scheme": "features_ldpc", "name": "coded for 90", "target": 90},
        "label_ldpc",
    ]
    changes = {"schemes": schemes, "channels": {"awgn": ""}, "snr_db": [0, 10]}
    return write(path / "results.parquet", make, lambda point: (point.scheme, point.snr_db) != missing, **changes)


def test_the_cheapest_that_reaches_a_target_and_those_that_may_and_surely_do(tmp_path: Path) -> None:
    found = read_rates([study(tmp_path)], [85, 90])
    assert found.schemes == ("ours", "features_ldpc", "label_ldpc")  # those of one coder are one
    cells = {(target, scheme): [one.text() for one in found.row("awgn", target, scheme) if one]
             for target in found.targets for scheme in found.schemes}  # fmt: skip
    # 90 % of 200 items are 85.1 to 93.4 %, 95 % are 91.0 to 97.3 %, 85 % are 79.4 to 89.3 %.
    assert cells[90, "ours"] == ["16 (16 to 16), 26", "4 (4 to 16), 14"]
    assert cells[90, "features_ldpc"] == ["90 (90 to –), 100", "60 (60 to 60), 70"]
    assert cells[85, "features_ldpc"] == ["90 (90 to 90), 100", "30 (30 to 60), 40"]
    assert cells[90, "label_ldpc"] == ["1.50 (1.50 to 1.50), 11.5", "–"]


def test_the_tables_have_what_others_need_over_ours(tmp_path: Path) -> None:
    found = read_rates([study(tmp_path)], [90])
    text = tables(found, "ours")
    assert "| awgn, 90 %: payload symbols an item (95 % interval), all on the air | 0 dB | 10 dB |" in text
    assert "| features_ldpc over ours | 5.6 (5.6 to –), 3.8 | 15 (3.8 to 15), 5 |" in text
    kept = {row.name: row for row in rows(found)}
    assert kept["awgn, 10 dB, ours: symbols for 90 %, payload"].ci95 == (4.0, 16.0)
    assert kept["awgn, 0 dB, features_ldpc: symbols for 90 %, payload"].ci95 is None
    assert "awgn, 10 dB, label_ldpc: symbols for 90 %, payload" not in kept
    with pytest.raises(SdrScError, match="no scheme 'theirs'; choose one of ours, features_ldpc, label_ldpc"):
        tables(found, "theirs")


def test_what_was_not_measured_is_told_from_what_does_not_reach_the_target(tmp_path: Path) -> None:
    text = tables(read_rates([study(tmp_path, ("label_ldpc", 10.0))], [90]), "ours")
    assert "| label_ldpc | 1.50 (1.50 to 1.50), 11.5 | not measured |" in text
    assert "| label_ldpc | 1.50 (1.50 to 1.50), 11.5 | – |" in tables(read_rates([study(tmp_path)], [90]), "ours")


def test_the_verb_prints_draws_and_keeps(tmp_path: Path) -> None:
    picture, kept = tmp_path / "rates.png", tmp_path / "rates.json"
    done = sdr_sc("bench", "evidence", "rates", study(tmp_path), "--target", "90", "--figure", picture, "--json", kept)
    assert done.returncode == 0 and "| ours | 16 (16 to 16), 26 | 4 (4 to 16), 14 |" in done.stdout, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG") and "symbols for 90 %" in kept.read_text()
    assert_one_line_error(sdr_sc("bench", "evidence", "rates", "none.parquet"), "none.parquet is not there")


def test_the_page_of_the_rivals_has_the_tables_of_its_curves() -> None:
    page = (ROOT / "benchmarks" / "rivals" / "README.md").read_text(encoding="utf-8")
    printed = tables(read_rates([ROOT / "benchmarks" / "rivals" / "curves.parquet"]), "ours").split("\n\n")
    kept = [part for part in page.split("## Rate against quality")[1].split("\n\n") if part.startswith("|")]
    assert len(kept) == 6 and all(part.strip() in printed for part in kept)
