# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tasks as people see them: the flowgraph with a window, and the demonstration with its report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from command import assert_one_line_error, sdr_sc
from real_data import needs

from sdr_sc.data.wordnet import PACKAGE
from sdr_sc.flowgraph.loopback import FLOWGRAPHS

QT = FLOWGRAPHS / "multitask_loopback_qt.grc"


def answers_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "answers.csv", newline="") as file:
        return list(csv.DictReader(file))


@needs(PACKAGE)
@pytest.mark.gui
def test_the_window_shows_what_was_sent_and_ends_with_its_results(tmp_path: Path) -> None:
    options = ["--timeout", "200", "--items", "24", "--items-per-second", "100", "--folder", tmp_path]
    result = sdr_sc("run", QT, *options, timeout_s=300, QT_QPA_PLATFORM="offscreen")
    assert result.returncode == 0, result.stderr
    rows = answers_of(tmp_path)
    assert len(rows) == 24 and {row["task"] for row in rows} == {"retrieval"}
    assert sum(row["correct_listed"] == "1" for row in rows) > 12


@pytest.mark.gui
def test_the_window_shows_pictures_as_well(tmp_path: Path) -> None:
    options = ["--model", "fashion_mnist_student", "--data-set", "fashion_mnist", "--tasks", "", "--items", "24"]
    more = ["--items-per-second", "100", "--folder", tmp_path, "--timeout", "200"]
    result = sdr_sc("run", QT, *options, *more, timeout_s=300, QT_QPA_PLATFORM="offscreen")
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / "items.csv").read_text().splitlines()) == 25


@needs(PACKAGE)
def test_the_demonstration_ends_with_a_report_that_has_a_panel_a_task(tmp_path: Path) -> None:
    result = sdr_sc("demo", "--multitask", "--items", "132", "--out", tmp_path, timeout_s=350)
    assert result.returncode == 0, result.stderr
    (folder,) = tmp_path.iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["command"] == "sdr-sc demo --multitask" and summary["accounting"]["accounted"] is True
    rows = {row["name"]: row for row in summary["rows"]}
    assert {"accuracy over all texts", "retrieval: R@1", "retrieval: R@5", "channel uses per text"} <= set(rows)
    found = answers_of(folder)
    listed = sum(row["correct_listed"] == "1" for row in found)
    assert len(found) == 132 and rows["retrieval: R@5"]["value"] == pytest.approx(100 * listed / 132)
    page = (folder / "report.html").read_text()
    assert "Task: classification" in page and "Task: retrieval" in page and "number 1" not in page
    assert f"report: {folder / 'report.html'}" in result.stdout and "retrieval: R@5" in result.stdout


def test_what_the_demonstration_cannot_do_is_said_in_one_line(tmp_path: Path) -> None:
    out = ("--out", tmp_path)
    result = sdr_sc("demo", "--tasks", "retrieval", *out)
    assert result.returncode == 2 and "--tasks is for several tasks; give --multitask, too" in result.stderr
    options = ("--model", "fashion_mnist_student", "--data-set", "fashion_mnist")
    assert_one_line_error(sdr_sc("demo", "--multitask", *options, *out), "there is no second task in common")
    assert_one_line_error(sdr_sc("demo", "--multitask", "--tasks", "question", *out), "has no task 'question'")
    assert list(tmp_path.glob("*/*")) == []
