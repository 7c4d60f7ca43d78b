# SPDX-License-Identifier: GPL-3.0-or-later
"""What the items of frames are asked: joined in any order, waited for in bounds, refused where it makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import BlockError
from sdr_sc.link.frames.frame_news import many_meta, many_records, questions_meta, read_news
from sdr_sc.link.frames.frame_questions import MOST_WAITING, PATIENCE_S, FrameQuestions
from sdr_sc.link.frames.frame_record import FrameRecord
from sdr_sc.link.frames.item_truth import ItemQuestions, ItemTruths
from sdr_sc.link.network.pdu_schema import INCONSISTENT, OUT_OF_RANGE, SCHEMAS
from sdr_sc.link.network.pdu_wire import Refusal, write_pdu

NONE = np.empty(0, np.uint8)


def record(index: int, *ids: int, questions: tuple[str, ...] = ()) -> FrameRecord:
    unknown, none = np.full(len(ids), -1), np.empty((len(ids), 0), np.uint8)
    return FrameRecord(index, 8, np.array(ids, np.int32), unknown, none, 0, questions=questions)


def asked(**texts: str) -> ItemQuestions:
    return ItemQuestions(np.array([int(key[1:]) for key in texts]), tuple(texts.values()))


def test_frames_come_out_in_their_order_whatever_comes_first() -> None:
    waiting: FrameQuestions[str] = FrameQuestions()
    waiting.received(0, 2, "first", 0.0)
    waiting.sent(record(1, 3))
    waiting.asked(asked(_1="what?", _2="", _3="which?"))
    waiting.received(1, 1, "second", 0.1)
    assert list(waiting.known(0.2)) == [], "the second waits for the first"
    waiting.sent(record(0, 1, 2))
    waiting.sent(record(1, 3))
    assert list(waiting.known(0.3)) == [("first", ("what?", "")), ("second", ("which?",))] and not len(waiting)
    waiting.sent(record(2, 3))
    waiting.asked(asked(_3="another?"))
    waiting.received(2, 1, "third", 0.4)
    assert list(waiting.known(0.4)) == [("third", ("another?",))], "the latest that was said counts"


def test_a_frame_waits_in_bounds_and_is_counted() -> None:
    waiting: FrameQuestions[int] = FrameQuestions()
    waiting.received(0, 1, 0, 5.0)
    assert list(waiting.known(5.0 + PATIENCE_S)) == [] and len(waiting) == 1
    assert list(waiting.known(5.1 + PATIENCE_S)) == [(0, None)] and waiting.frames_unasked == 1
    for number in range(MOST_WAITING + 2):
        waiting.received(number, 1, number, 10.0)
    assert list(waiting.known(10.0)) == [(0, None), (1, None)] and len(waiting) == MOST_WAITING
    waiting.end()
    assert len(list(waiting.known(10.0))) == MOST_WAITING, "no more news comes"


def test_an_older_frame_of_that_number_and_another_transmitters_do_not_count() -> None:
    waiting: FrameQuestions[str] = FrameQuestions()
    waiting.asked(asked(_1="old?", _2="new?"))
    waiting.sent(record(5, 1))
    waiting.received(5, 1, "old", 0.0)
    assert list(waiting.known(0.0)) == [("old", ("old?",))]
    waiting.received(5, 1, "4096 later", 0.0)
    assert list(waiting.known(0.0)) == [], "its number was used"
    waiting.sent(record(4096 + 5, 2))
    assert list(waiting.known(0.0)) == [("4096 later", ("new?",))]
    waiting.sent(record(4096 + 6, 1))
    waiting.sent(record(0, 2))  # restarted
    waiting.received(6, 1, "of the restarted one", 0.0)
    assert list(waiting.known(0.0)) == []
    waiting.sent(record(7, 1, 2))
    waiting.received(7, 1, "of another number of items", 0.0)
    waiting.end()
    assert [texts for _, texts in waiting.known(0.0)] == [None, None]


def test_a_recording_says_what_was_asked() -> None:
    frames = [record(0, 7, 8, questions=("what colour?", "")), record(1, 9), record(2, 7, questions=("",))]
    found = list(many_records(many_meta(frames, 0)))
    assert [one.questions for one in found] == [("what colour?", ""), ("",), ("",)]
    assert [one.questions for one in many_records(many_meta(frames[1:2], 0))] == [()]
    waiting: FrameQuestions[int] = FrameQuestions()
    for one in found:
        waiting.sent(one)
        waiting.received(one.frame_index, len(one.item_id), one.frame_index, 0.0)
    assert list(waiting.known(0.0)) == [(0, ("what colour?", "")), (1, ("",)), (2, ("",))]


def test_the_truths_enter_questions_into_frames() -> None:
    truths, frame, other = ItemTruths(), record(0, 4, 5), record(1, 6)
    truths.add_questions(asked(_4="what?", _5=""))
    truths.fill(frame)
    truths.fill(other)
    assert frame.questions == ("what?", "") and other.questions == ()


def test_questions_cross_the_network_and_what_makes_no_sense_is_refused() -> None:
    ids, texts = np.array([3, 4], np.int32), ["what  colour\nis it?", "¿qué?"]
    meta, data = SCHEMAS["sent"].read(write_pdu(questions_meta(ids, texts), NONE))
    ((kind, (news,)),) = read_news(meta, data, "sent")
    assert kind == "questions" and news.texts == ("what colour is it?", "¿qué?") and news.item_id.tolist() == [3, 4]
    good = questions_meta(ids, texts)
    for wrong, reason in (
        ({**good, "item_id": ids[:1]}, INCONSISTENT),
        ({**good, "questions": np.zeros(400_000, np.uint8)}, OUT_OF_RANGE),
        ({**good, "questions": NONE}, OUT_OF_RANGE),
    ):
        with pytest.raises(Refusal) as caught:
            SCHEMAS["sent"].read(write_pdu(wrong, NONE))
        assert caught.value.kind == reason
    for bad in (
        {**good, "item_id": ids[:1]}, {**good, "questions": np.zeros(4, np.int32)}, {**good, "questions": "why?"},
        questions_meta(ids, ["x" * 300, ""]),
    ):  # fmt: skip
        with pytest.raises(BlockError):
            read_news(bad, NONE, "sent")
