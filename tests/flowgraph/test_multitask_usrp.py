# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tasks over the simulated USRP and the real UHD driver."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from command import sdr_sc
from real_data import needs
from usrp_ends import Ends

from sdr_sc.data.wordnet import PACKAGE, load
from sdr_sc.flowgraph.loopback import FLOWGRAPHS
from sdr_sc.report.run.write import write_report

pytestmark = needs(PACKAGE)
MULTITASK_USRP = FLOWGRAPHS / "multitask_usrp.grc"
SEVERAL = ("--model", "wordnet_student", "--tasks", "retrieval")


def check(folder: Path, items: int) -> list[dict[str, str]]:
    """Every item is once in the rows of the second task, scored by its own truth; returns them."""
    with open(folder / "answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    targets = load("test").targets("retrieval", [int(row["item_id"]) for row in rows])
    assert len(rows) == items and [int(row["target"]) for row in rows] == targets.tolist()
    assert [row["correct"] == "1" for row in rows] == [row["answer"] == row["target"] for row in rows]
    return rows


@pytest.mark.parametrize("pace", ["step", "rt"])
def test_the_flowgraph_of_one_device_answers_every_task(pace: str, tmp_path: Path) -> None:
    args = f"type=simusrp,air=tasks{os.getpid()},pace={pace}"
    run = sdr_sc("run", MULTITASK_USRP, "--timeout", 300, "--", "--device-args", args, "--items", 80,
                 "--folder", tmp_path, "--feedback-timeout-s", 5, timeout_s=400)  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    rows = check(tmp_path, 80)
    answered = [row for row in rows if row["answer"] != "-1"]
    assert len(answered) >= (80 if pace == "step" else 40)  # a slow machine loses some in real time
    assert sum(row["correct_listed"] == "1" for row in answered) > 0.5 * len(answered)


def test_both_ends_answer_every_task_of_what_was_sent_once(tmp_path: Path) -> None:
    with Ends(tmp_path, "step") as ends:
        rx = ends.start("rx", *SEVERAL, device=",path_loss_db=62,seed=5")
        options = ("--data-set", "wordnet", "--images", 60, "-k", 16, "--feedback-timeout", 60)
        tx = ends.start("tx", *SEVERAL, *options)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0, ends.log("rx").read_text()
        assert [frame["status"] for frame in ends.frames()] == 15 * ["delivered"]
        summary = ends.summary("rx")
    (folder,) = (tmp_path / "rx").iterdir()
    rows = check(folder, 60)
    listed = sum(row["correct_listed"] == "1" for row in rows)
    assert listed > 45 and summary["accounting"]["tasks"]["retrieval"]["items_listed"] == listed
    figures = {row["name"]: row["value"] for row in summary["rows"]}
    assert figures["retrieval: R@5"] == pytest.approx(100 * listed / 60) and "retrieval: R@1" in figures
    page = write_report(folder).read_text()
    assert "Task: retrieval" in page and "SNR estimated (dB)" in page and "number 1" not in page
