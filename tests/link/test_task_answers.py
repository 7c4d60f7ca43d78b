# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to several tasks of the same frames, counted and written down, whatever is lost or not known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pmt
import pytest

from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.errors import BlockError, ContractError
from sdr_sc.link.frames.frame_news import (
    answered_questions,
    answered_questions_meta,
    item_targets,
    many_meta,
    many_records,
    read_news,
    task_targets_meta,
)
from sdr_sc.link.frames.frame_record import Answer, FrameRecord, Reception
from sdr_sc.link.frames.item_truth import ItemQuestions, ItemTargets, ItemTruth
from sdr_sc.link.frames.link_record import LinkRecord
from sdr_sc.link.frames.task_answers import ANSWER_COLUMNS, ANSWERS_CSV, answers_meta, answers_of
from sdr_sc.link.network.pdu_schema import SCHEMAS, sent_schema
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.semantic.tasks.base import TaskAnswer

NONE = np.empty(0, np.uint8)
ITEMS = 2


def written(meta: dict, data: np.ndarray) -> bytes:
    return pmt.serialize_str(make_pdu(meta, data))


def ids_of(index: int) -> np.ndarray:
    return np.arange(ITEMS * index, ITEMS * (index + 1))


def publish(record: LinkRecord, index: int, tasks: tuple[str, ...] = ("retrieval", "subgroup")) -> None:
    """The source's news of the items of a frame: the entry of an item is its id, the subgroup its last digit."""
    ids = ids_of(index)
    for task in tasks:
        record.targets(ItemTargets(ids, task, ids if task == "retrieval" else ids % 10))
    record.items(ItemTruth(ids, ids % 3, np.zeros((ITEMS, 4), np.uint8)))


def send(record: LinkRecord, index: int) -> None:
    unknown = np.full(ITEMS, -1)
    record.sent(FrameRecord(index, 8, ids_of(index), unknown, np.empty((ITEMS, 0), np.uint8), 0))


def answer(record: LinkRecord, index: int, **more: TaskAnswer) -> None:
    found = Answer(ids_of(index) % 3, np.full(ITEMS, 0.9), 0, more=more)
    record.received(Reception(index, 8, ITEMS, 12.0, answer=found))


def retrieved(*rows: tuple[int, ...]) -> TaskAnswer:
    return TaskAnswer(np.array(rows), np.full(len(rows), 0.5, np.float32))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / ANSWERS_CSV, newline="") as file:
        return list(csv.DictReader(file))


def test_each_task_is_counted_and_written_down_and_lost_frames_are_lost_for_all(tmp_path: Path) -> None:
    record = LinkRecord(tmp_path)
    for index in range(4):
        publish(record, index)
        send(record, index)
    entries = retrieved((3, 2, 9, 8, 7), (9, 8, 7, 6, 5))  # own entry second, and not there
    answer(record, 1, retrieval=entries, subgroup=retrieved((2,), (4,)))
    answer(record, 3, retrieval=retrieved((6, 1, 2, 3, 4), (-2,) * 5), subgroup=retrieved((6,), (7,)))
    record.close()
    rows = rows_of(tmp_path)
    assert list(rows[0]) == list(ANSWER_COLUMNS)
    found = {(row["task"], int(row["item_id"])): row for row in rows}
    assert len(found) == len(rows) == 16, "one row for each task and item, also of frames lost before the first answer"
    values = {key: (row["target"], row["answer"], row["correct"], row["correct_listed"]) for key, row in found.items()}
    assert values["retrieval", 2] == ("2", "3", "0", "1") and values["retrieval", 3] == ("3", "9", "0", "0")
    assert values["retrieval", 6] == ("6", "6", "1", "1") and values["retrieval", 7] == ("7", "-2", "0", "0")
    assert values["subgroup", 2] == ("2", "2", "1", "1") and values["subgroup", 3] == ("3", "4", "0", "0")
    assert {values["retrieval", lost] for lost in (0, 1, 4, 5)} == {(str(i), "-1", "0", "0") for i in (0, 1, 4, 5)}
    assert [found["retrieval", 2][f"answer_{place}"] for place in range(2, 6)] == ["2", "9", "8", "7"]
    assert [found["subgroup", 2][f"answer_{place}"] for place in range(2, 6)] == [""] * 4
    counts = record.counts()["tasks"]
    common = {"items": 8, "items_labelled": 8, "items_lost": 4}
    assert counts["retrieval"] == {
        **common, "items_answered": 3, "items_not_a_number": 1, "items_correct": 1, "items_listed": 2, "metric": "R@1",
        "top": 5,
    }  # fmt: skip
    assert counts["subgroup"]["items_correct"] == 3 and counts["subgroup"]["metric"] == "accuracy"
    assert "retrieval: 1 of 8 right, among 5 answers 2; subgroup: 3 of 8 right" in record.summary()
    assert record.counts()["items_correct"] == 4, "the first task is counted as ever"


def test_rows_say_what_was_asked_and_of_lost_frames_what_their_source_or_the_others_say(tmp_path: Path) -> None:
    asked = {1: ("what\tcolour?", ""), 3: ("=1+1, is it?", "why?")}
    for name, of_all in (("own", False), ("one", True)):
        record = LinkRecord(tmp_path / name)
        for index in range(4):
            if not of_all:
                record.questions(ItemQuestions(ids_of(index), (f"of {2 * index}?", "")))
            send(record, index)
            if index in asked:
                texts = asked[1][:1] if of_all else asked[index]
                found = Answer(ids_of(index) % 3, np.full(ITEMS, 0.9), 0, 3, more=answers(index), questions=texts)
                record.received(Reception(index, 8, ITEMS, 12.0, answer=found))
        record.close()
    rows = rows_of(tmp_path / "own")
    assert {row["question"] for row in rows if row["task"] == "subgroup"} == {""}
    lost = ["of 4?", ""]
    found = [row["question"] for row in rows if row["task"] == "question"]
    assert found == ["what colour?", "", *lost, "=1+1, is it?", "why?"], "of lost frames what their source says"
    with open(tmp_path / "own" / "items.csv", newline="") as file:
        first = [row["question"] for row in csv.DictReader(file)]
    assert first == ["", "", *found], "the task of the first frame was not known when it was written down"
    assert {row["question"] for row in rows_of(tmp_path / "one") if row["task"] == "question"} == {"what colour?"}


