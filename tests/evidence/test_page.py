# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/evidence.md are those that commands print from the kept results."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pytest
from command import ROOT
from evidence_claims import KEPT, sentences

from sdr_sc.evidence.cost import tables
from sdr_sc.evidence.tables import pivot
from sdr_sc.evidence.tasks import table
from sdr_sc.evidence.wins import comparisons, table_of_settings, tally
from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.results.rows import Row, read_measurements
from sdr_sc.sweep.config import load_config

PAGE = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
IMAGES = "images"
SWEEPS = ("feedback", "broadcast", "fading", "robustness", "front_end")


@lru_cache
def rows(name: str) -> tuple[Row, ...]:
    """Rows of a kept file of figures."""
    kept = read_measurements(KEPT / f"{name}.json")
    assert kept["config"]["quick"] is False and kept["git"]
    found = []
    for one in kept["rows"]:
        interval = one["ci95"]
        found.append(Row(one["name"], one["value"], one["unit"], ci95=None if interval is None else tuple(interval)))
    return tuple(found)


@pytest.mark.parametrize("name", (*SWEEPS, IMAGES))
def test_wins_and_losses_are_those_of_the_kept_sweeps(name: str) -> None:
    assert table_of_settings(comparisons(KEPT / f"{name}.parquet", means_only=True)) in PAGE


@pytest.mark.parametrize("margins", [True, False])
def test_the_tally_is_that_of_all_sweeps(margins: bool) -> None:
    found = [one for name in SWEEPS for one in comparisons(KEPT / f"{name}.parquet", means_only=True, margins=margins)]
    assert tally(found) in PAGE


@pytest.mark.parametrize(
    ("name", "corner", "digits", "intervals"),
    [("soft", "channel, SNR, scheme", 2, False), ("int8", "what", 2, True),
     ("peaks", "payload", 2, True)],
)  # fmt: skip
def test_a_table_is_that_of_its_kept_figures(name: str, corner: str, digits: int, intervals: bool) -> None:
    assert pivot(rows(name), corner, digits, intervals) in PAGE


def test_the_table_of_tasks_is_that_of_its_kept_figures() -> None:
    assert table(rows("tasks")) in PAGE


def test_the_tables_of_cost_are_those_of_the_kept_figures() -> None:
    found = tables(rows("cost"))
    assert len(found) > 1 and [one for one in found if one not in PAGE] == []


@pytest.mark.parametrize("name", (*SWEEPS, IMAGES))
def test_kept_results_are_whole_and_of_the_configuration_beside_them(name: str) -> None:
    study = load_study([KEPT / f"{name}.parquet"])
    assert study.configs == (load_config(KEPT / f"{name}.yaml"),)
    assert study.missing == study.unfinished == study.unverified == ()
    assert not study.abouts[0]["git"].endswith("+dirty")


def test_what_the_page_says_in_short_is_so() -> None:
    assert [sentence for sentence in sentences() if sentence not in " ".join(PAGE.split())] == []


def test_every_command_of_the_page_names_a_file_that_is_there() -> None:
    for path in re.findall(r"benchmarks/evidence/[\w.]+", PAGE):
        assert Path(ROOT / path).exists(), path
