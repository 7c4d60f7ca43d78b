# SPDX-License-Identifier: GPL-3.0-or-later
"""One student of texts and pictures over the simulated link: every task, each item asked a question of its own, and the
same answers from the recording."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import toy_joint
import toy_pictures

from sdr_sc.capture import open_capture
from sdr_sc.data.own_questions import items_asked
from sdr_sc.demo.run import DemoConfig, run_demo
from sdr_sc.errors import CaptureError, ContractError
from sdr_sc.flowgraph.loopback import Accounting
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.results.task_rows import task_rows
from sdr_sc.semantic.tasks.base import NO_ANSWER

DEADLINE_S, SEED = 300.0, 4
TASKS = "subgroup, retrieval, question, reconstruction"
PATIENT = {"feedback_timeout_s": 60.0, "seed": SEED, "snr_db": 18.0, "k": 16, "items_per_frame": 8}

toy_joint.register()


class Run(NamedTuple):
    """A recording, the model that it was made with, and the live run's results."""

    file: Path
    model: Path
    live: Path
    accounting: Accounting


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_joint.make_model(tmp_path_factory.mktemp("joint"))[0]


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("link")
    _, accounting = record_loopback(
        folder / "all", DEADLINE_S, folder=str(folder / "live"), model=str(model), data_set=toy_joint.SPEC, images=168,
        tasks=TASKS, question="*", **PATIENT,
    )  # fmt: skip
    assert accounting.discrepancies == [] and accounting.items_answered == 168
    yield Run(folder / "all", model, folder / "live", accounting)


def rows_of(folder: Path, name: str, task: str = "") -> list[dict[str, str]]:
    with open(folder / name, newline="") as file:
        return [row for row in csv.DictReader(file) if not task or row["task"] == task]


def test_each_item_is_asked_its_own_question_and_scored(run: Run) -> None:
    asked = items_asked(toy_joint.joined(), "*", SEED)
    rows = rows_of(run.live, "answers.csv", "question")
    assert len(rows) == 168 and len({asked.texts[int(row["item_id"])] for row in rows}) == 5, "four questions, and none"
    for row in rows:
        item = int(row["item_id"])
        assert int(row["target"]) == asked.answer[item]
        assert row["question"] == asked.texts[item]
        assert (int(row["answer"]) == NO_ANSWER) is (not asked.texts[item]) is (row["correct"] == "")
    colours = [row for row in rows if asked.texts[int(row["item_id"])] in toy_pictures.QUESTIONS[::3]]
    assert len(colours) > 12 and np.mean([row["correct"] == "1" for row in colours]) > 0.8
    counts = run.accounting.tasks["question"]
    assert counts["items_without"] == 120 and counts["items_labelled"] == counts["items_answered"] == 48
    assert counts["items_correct"] == sum(row["correct"] == "1" for row in rows)


def test_pictures_have_thumbnails_and_texts_have_none(run: Run) -> None:
    is_text = toy_joint.joined().items(np.arange(168))[:, 0] == 2
    rows = rows_of(run.live, "scores.csv")
    assert len(rows) == 168
    for row in rows:
        text = is_text[int(row["item_id"])]
        assert int(row["answer"]) == (NO_ANSWER if text else 0) and (row["score"] == "") is bool(text)
    counts = run.accounting.tasks["reconstruction"]
    assert counts["items_without"] == is_text.sum() and counts["items_invented"] == 0
    assert counts["items_scored"] == (~is_text).sum() and counts["figure"] > 12
    (row,) = [one for one in task_rows(run.live, {"tasks": run.accounting.tasks}) if one.unit == "dB"]
    assert row.n == (~is_text).sum() and row.value == pytest.approx(counts["figure"], abs=1e-3)
    kept = np.load(run.live / "thumbnails.npz")
    assert not is_text[kept["item_id"]].any() and kept["thumbnails"].shape[1:] == (3, 8, 8)


def test_the_other_tasks_are_answered_for_what_has_them(run: Run) -> None:
    data = toy_joint.joined()
    for row in rows_of(run.live, "items.csv"):
        assert int(row["label"]) == data.targets("classification", np.array([int(row["item_id"])]))[0]
    assert run.accounting.items_labelled == 120 and run.accounting.items_correct > 84
    for task in ("subgroup", "retrieval"):
        assert run.accounting.tasks[task]["items_labelled"] == 120


