# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver with a knowledge base as people see it: the flowgraph with a window."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from command import assert_one_line_error, sdr_sc
from knowledge_answering import make_base, make_rules

from sdr_sc.flowgraph.loopback import FLOWGRAPHS

pytestmark = pytest.mark.gui
QT = FLOWGRAPHS / "multitask_kb_qt.grc"
LINK = ("--model", "fashion_mnist_student", "--data-set", "fashion_mnist", "--k", "32", "--items", "24")
WINDOW = {"timeout_s": 360, "QT_QPA_PLATFORM": "offscreen"}


def test_the_window_shows_what_the_base_knows_and_ends_with_its_results(tmp_path: Path) -> None:
    make_rules(tmp_path / "toy.rules", make_base(tmp_path / "toy.kb"))
    more = ("--base", tmp_path / "toy.kb", "--items-per-second", "100", "--folder", tmp_path, "--timeout", "280")
    result = sdr_sc("run", QT, *LINK, *more, **WINDOW)
    assert result.returncode == 0, result.stderr
    with open(tmp_path / "knowledge.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["base_state"] for row in rows} == {"used"}
    assert all(row["entry_1"] for row in rows) and "knowledge base used for 24 items" in result.stdout + result.stderr


def test_a_base_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    result = sdr_sc("run", QT, *LINK, "--base", tmp_path / "none.kb", "--timeout", "100", **WINDOW)
    assert_one_line_error(result, "none.kb")
