# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs as a user calls them."""

from __future__ import annotations

from pathlib import Path

from command import assert_one_line_error, sdr_sc

from sdr_sc.results.rows import read_measurements


def test_a_verb_prints_its_table_and_keeps_its_figures_with_configuration_and_commit(tmp_path: Path) -> None:
    path = tmp_path / "peaks.json"
    done = sdr_sc("bench", "evidence", "peaks", "--quick", "--json", path)
    assert done.returncode == 0 and "| payload | above it 50 % |" in done.stdout, done.stderr
    kept = read_measurements(path)
    assert kept["config"] == {"model": "fashion_mnist_student", "data_set": "fashion_mnist", "seed": 1, "quick": True}
    assert kept["git"] and kept["rows"][0]["ci95"][0] < kept["rows"][0]["value"] < kept["rows"][0]["ci95"][1]


def test_mistakes_are_one_line() -> None:
    assert_one_line_error(sdr_sc("bench", "evidence", "wins", "none.parquet"), "none.parquet is not there")
    assert_one_line_error(sdr_sc("bench", "evidence", "tasks", "--scheme", "theirs"), "'theirs' is unknown")
    assert_one_line_error(sdr_sc("bench", "evidence", "cost", "--efficiency", "3"), "efficiency is 3.0")
