# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts and pictures that cross the simulated link once, answered for every task of a model; recorded and replayed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import toy_texts
import toy_tiles
from command import assert_one_line_error, sdr_sc

from sdr_sc.blocks.item_source import item_order
from sdr_sc.capture import open_capture
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph.compile import load_flowgraph
from sdr_sc.flowgraph.loopback import FLOWGRAPHS, run_loopback
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.semantic.gallery import Gallery

MULTITASK, ITEMS, DEADLINE_S = FLOWGRAPHS / "multitask_loopback.grc", 40, 300.0
PATIENT = {"feedback_timeout_s": 60.0, "seed": 4, "snr_db": 15.0}
Rows = list[dict[str, str]]

KINDS = {"texts": toy_texts, "pictures": toy_tiles}
for toy in KINDS.values():
    toy.register()


ONE_TASK = {"sim_loopback", "sim_loopback_qt", "usrp_loopback"}
"""Flowgraphs of a model's first task alone; others with ``multitask`` in the name answer several."""


@pytest.mark.parametrize("file", sorted(FLOWGRAPHS.glob("*.grc")), ids=lambda file: file.stem)
def test_a_flowgraph_that_answers_tasks_asks_questions_too(file: Path) -> None:
    found = load_flowgraph(file)
    blocks = {block["name"]: block for block in found["blocks"]}
    wires = {tuple(map(str, wire)) for wire in found["connections"]}
    for name, block in blocks.items():
        needed = {"sdr_sc_item_source": ("tasks", "question"), "sdr_sc_semantic_encoder": ("tasks",),
                  "sdr_sc_semantic_decoder": ("tasks", "gallery", "question")}.get(block["id"], ())  # fmt: skip
        if file.stem in ONE_TASK or not needed:
            continue
        for parameter in needed:
            assert block["parameters"].get(parameter) == parameter and blocks[parameter]["id"] == "parameter", name
        if block["id"] == "sdr_sc_item_source":
            takers = {(wire[2], wire[3]) for wire in wires if wire[:2] == (name, "questions")}
            here = {("decoder", "sent"), ("results", "truth")}
            assert takers >= (here if "decoder" in blocks else {("sent", "pdus")})
        elif block["id"] == "sdr_sc_semantic_decoder":
            where_needed = "asks_own" in str(blocks.get("after_init"))
            assert where_needed or any(wire[2:] == (name, "sent") for wire in wires), name


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its gallery lies beside it."""
    return toy_texts.make_model(tmp_path_factory.mktemp("toy"))[0]


def rows_of(folder: Path, name: str) -> Rows:
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=KINDS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Data set and model of texts, and of pictures."""
    toy = KINDS[request.param]
    return toy.NAME, str(toy.make_model(tmp_path_factory.mktemp(request.param))[0])


def check(folder: Path, data_set: str = toy_texts.NAME) -> None:
    """Each item is once in every task's rows, scored against its own truth, most of them right."""
    data = load_dataset(data_set, "test")
    sent = set(item_order(len(data), 4)[:ITEMS].tolist())
    by_task: dict[str, Callable[[], Rows]] = {
        "classification": lambda: [row | {"target": row["label"]} for row in rows_of(folder, "items.csv")],
        "subgroup": lambda: [row for row in rows_of(folder, "answers.csv") if row["task"] == "subgroup"],
        "retrieval": lambda: [row for row in rows_of(folder, "answers.csv") if row["task"] == "retrieval"],
    }
    for task, find in by_task.items():
        rows = find()
        assert len(rows) == ITEMS and {int(row["item_id"]) for row in rows} == sent, task
        for row in rows:
            target = int(data.targets(task, np.array([int(row["item_id"])]))[0])
            assert int(row["target"]) == target and row["correct"] == str(int(row["answer"] == row["target"])), task
            if task == "retrieval":
                listed = {row["answer"], *(row[f"answer_{place}"] for place in range(2, 6))}
                assert len(listed) == 5 and row["correct_listed"] == str(int(row["target"] in listed))
                assert 0 < float(row["confidence"]) <= 1
        right = sum(row["correct"] == "1" for row in rows)
        assert right > 0.8 * ITEMS, (task, right)


def test_what_was_sent_once_is_answered_for_all_tasks(model: Path, tmp_path: Path) -> None:
    seen = {}
    done = run_loopback(
        DEADLINE_S, flowgraph=MULTITASK, prepare=lambda tb: seen.update(tb=tb), items=ITEMS, model=str(model),
        data_set=toy_texts.NAME, tasks=toy_texts.TASKS, k=8, folder=str(tmp_path), **PATIENT,
    )  # fmt: skip
    assert done.discrepancies == [] and done.items_answered == ITEMS
    check(tmp_path)
    counts = seen["tb"].results.record.counts()["tasks"]
    for task in ("subgroup", "retrieval"):
        rows = [row for row in rows_of(tmp_path, "answers.csv") if row["task"] == task]
        assert counts[task]["items_correct"] == sum(row["correct"] == "1" for row in rows)
        assert counts[task]["items_listed"] == sum(row["correct_listed"] == "1" for row in rows)
        assert counts[task]["items"] == counts[task]["items_labelled"] == ITEMS


