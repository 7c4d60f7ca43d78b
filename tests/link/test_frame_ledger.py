# SPDX-License-Identifier: GPL-3.0-or-later
"""What the blocks of a link report of a frame, joined in whatever order it comes; and the annotations made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sdr_sc.capture import FrameNote, SentFrame
from sdr_sc.link.frames.frame_record import Answer, FrameRecord, Reception
from sdr_sc.link.frames.ledger import FrameLedger, Patience
from sdr_sc.link.frames.link_record import LinkRecord
from sdr_sc.link.frames.recorded_frames import WAIT_FRAMES, AnnotationLedger, reception_of
from sdr_sc.phy.numerology import Numerology

NUMEROLOGY = Numerology()


def sent_record(index: int, k: int = 8) -> FrameRecord:
    return FrameRecord(index, k, np.array([10 * index]), np.array([index % 10]), np.empty((1, 0), np.uint8), 0)


def received_meta(index: int, k: int = 8) -> dict[str, Any]:
    meta = {"frame_num": index % 4096, "k": k, "n_items": 1, "model_id": 1, "snr_db": 9.0}
    return {**meta, "start_sample": 2000 * index}


def answer_of(index: int) -> Answer:
    return Answer(np.array([index % 10]), np.array([0.5]), 0)


@dataclass
class Joined:
    """A recorder's ledger to which each report is made at once, without the turns of a block."""

    notes: list[FrameNote] = field(default_factory=list)
    missed: list[SentFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.join = AnnotationLedger(NUMEROLOGY, self.notes.append, self.missed.append)

    def sent(self, index: int, k: int = 8) -> None:
        self.join.sent(sent_record(index, k))

    def frame(self, index: int, k: int = 8) -> None:
        self.join.received(reception_of(received_meta(index, k)))

    def answer(self, index: int) -> None:
        self.join.answered(index % 4096, answer_of(index))


def test_news_of_a_frame_is_joined_in_any_order() -> None:
    orders = ["sfa", "saf", "fsa", "fas", "asf", "afs"]
    j = Joined()
    for index, order in enumerate(orders, start=4093):  # across the number's wrap
        for step in order:
            {"s": j.sent, "f": j.frame, "a": j.answer}[step](index)
    j.join.close()
    assert [(n.frame_index, n.label, n.answer, n.item_id) for n in j.notes] == [
        (i, (i % 10,), (i % 10,), (10 * i,)) for i in range(4093, 4099)
    ]
    assert j.missed == []


def test_frames_that_were_not_received_are_given_before_the_next_one() -> None:
    j = Joined()
    for index in range(6):
        j.sent(index)
        if index not in (1, 2, 5):
            j.frame(index)
            j.answer(index)
    assert [n.frame_index for n in j.notes] == [0, 3, 4]
    assert [m.frame_index for m in j.missed] == [1, 2]
    j.join.close()
    assert [m.frame_index for m in j.missed] == [1, 2, 5]


def test_a_frame_without_answer_or_truth_does_not_wait_for_ever() -> None:
    j = Joined()
    for index in range(WAIT_FRAMES + 5):
        j.frame(index)
    assert len(j.notes) == 5 and j.notes[0].frame_index is None and j.notes[0].answer is None


@pytest.mark.parametrize(("frames", "lost"), [(1500, 0), (3000, 953)])
def test_a_decoder_that_falls_behind_loses_nothing_that_memory_can_hold(frames: int, lost: int) -> None:
    """The frames of half the numbers may wait, as long as their items are few enough."""
    record = LinkRecord(None)
    for index in range(frames):
        record.sent(sent_record(index))
        record.received(reception_of(received_meta(index)))
        assert record.frames_open <= 2048
    for index in range(frames):
        record.answered(index % 4096, answer_of(index))
    record.close()
    assert (record.frames_answered, record.frames_lost, record.answers_unknown) == (frames - lost, lost, 0)


def test_answers_that_come_in_a_heap_find_their_frames() -> None:
    """After a stall, a block sees all frames and then all answers, or the other way round."""
    for answers_first in (False, True):
        notes: list[FrameNote] = []
        queue = AnnotationLedger(NUMEROLOGY, notes.append, lambda missed: None)
        count = 3 * WAIT_FRAMES
        for index in range(count):
            queue.later("sent", sent_record(index))

        for answering in (answers_first, not answers_first):
            for index in range(count):
                if answering:
                    queue.later("answered", index, answer_of(index))
                else:
                    queue.later("received", reception_of(received_meta(index)))
        assert queue.reported == {"sent": count, "received": count, "answered": count}
        queue.close()
        assert [note.frame_index for note in notes] == list(range(count))
        assert [note.answer for note in notes] == [(index % 10,) for index in range(count)]


def test_an_answer_that_came_too_late_is_not_taken_for_that_of_a_later_frame() -> None:
    j = Joined()
    for index in range(4097):
        j.sent(index)
        j.frame(index)
        if 0 < index < 4096:
            j.answer(index)
        if index == WAIT_FRAMES + 1:
            j.answer(0)
    j.join.close()
    assert j.notes[0].answer is None and j.notes[-1].frame_index == 4096 and j.notes[-1].answer is None


def test_what_another_transmitter_sent_is_not_taken_for_ours() -> None:
    j = Joined()
    j.sent(3, k=8)
    j.frame(3, k=16)
    j.join.close()
    assert j.notes[0].frame_index is None and [m.frame_index for m in j.missed] == [3]


def test_a_transmitter_that_is_restarted_counts_from_0_again() -> None:
    j = Joined()
    for index in (0, 1, 2, 0, 1):
        j.sent(index)
        j.frame(index)
        j.answer(index)
    assert [n.frame_index for n in j.notes] == [0, 1, 2, 0, 1]


def test_frames_of_another_transmitter_keep_their_place_and_their_answers() -> None:
    j = Joined()
    for index in (7, 8, 9):
        j.sent(index)
    j.frame(7)
    j.frame(8, k=16)  # another transmitter's, with the number that ours has
    j.frame(2000)  # one whose number ours has not reached yet
    j.answer(7)
    j.answer(8)
    j.answer(2000)
    j.frame(9)
    j.answer(9)
    assert [(n.sample_start // 2000, n.frame_index, n.answer) for n in j.notes] == [
        (7, 7, (7,)),
        (8, None, (8,)),
        (2000, None, (0,)),
        (9, 9, (9,)),
    ]
    assert [m.frame_index for m in j.missed] == [8] and j.join.answers_unknown == 2


def test_a_frame_that_the_decoder_does_not_answer_holds_up_none_that_it_does() -> None:
    j = Joined()
    for index in range(4):
        j.sent(index)
        j.frame(index)
        if index != 1:
            j.answer(index)
    assert [(n.frame_index, n.answer) for n in j.notes] == [(0, (0,)), (1, None), (2, (2,)), (3, (3,))]
    assert not j.missed


@pytest.mark.parametrize("seed", range(5))
def test_every_frame_is_counted_once_and_memory_is_bounded_whatever_comes(seed: int) -> None:
    """Reports at random: lost, late, twice, of restarted and of other transmitters."""
    rng = np.random.default_rng(seed)
    given: list[int] = []
    joined: list[int] = []
    strange: list[int] = []

    def settled(record: FrameRecord) -> None:
        given.append(record.frame_index)
        joined.extend([record.reception.number] if record.reception else [])

    ledger = FrameLedger(Patience(sent=20, received=10, answered=2))
    ledger.settled = settled  # type: ignore[method-assign]
    ledger.not_sent = lambda reception: strange.append(reception.number)  # type: ignore[method-assign]
    index, receptions, reports = 0, 0, 0
    for _ in range(5000):
        kind, at = rng.integers(4), max(index + int(rng.integers(-6, 3)), 0)
        if kind == 0:
            index = 0 if rng.random() < 0.01 else index + int(rng.integers(0, 3))
            ledger.sent(sent_record(index))
            reports += 1
        elif kind == 1:
            k = 8 if rng.random() < 0.9 else 4
            ledger.received(Reception(at % 4096, k, 1, answer=answer_of(at) if rng.random() < 0.5 else None))
            receptions += 1
        elif kind == 2:
            ledger.answered(at % 4096, answer_of(at))
        else:
            ledger.snr_set(at, 3.0)
        kept = (ledger._open, ledger._received, ledger._unreported, ledger._early, ledger._snr_set)
        assert all(len(one) <= 21 for one in kept)
    ledger.close()
    assert not (ledger._open or ledger._received or ledger._unreported or ledger._early)
    assert ledger.frames_sent == reports == len(given)
    assert len(strange) == ledger.answers_unknown
    assert sorted(joined + strange) == list(range(1, receptions + 1))
