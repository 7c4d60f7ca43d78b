# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver with a knowledge base as people see it: the flowgraph with a window."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from command import assert_one_line_error, sdr_sc
from knowledge_answering import NEW, OWN, make_base, make_rules

from sdr_sc.demo.run import DemoConfig, run_demo
from sdr_sc.flowgraph.loopback import FLOWGRAPHS

QT = FLOWGRAPHS / "multitask_kb_qt.grc"
LINK = ("--model", "fashion_mnist_student", "--data-set", "fashion_mnist", "--k", "32", "--items", "24")
WINDOW = {"timeout_s": 360, "QT_QPA_PLATFORM": "offscreen"}


@pytest.mark.gui
def test_the_window_shows_what_the_base_knows_and_ends_with_its_results(tmp_path: Path) -> None:
    make_rules(tmp_path / "toy.rules", make_base(tmp_path / "toy.kb"))
    more = ("--base", tmp_path / "toy.kb", "--items-per-second", "100", "--folder", tmp_path, "--timeout", "280")
    result = sdr_sc("run", QT, *LINK, *more, **WINDOW)
    assert result.returncode == 0, result.stderr
    with open(tmp_path / "knowledge.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["base_state"] for row in rows} == {"used"}
    assert all(row["entry_1"] for row in rows) and "knowledge base used for 24 items" in result.stdout + result.stderr


@pytest.mark.gui
def test_a_base_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    result = sdr_sc("run", QT, *LINK, "--base", tmp_path / "none.kb", "--timeout", "100", **WINDOW)
    assert_one_line_error(result, "none.kb")


def test_the_demonstration_ends_with_a_report_on_the_base(tmp_path: Path) -> None:
    make_rules(tmp_path / "toy.rules", make_base(tmp_path / "toy.kb"))
    config = DemoConfig(
        images=44, model="fashion_mnist_student", data_set="fashion_mnist", base=str(tmp_path / "toy.kb"),
        feedback_timeout_s=60.0,
    )  # fmt: skip
    folder = tmp_path / "run"
    done = run_demo(config, folder, lambda tb: None)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["command"] == "sdr-sc demo --base ..." and summary["accounting"]["accounted"] is True
    assert summary["config"]["class_names"] == [*OWN, *NEW] and "local_base" not in summary["config"]
    states = summary["accounting"]["knowledge"]["items"]
    assert sum(states.values()) == summary["accounting"]["items_answered"] and "no rule for this k" in states
    rows = {row.name for row in done.rows}
    assert {"right with the base, of what arrived", "right by the decoder alone, of what arrived"} <= rows
    page = (folder / "report.html").read_text()
    assert "The knowledge base's part" in page.replace("&#39;", "'") and "no rule for this k" in page


def test_options_of_a_base_need_one(tmp_path: Path) -> None:
    for option in ("--rules", "--local-base"):
        result = sdr_sc("demo", option, tmp_path / "x", "--out", tmp_path)
        assert result.returncode == 2 and f"{option} is for a knowledge base; give --base, too" in result.stderr
    link = ("--model", "fashion_mnist_student", "--data-set", "fashion_mnist", "--out", tmp_path)
    assert_one_line_error(sdr_sc("demo", "--base", tmp_path / "none.kb", *link), "none.kb")
