# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of a hostile receiver: for items never sent, with answers that contradict, repeated, at full speed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from block_messages import post
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.flowgraph.loopback import run_loopback
from sdr_sc.link.network.pdu_schema import REQUEST, SCHEMAS, SETTLED_AFTER
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.refinement import sender as sending
from sdr_sc.link.refinement.requests import LONGEST_BYTES, NO_ANSWER, Group, Request
from sdr_sc.link.refinement.sender import RefinementSender
from sdr_sc.link.refinement.triggers import AnswerCompared

K_MAX, CLASSES, ITEMS = 16, 10, 4
DEADLINE_S = 300.0


def own(symbols: np.ndarray) -> np.ndarray:
    """The transmitter's answers: the class of an item is in its last symbol."""
    return symbols[:, -1].astype(np.int64)


def sender(frames: int = 3) -> RefinementSender:
    made = RefinementSender(trigger=AnswerCompared(own), answers=CLASSES)
    for number in range(frames):
        symbols = np.ones((ITEMS, 2 * K_MAX), np.float32)
        symbols[:, -1] = np.arange(ITEMS)  # answers 0, 1, 2, 3
        made.sent(number, symbols, 2)
    return made


def request(number: int, answers: tuple[int, ...], frame: int = 0, run: int = 1, k_from: int = 2) -> bytes:
    group = Group(frame, ITEMS, k_from, k_from + 2, tuple(range(len(answers))))
    return Request(number, run, (group,), answers, repeats=1).to_bytes()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (request(1, (0, 1), frame=9), sending.UNKNOWN_FRAME),  # never sent
        (request(1, (0, CLASSES)), sending.CONTRADICTORY),  # an answer that the model does not have
        (request(1, (0, 254)), sending.CONTRADICTORY),
        (request(1, (0, 1), k_from=4), sending.CONTRADICTORY),  # symbols that it cannot have
        (request(1, (0, 1))[:-1], sending.UNREADABLE),
        (request(1, (0, 1)) + b"\0", sending.UNREADABLE),
        (request(1, (0, 1))[:6] + b"\0" + request(1, (0, 1))[7:], sending.UNREADABLE),  # no repeats
    ],
)
def test_an_answer_that_contradicts_what_was_sent_is_refused_and_counted(raw: bytes, reason: str) -> None:
    one = sender()
    assert one.arrived(raw) == reason and one.refused == Counter({reason: 1})
    assert one.next() is None and one.symbols_sent == 0 and one.items_confirmed == 0


def test_more_follows_only_of_items_whose_answer_is_another_one() -> None:
    one = sender()
    assert one.arrived(request(1, (0, 9, NO_ANSWER, 3))) == ""
    more = one.next()
    assert more is not None and more.symbols[:4].real.tolist() == [-1, 1, 1, -1] and len(more.symbols) == 4 + 2 * 2
    assert one.items_confirmed == 2


def test_answers_that_change_are_each_compared_and_repeated_ones_refused() -> None:
    one = sender()
    for number, answer, sent in ((1, 5, 2), (2, 0, 0), (3, 7, 2)):  # wrong, right, wrong again: all may be
        assert one.arrived(request(number, (answer,))) == ""
        assert one.arrived(request(number, (answer,))) == sending.REPEATED
        assert one.arrived(request(number, (0,))) == sending.REPEATED  # and with another answer
        more = one.next()
        assert more is not None and len(more.symbols) == 1 + sent
    assert one.refused == Counter({sending.REPEATED: 6})


def test_the_network_bounds_answers_and_checks_them_against_the_request() -> None:
    schema = SCHEMAS["feedback"]
    raw = np.frombuffer(request(1, (0, 1)), np.uint8)
    assert schema.check({REQUEST: 1}, raw)[0] == {REQUEST: 1}
    for meta, data in (
        ({REQUEST: 2}, raw),
        ({REQUEST: 1, "answers": np.zeros(2, np.int32)}, raw),
        ({REQUEST: 1}, raw[:-1]),
        ({REQUEST: 1}, np.zeros(LONGEST_BYTES + 1, np.uint8)),
        ({REQUEST: 1, SETTLED_AFTER: 0}, raw),
    ):
        with pytest.raises(Refusal):
            schema.check(meta, data)


@given(st.binary(max_size=80), st.integers(0, 60), st.integers(0, 255))
@FUZZ
def test_whatever_bytes_arrive_the_sender_answers_or_counts(noise: bytes, place: int, value: int) -> None:
    one = sender()
    bent = bytearray(request(1, (0, 9, NO_ANSWER, 3)))
    bent[place % len(bent)] = value
    for raw in (noise, bytes(bent)):
        if not one.arrived(raw):
            more = one.next()
            assert more is None or np.isfinite(more.symbols).all()
    assert one.waiting == 0 and one.next() is None


def hostile_pdus() -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Requests as a stranger makes them, without end."""
    rng = np.random.default_rng(1)
    for turn in count():
        number, frame = 1 + turn % 255, int(rng.integers(0, 4096))
        answers = tuple(int(one) for one in rng.integers(0, 256, ITEMS))
        yield {REQUEST: number}, np.frombuffer(request(number, answers, frame, run=turn % 3), np.uint8)
        yield {REQUEST: number}, np.frombuffer(request(number, answers, turn % 12, run=7), np.uint8)
        yield {REQUEST: number}, rng.integers(0, 256, 40).astype(np.uint8)
        yield {SETTLED_AFTER: frame}, np.empty(0, np.uint8)


@pytest.mark.parametrize("refine", ["none", "confidence", "compare"])
def test_a_link_that_is_flooded_with_requests_answers_every_item_once_and_ends(refine: str) -> None:
    pdus, seen = hostile_pdus(), []

    def flood(tb: Any) -> None:
        seen.append(tb)
        for _ in range(40):
            post(tb.encoder, "snr", make_pdu(*next(pdus)))

    settings: dict[str, Any] = {"images": 120, "items_per_frame": 10, "snr_db": 5.0, "feedback_timeout_s": 20.0}
    begun = time.monotonic()
    accounting = run_loopback(DEADLINE_S, flood, refine=refine, **settings)
    accounting.raise_if_faulty()
    assert accounting.items_sent == accounting.items_answered == 120 and not accounting.discrepancies
    assert accounting.frames_without_items <= 64 and accounting.items_correct > 100
    sender = seen[0].encoder.sender
    refused = sender.requests_ignored if refine == "none" else sum(sender.refinement.refused.values())
    assert refused > 100 and sender.feedback_unknown > 0 and time.monotonic() - begun < DEADLINE_S