def test_the_recording_holds_the_questions_and_answers_them_again(run: Run, tmp_path: Path) -> None:
    asked = items_asked(toy_joint.joined(), "*", SEED)
    with open_capture(run.file) as capture:
        for note in capture.frames():
            assert note.item_id is not None and note.questions == tuple(asked.texts[item] for item in note.item_id)
    same, one = tmp_path / "same", tmp_path / "one"
    (result,) = replay(ReplayConfig(str(run.file), (str(run.model),), tasks=TASKS), [same], DEADLINE_S)
    assert result.truth and not result.warnings
    assert rows_of(same, "answers.csv") == rows_of(run.live, "answers.csv")
    scores = [(row["item_id"], row["answer"]) for row in rows_of(run.live, "scores.csv")]
    assert [(row["item_id"], row["answer"]) for row in rows_of(same, "scores.csv")] == scores
    other = ReplayConfig(str(run.file), (str(run.model),), tasks=TASKS, question=toy_pictures.COLOUR)
    (result,) = replay(other, [one], DEADLINE_S)
    assert not result.truth and all(int(row["answer"]) >= 0 for row in rows_of(one, "answers.csv", "question"))
    assert {row["question"] for row in rows_of(one, "answers.csv", "question")} == {toy_pictures.COLOUR}
    assert {row["question"] for row in rows_of(one, "answers.csv") if row["task"] != "question"} == {""}
    assert {row["question"] for row in rows_of(one, "items.csv")} == {""}, "the first task is the class"


def test_one_question_of_all_items_is_scored_where_the_data_set_asks_it(model: Path, tmp_path: Path) -> None:
    question = toy_pictures.COLOUR
    _, accounting = record_loopback(
        tmp_path / "one", DEADLINE_S, folder=str(tmp_path / "live"), model=str(model), data_set=toy_joint.SPEC,
        images=168, tasks="question", question=question, **PATIENT,
    )  # fmt: skip
    wanted = items_asked(toy_joint.joined(), question, 0).answer
    assert accounting.tasks["question"]["items_labelled"] == (wanted >= 0).sum() == 36
    assert accounting.tasks["question"]["items_answered"] == 168, "any item may be asked anything"
    for row in rows_of(tmp_path / "live", "answers.csv"):
        assert int(row["target"]) == wanted[int(row["item_id"])]
    with pytest.raises(CaptureError, match="were not asked each a question of its own; give one question"):
        replay(ReplayConfig(str(tmp_path / "one"), (str(model),), tasks="question", question="*"), [None], DEADLINE_S)


def test_the_demonstration_reports_on_items_without_a_class_too(model: Path, tmp_path: Path) -> None:
    config = DemoConfig(
        images=96, model=str(model), data_set=toy_joint.SPEC, feedback_timeout_s=60.0, multitask=True, question="*"
    )
    result = run_demo(config, tmp_path / "run", lambda _: None)
    labelled = result.accounting.items_labelled
    assert result.accounting.discrepancies == [] and 0 < labelled < 96
    rows = {row.name: row for row in result.rows}
    assert rows["accuracy over all items"].n == labelled
    low, high = rows["accuracy over all items"].ci95 or (0.0, 0.0)
    assert low <= rows["accuracy over all items"].value <= high
    assert rows["question: accuracy"].n == 96 - labelled
    page = result.report.read_text()
    assert f"of {labelled} items sent of known class, 96 in all" in page
    assert "Task: question" in page and "Task: reconstruction" in page
    assert all(text in page for text in toy_pictures.QUESTIONS), "what was asked, with how often it was answered right"


def test_a_student_whose_first_task_is_questions_asks_each_picture_its_own(tmp_path: Path) -> None:
    own = toy_pictures.make_model(tmp_path)
    _, accounting = record_loopback(
        tmp_path / "own", DEADLINE_S, folder=str(tmp_path / "live"), model=str(own), data_set=toy_pictures.NAME,
        images=48, question="*", **PATIENT,
    )  # fmt: skip
    asked = items_asked(toy_pictures.load("test").pictures_once(), "*", SEED)
    rows = rows_of(tmp_path / "live", "items.csv")
    assert [int(row["label"]) for row in rows] == [asked.answer[int(row["item_id"])] for row in rows]
    assert accounting.items_labelled == 48 and accounting.items_correct > 43 and not accounting.items_unasked
    assert len({asked.texts[int(row["item_id"])] for row in rows}) == 4
    assert [row["question"] for row in rows] == [asked.texts[int(row["item_id"])] for row in rows]
    replay(ReplayConfig(str(tmp_path / "own"), (str(own),)), [tmp_path / "again"], DEADLINE_S)
    assert rows_of(tmp_path / "again", "items.csv") == rows
    with pytest.raises(ContractError, match="which only a flowgraph knows; give one question for all"):
        from sdr_sc.semantic.inference import SemanticDecoder

        SemanticDecoder(own, question="*").answer(np.ones((2, 16), np.complex64), 10.0)
    summary = json.dumps(accounting.to_dict())
    assert "items_unasked" not in summary