def answers(index: int) -> dict[str, TaskAnswer]:
    return {
        task: TaskAnswer(ids_of(index)[:, None], np.full(ITEMS, 0.5, np.float32)) for task in ("subgroup", "question")
    }


def test_a_run_of_one_task_is_as_before_and_removes_what_an_earlier_run_left(tmp_path: Path) -> None:
    of_earlier_version = [name for name in ANSWER_COLUMNS if name != "question"]
    for earlier, stays in (
        (",".join(ANSWER_COLUMNS) + "\n1\n", False),
        (",".join(of_earlier_version) + "\n1\n", False),
        ("my own notes\n", True),
    ):
        (tmp_path / ANSWERS_CSV).write_text(earlier)
        record = LinkRecord(tmp_path)
        publish(record, 0)  # its targets are known, and nobody asks
        send(record, 0)
        answer(record, 0)
        record.close()
        assert (tmp_path / ANSWERS_CSV).exists() == stays
        assert "tasks" not in record.counts() and "retrieval" not in record.summary()


def test_without_targets_answers_are_written_down_and_none_is_right(tmp_path: Path) -> None:
    record = LinkRecord(tmp_path)
    publish(record, 0, tasks=())
    send(record, 0)
    answer(record, 0, retrieval=retrieved((0, 1), (1, 0)))
    record.close()
    assert [(row["target"], row["answer"], row["correct"]) for row in rows_of(tmp_path)] == [
        ("-1", "0", ""),
        ("-1", "1", ""),
    ]
    assert record.counts()["tasks"]["retrieval"]["items_labelled"] == 0


def test_a_frame_of_items_from_two_pdus_gets_the_targets_of_both(tmp_path: Path) -> None:
    record = LinkRecord(tmp_path)
    send(record, 0)
    for item in (0, 1):
        ids = np.array([item])
        record.targets(ItemTargets(ids, "retrieval", ids + 40))
        record.items(ItemTruth(ids, ids, np.zeros((1, 4), np.uint8)))
    answer(record, 0, retrieval=retrieved((40,), (40,)))
    record.close()
    assert [row["correct"] for row in rows_of(tmp_path)] == ["1", "0"]


def test_news_of_targets_passes_the_schemas_and_what_makes_no_sense_does_not() -> None:
    ids = np.arange(3)
    meta = task_targets_meta(ids, "retrieval", ids + 70_000)
    for schema in (SCHEMAS["sent"], SCHEMAS["truth"], sent_schema(784)):
        read, data = schema.read(written(meta, NONE))
        [(kind, (news,))] = read_news(read, data, "truth")
        assert kind == "targets" and news.task == "retrieval" and news.target.tolist() == [70_000, 70_001, 70_002]
    for wrong in (
        {"target": np.arange(2, dtype=np.int32)},
        {"target": np.full(3, -2, np.int32)},
        {"task": 7},
        {"task": "x" * 300},
        {"more": 1},
    ):
        with pytest.raises(Refusal):
            SCHEMAS["sent"].read(written({**meta, **wrong}, NONE))
    with pytest.raises(Refusal):
        SCHEMAS["sent"].read(written(meta, np.zeros(3, np.uint8)))
    with pytest.raises(ContractError, match="task 'sound' is unknown"):
        item_targets({**meta, "task": "sound"}, "truth")
    with pytest.raises(BlockError, match="'target' is not as long"):
        item_targets({**meta, "target": np.arange(2, dtype=np.int32)}, "truth")


def test_frames_of_a_recording_keep_their_targets() -> None:
    none = np.empty((2, 0), np.uint8)
    frames = [FrameRecord(i, 8, ids_of(i), ids_of(i), none, 0) for i in range(3)]
    frames[1].targets["retrieval"] = np.array([5, 6])
    again = list(many_records(many_meta(frames, 0)))
    assert [one.targets["retrieval"].tolist() for one in again] == [[-1, -1], [5, 6], [-1, -1]]
    frames[1].targets.clear()
    assert all(not one.targets for one in many_records(many_meta(frames, 0)))


def test_answers_that_do_not_fit_are_refused() -> None:
    meta = answers_meta({"retrieval": retrieved((1, 2), (3, 4))})
    assert answers_of(meta, 2)["retrieval"].ids.tolist() == [[1, 2], [3, 4]] and answers_of({}, 2) == {}
    with pytest.raises(BlockError, match="answers to 'retrieval' do not fit"):
        answers_of(meta, 3)
    with pytest.raises(ContractError, match="task 'sound' is unknown"):
        answers_of({"tasks": "sound"}, 2)


def test_questions_that_do_not_fit_the_answers_are_refused() -> None:
    one, two = answered_questions_meta(["why?"]), answered_questions_meta(["why?", "what?"])
    assert answered_questions(one, 9) == ("why?",) and answered_questions(two, 2) == ("why?", "what?")
    for meta in (
        two,
        {"questions": "why?"},
        {"questions": one["questions"][:-1]},
        answered_questions_meta(["a" * 257]),
    ):
        with pytest.raises(BlockError, match="port 'answers' got a PDU whose questions do not fit"):
            answered_questions(meta, 3)