def test_a_recording_is_answered_for_all_tasks_with_the_same_answers(both: tuple[str, str], tmp_path: Path) -> None:
    (data_set, model), live, again, other = both, tmp_path / "live", tmp_path / "again", tmp_path / "other"
    record_loopback(
        tmp_path / "items", DEADLINE_S, folder=str(live), model=model, data_set=data_set, images=ITEMS,
        tasks=toy_texts.TASKS, k=8, **PATIENT,
    )  # fmt: skip
    check(live, data_set)
    with open_capture(tmp_path / "items") as capture:
        notes = list(capture.frames())
    assert {task for note in notes for task in note.targets} == {"subgroup", "retrieval"}
    recording = str(tmp_path / "items")
    (result,) = replay(ReplayConfig(recording, (model,), tasks=toy_texts.TASKS), [again], DEADLINE_S)
    assert rows_of(again, "answers.csv") == rows_of(live, "answers.csv")
    assert [row["answer"] for row in rows_of(again, "items.csv")] == [
        row["answer"] for row in rows_of(live, "items.csv")
    ]
    assert result.status["tasks"]["retrieval"]["items_labelled"] == ITEMS
    replay(ReplayConfig(recording, (model,)), [other], DEADLINE_S)  # it may be asked for less
    assert not (other / "answers.csv").exists() and rows_of(other, "items.csv") == rows_of(again, "items.csv")
    with pytest.raises(SdrScError, match="has no task 'question'"):
        replay(ReplayConfig(recording, (model,), tasks="question"), [None], DEADLINE_S)


def test_a_replay_with_another_gallery_or_model_says_so_and_nothing_is_right(model: Path, tmp_path: Path) -> None:
    recording = str(tmp_path / "texts")
    options = {"model": str(model), "data_set": toy_texts.NAME, "images": 8, "k": 8, **PATIENT}
    record_loopback(recording, DEADLINE_S, tasks="retrieval", **options)
    own = Gallery.load(model.with_suffix(".gallery"))
    Gallery(own.names[::-1], own.vectors[::-1], own.space, own.temperature).save(tmp_path / "turned")
    other = ReplayConfig(recording, (str(model),), tasks="retrieval", gallery=str(tmp_path / "turned"))
    (result,) = replay(other, [tmp_path / "other"], DEADLINE_S)
    assert not result.truth and "other entries than that of the recording" in result.warnings[0]
    assert {row["correct"] for row in rows_of(tmp_path / "other", "answers.csv")} == {""}
    (result,) = replay(ReplayConfig(recording), [tmp_path / "default"], DEADLINE_S)
    (words,) = result.warnings
    assert words.endswith(f"the recording was made with {model}: give that by --model.")


def test_the_flowgraph_compiles_and_a_task_that_the_model_lacks_is_one_line(tmp_path: Path) -> None:
    assert sdr_sc("compile", MULTITASK, "-o", tmp_path).returncode == 0
    options = ("--model", "fashion_mnist_student", "--data-set", "fashion_mnist")
    result = sdr_sc("run", MULTITASK, "--timeout", "100", *options)
    assert_one_line_error(result, "has no targets for the task 'retrieval'")
    result = sdr_sc("run", MULTITASK, "--timeout", "100", *options, "--tasks", "", "--items", "8")
    assert result.returncode == 0, result.stderr


def test_the_commands_answer_all_tasks_and_say_what_each_reaches(model: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from sdr_sc.cli.record import command as record
    from sdr_sc.cli.replay import command as replay_command

    common, asked = (
        ["--model", str(model)],
        ["--tasks", toy_texts.TASKS, "--gallery", str(model.with_suffix(".gallery"))],
    )
    link = ["--data-set", toy_texts.NAME, "--images", str(ITEMS), "--seed", "4", "-k", "8", "--feedback-timeout", "60"]
    file = str(tmp_path / "texts")
    done = CliRunner().invoke(record, ["sim", file, *common, *asked, *link, "--out", str(tmp_path / "live")])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(replay_command, [file, *common, *asked, "--out", str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    (live,), (again,) = ((tmp_path / name).iterdir() for name in ("live", "again"))
    check(live)
    assert rows_of(again, "answers.csv") == rows_of(live, "answers.csv")
    rows = {row["name"]: row for row in json.loads((again / "summary.json").read_text())["rows"]}
    right = sum(row["correct_listed"] == "1" for row in rows_of(again, "answers.csv") if row["task"] == "retrieval")
    assert rows["retrieval: R@5"]["value"] == pytest.approx(100 * right / ITEMS)
    assert {"retrieval: R@1", "subgroup: accuracy"} <= set(rows)


def test_both_ends_refuse_a_task_that_they_lack_before_a_device_is_opened(model: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from sdr_sc.cli.rx import command as rx
    from sdr_sc.cli.tx import command as tx

    common = ["--model", str(model), "--tasks", "question", "--out", str(tmp_path / "out")]
    for end, more, words in (
        (rx, [], "has no task 'question'; it answers classification, subgroup, retrieval"),
        (tx, ["--data-set", toy_texts.NAME], "has no targets for the task 'question'"),
    ):
        done = CliRunner().invoke(end, [*common, *more])
        assert isinstance(done.exception, SdrScError) and words in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_gallery_with_other_entries_than_the_data_set_is_refused(model: Path, tmp_path: Path) -> None:
    own = Gallery.load(model.with_suffix(".gallery"))
    Gallery(own.names[::-1], own.vectors[::-1], own.space).save(tmp_path / "turned")
    with pytest.raises(SdrScError, match="the gallery's 60 entries are not the 60 that data set toy_texts has"):
        record_loopback(
            tmp_path / "texts", DEADLINE_S, model=str(model), data_set=toy_texts.NAME, tasks="retrieval",
            gallery=str(tmp_path / "turned"),
        )  # fmt: skip
