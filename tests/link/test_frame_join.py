# SPDX-License-Identifier: GPL-3.0-or-later
"""What the blocks of a link report a frame, joined into one annotation in whatever order it comes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sdr_sc.capture import FrameNote, SentFrame
from sdr_sc.link.frames.frame_join import WAIT_FRAMES, FrameJoin
from sdr_sc.link.frames.join_queue import JoinQueue
from sdr_sc.phy.numerology import Numerology

NUMEROLOGY = Numerology()


@dataclass
class Joined:
    notes: list[FrameNote] = field(default_factory=list)
    missed: list[SentFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.join = FrameJoin(NUMEROLOGY, self.notes.append, self.missed.append)

    def sent(self, index: int, k: int = 8) -> None:
        self.join.sent({"frame_index": index, "k": k, "item_id": [10 * index], "label": [index % 10]})

    def frame(self, index: int, k: int = 8) -> None:
        meta = {"frame_num": index % 4096, "k": k, "n_items": 1, "model_id": 1, "snr_db": 9.0}
        self.join.frame({**meta, "start_sample": 2000 * index})

    def answer(self, index: int) -> None:
        self.join.answer({"frame_num": index % 4096, "confidence": [0.5]}, np.array([index % 10]))


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


def test_frames_that_were_not_received_are_reported_before_the_next_one() -> None:
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


def test_answers_that_come_in_a_heap_find_their_frames() -> None:
    """After a stall, a block sees all frames and then all answers, or the other way round."""
    for answers_first in (False, True):
        notes: list[FrameNote] = []
        queue = JoinQueue(FrameJoin(NUMEROLOGY, notes.append, lambda missed: None))
        count = 3 * WAIT_FRAMES
        for index in range(count):
            queue.sent({"frame_index": index, "k": 8, "item_id": [index], "label": [0]})

        for answering in (answers_first, not answers_first):
            for index in range(count):
                if answering:
                    queue.answer({"frame_num": index}, np.array([index % 10]))
                else:
                    meta = {"frame_num": index, "k": 8, "n_items": 1, "model_id": 9, "snr_db": 3.0}
                    queue.frame({**meta, "start_sample": 3000 * index})
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


def test_a_transmitter_that_starts_again_counts_from_0_again() -> None:
    j = Joined()
    for index in (0, 1, 2, 0, 1):
        j.sent(index)
        j.frame(index)
        j.answer(index)
    assert [n.frame_index for n in j.notes] == [0, 1, 2, 0, 1]
