# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that cross the simulated link once: a question, another one afterwards, a thumbnail, and a new head."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import toy_pictures
from click.testing import CliRunner

from sdr_sc.capture import open_capture
from sdr_sc.capture.receive import received_frames
from sdr_sc.cli.replay import command as replay_command
from sdr_sc.demo.run import DemoConfig, run_demo
from sdr_sc.errors import ContractError, DataSetError, SdrScError
from sdr_sc.evidence.heads import predict
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.results.task_rows import task_rows
from sdr_sc.semantic.inference import SemanticDecoder
from sdr_sc.semantic.questions import Questions
from sdr_sc.semantic.tasks.reconstruction import thumbnails

DEADLINE_S, ITEMS = 300.0, 72
COLOUR, LEFT = toy_pictures.QUESTIONS[:2]
PATIENT = {"feedback_timeout_s": 60.0, "seed": 4, "snr_db": 15.0, "data_set": toy_pictures.NAME, "k": 16}

toy_pictures.register()


class Recorded(NamedTuple):
    """A recording, the model that it was made with, and the results of the live run."""

    file: Path
    model: Path
    live: Path
    status: dict


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("toy")
    model = toy_pictures.make_model(folder)
    _, accounting = record_loopback(
        folder / "pictures", DEADLINE_S, folder=str(folder / "live"), model=str(model), images=ITEMS,
        tasks="reconstruction", question=COLOUR, **PATIENT,
    )  # fmt: skip
    assert accounting.discrepancies == [] and accounting.items_answered == ITEMS
    yield Recorded(folder / "pictures", model, folder / "live", {"items_correct": accounting.items_correct})


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def test_the_question_is_answered_and_the_picture_seen(recorded: Recorded) -> None:
    rows = rows_of(recorded.live, "items.csv")
    for row in rows:
        assert int(row["label"]) == toy_pictures.answer(int(row["item_id"]), 0) and row["question"] == COLOUR
    assert recorded.status["items_correct"] == sum(row["correct"] == "1" for row in rows) > 0.9 * ITEMS
    scores = rows_of(recorded.live, "scores.csv")
    assert len(scores) == ITEMS and {row["task"] for row in scores} == {"reconstruction"}
    assert min(float(row["score"]) for row in scores) > 0.95 and {row["answer"] for row in scores} == {"0"}
    assert not (recorded.live / "answers.csv").exists(), "no further task has answers that are right or wrong"
    kept = np.load(recorded.live / "thumbnails.npz")
    sent = toy_pictures.load("test").pictures[kept["item_id"]]
    error = kept["thumbnails"].reshape(len(sent), -1) / 255 - thumbnails(sent, (3, 8, 8))
    assert kept["thumbnails"].shape[1:] == (3, 8, 8) and np.square(error).mean() < 0.02
    (row,) = task_rows(recorded.live, {"tasks": {"reconstruction": {"metric": "PSNR"}}})
    assert row.name == "reconstruction: PSNR" and row.unit == "dB" and row.n == ITEMS
    mean = np.mean([float(one["score"]) for one in scores])
    assert row.value == pytest.approx(-10 * np.log10(1 - mean)) and row.ci95[0] < row.value < row.ci95[1]


def test_another_question_is_asked_of_the_recording(recorded: Recorded, tmp_path: Path) -> None:
    file, models = str(recorded.file), (str(recorded.model),)
    same, other = tmp_path / "same", tmp_path / "other"
    (result,) = replay(ReplayConfig(file, models, tasks="reconstruction"), [same], DEADLINE_S)
    assert rows_of(same, "items.csv") == rows_of(recorded.live, "items.csv"), "without a question, the recorded one"
    assert result.truth and not result.warnings
    thumbs = np.load(same / "thumbnails.npz")["thumbnails"]
    assert np.array_equal(thumbs[:8], np.load(recorded.live / "thumbnails.npz")["thumbnails"][:8])
    assert {row["score"] for row in rows_of(same, "scores.csv")} == {""}, "a recording does not hold what was sent"
    assert task_rows(same, result.status) == []
    (result,) = replay(ReplayConfig(file, models, question=LEFT), [other], DEADLINE_S)
    assert not result.truth and any("nobody knows what is right" in one for one in result.warnings)
    rows, known = rows_of(other, "items.csv"), rows_of(recorded.live, "items.csv")
    wanted = [toy_pictures.answer(int(row["item_id"]), 1) for row in known]
    assert np.mean([int(row["answer"]) == one for row, one in zip(rows, wanted, strict=True)]) > 0.9
    assert {row["correct"] for row in rows} == {""} and {row["question"] for row in rows} == {LEFT}
    done = CliRunner().invoke(replay_command, [file, "--model", models[0], "--question", LEFT, "--out", str(tmp_path)])
    assert done.exit_code == 0 and "made with the question" in done.output, done.output
    (run,) = tmp_path.rglob("summary.json")
    assert json.loads(run.read_text())["config"]["question"] == LEFT
    done = CliRunner().invoke(replay_command, [file, "--model", models[0], "--out", str(tmp_path / "recorded")])
    assert done.exit_code == 0, done.output  # without a question, the recorded one
    (run,) = (tmp_path / "recorded").rglob("summary.json")
    assert json.loads(run.read_text())["config"]["question"] == COLOUR


def test_a_new_head_is_trained_on_recorded_features(recorded: Recorded) -> None:
    """Labels that neither the model nor its transmitter ever knew: colour and side together."""
    features, numbers = [], []
    with open_capture(recorded.file) as capture:
        for note, frame in received_frames(capture):
            assert note is not None and note.item_id is not None
            features.append(frame.features)
            numbers += list(note.item_id)
    held = np.concatenate(features)
    labels = np.array([3 * toy_pictures.truth(number)[1] + toy_pictures.truth(number)[0] for number in numbers])
    values = held.view(np.float32).reshape(len(held), -1)
    rng = np.random.default_rng(1)
    known = rng.permutation(toy_pictures.PICTURES)[: toy_pictures.PICTURES // 2]
    is_known = np.isin(numbers, known)
    found = predict(values[is_known], labels[is_known], values[~is_known], 6, epochs=200)
    assert (found == labels[~is_known]).mean() > 0.8
    outputs = SemanticDecoder(recorded.model).outputs(held, 15.0)  # and a question asked of the same features
    right = Questions(recorded.model).ask(outputs, LEFT).best == [toy_pictures.answer(one, 1) for one in numbers]
    assert right.mean() > 0.9


def test_what_cannot_be_asked_is_refused_before_anything_is_compiled(recorded: Recorded, tmp_path: Path) -> None:
    for question, kind, words in (
        ("", ContractError, "answers a question, and none is asked"),
        ("why?", DataSetError, "does not ask 'why"),
        ("x" * 10_000, ContractError, "more than 256"),
    ):
        with pytest.raises(kind, match=words):
            record_loopback(
                tmp_path / "x", DEADLINE_S, model=str(recorded.model), images=4, question=question, **PATIENT
            )
    with pytest.raises(SdrScError, match="model 'fashion_mnist_student' needs none for classification; leave the"):
        replay(ReplayConfig(str(recorded.file), question="why?"), [None], DEADLINE_S)
    with pytest.raises(ContractError, match="answers questions; give --multitask and --question"):
        run_demo(DemoConfig(model=str(recorded.model), data_set=toy_pictures.NAME), tmp_path, lambda _: None)
    assert not list(tmp_path.iterdir())
