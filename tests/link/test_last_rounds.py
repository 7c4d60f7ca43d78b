# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames without new items at the end of a stream: what the receiver still asks for, and an end to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from sdr_sc.link.adaptation import LinkAdaptation
from sdr_sc.link.frame_sender import FrameSender
from sdr_sc.link.in_flight import InFlight
from sdr_sc.link.network.pdu_schema import REQUEST, SCHEMAS, SETTLED_AFTER
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.refinement.last_rounds import LIMIT_S, MOST_FRAMES, MOST_TRIES, QUIET_S
from sdr_sc.link.refinement.requests import Group, Request
from sdr_sc.link.refinement.sender import RefinementSender
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.semantic import weights

CONTRACT = weights.read_contract(weights.DEFAULT_MODEL)
NOTHING = np.empty(0, np.uint8)
LINGER_S = 0.3
STEP_S = 0.01


def sender(limit: int = 1, timeout_s: float = 0.25, refine: bool = True) -> FrameSender:
    """A transmitter that has sent a frame of four items, whose stream is used up."""
    adaptation = LinkAdaptation(CONTRACT, refine=refine)
    flight = InFlight(limit, timeout_s, FRAME_NUM_MODULO)
    result = FrameSender(CONTRACT, adaptation, flight, 0, None, RefinementSender() if refine else None)
    symbols = np.random.default_rng(1).normal(size=(4, 2 * CONTRACT.k_max)).astype(np.float32)
    setting, _ = result.setting(0.0, 4, 2)
    result.frame(symbols, symbols[:, :4].view(np.complex64), setting, 0.0)
    return result


def request(number: int, k_from: int = 2) -> np.ndarray:
    """For the next two symbols of the first item."""
    raw = Request(number, 1, (Group(0, 4, k_from, k_from + 2, (0,)),)).to_bytes()
    return np.frombuffer(raw, np.uint8)


def feedback(link: FrameSender, now: float) -> None:
    meta = {"snr_db": 0.0, "frame_num": (link.frames_sent - 1) % FRAME_NUM_MODULO}
    link.take(meta, NOTHING, now)


def settled(link: FrameSender, number: int, now: float) -> None:
    link.take({SETTLED_AFTER: number}, NOTHING, now)


def serve(link: FrameSender, answer: Any, limit_s: float = 3 * LIMIT_S) -> tuple[list[dict[str, Any]], float]:
    """Go on as the encoder does; the frames that leave, and when it is over.

    Args:
        answer: called with the sender and the time after each frame.
    """
    frames, now = [], STEP_S
    while link.serves(now, LINGER_S):
        assert now < limit_s
        frame = link.refining_frame(now)
        if frame is not None:
            frames.append(frame[0])
            answer(link, now)
        now += STEP_S
    return frames, now


def test_what_was_asked_for_leaves_without_new_items_and_then_it_is_over() -> None:
    link = sender()
    feedback(link, 0.0)
    link.take({REQUEST: 1}, request(1), 0.0)

    def answer(link: FrameSender, now: float) -> None:
        feedback(link, now)
        if link.frames_sent < 4:
            link.take({REQUEST: link.frames_sent}, request(link.frames_sent, 2 * link.frames_sent), now)
        else:
            settled(link, link.frames_sent - 1, now)

    frames, over_s = serve(link, answer)
    assert [(one["n_items"], one["request"], one["refined_symbols"]) for one in frames] == [
        (0, 1, 2),
        (0, 2, 2),
        (0, 3, 2),
    ]
    assert [one["frame_num"] for one in frames] == [1, 2, 3] and link.frames_without_items == 3 and link.items_sent == 4
    assert over_s < 1.0 and not link.refinement.refused  # the receiver said that it wants nothing more


def test_a_receiver_that_wants_nothing_ends_it_at_once_and_only_for_the_latest_frame() -> None:
    link = sender()
    feedback(link, 0.0)
    settled(link, 0, 0.0)
    assert serve(link, None)[1] == STEP_S
    link = sender()
    feedback(link, 0.0)
    settled(link, 7, 0.0)  # was never sent
    assert link.feedback_unknown == 1 and serve(link, None)[1] == pytest.approx(LINGER_S, abs=0.1)


def test_a_receiver_without_refinement_is_waited_for_as_long_as_the_end_takes_anyway() -> None:
    link = sender()
    feedback(link, 0.0)
    assert serve(link, None)[1] == pytest.approx(LINGER_S, abs=0.1)
    link = sender(refine=False)
    link.take({REQUEST: 1}, request(1), 0.0)
    assert serve(link, None)[1] == STEP_S and link.requests_ignored == 1 and link.refining_frame(1.0) is None


def test_a_refinement_that_is_lost_is_sent_again_and_not_for_ever() -> None:
    link = sender()
    feedback(link, 0.0)
    link.take({REQUEST: 1}, request(1), 0.0)
    frames, over_s = serve(link, lambda link, now: None)
    assert [one["request"] for one in frames] == MOST_TRIES * [1] and len({one["frame_num"] for one in frames}) == 3
    assert over_s < LIMIT_S and link.in_flight.given_up == MOST_TRIES
    link = sender()
    feedback(link, 0.0)
    link.take({REQUEST: 1}, request(1), 0.0)
    frames, over_s = serve(link, feedback)  # it arrives, and the receiver says nothing more
    assert len(frames) == 1 and over_s == pytest.approx(QUIET_S, abs=0.2)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_requests_at_full_speed_come_to_an_end(limit: int) -> None:
    link, number = sender(limit), 0

    def answer(link: FrameSender, now: float) -> None:
        nonlocal number
        feedback(link, now)
        for _ in range(5):
            number = number % 255 + 1
            link.take({REQUEST: number}, request(number), now)

    feedback(link, 0.0)
    answer(link, 0.0)
    frames, over_s = serve(link, answer)
    assert len(frames) == MOST_FRAMES and over_s < LIMIT_S and sum(link.refinement.refused.values()) > 200


def test_requests_that_no_feedback_goes_with_come_to_an_end() -> None:
    link = sender(timeout_s=5.0)
    number = 0

    def answer(link: FrameSender, now: float) -> None:
        nonlocal number
        number += 1
        link.take({REQUEST: number}, request(number), now)

    answer(link, 0.0)
    frames, over_s = serve(link, answer)
    assert 0 < len(frames) < MOST_FRAMES and over_s == pytest.approx(LIMIT_S, abs=1.0)


EVENTS = st.lists(st.sampled_from(["feedback", "request", "settled", "old", "foreign", "nothing"]), max_size=400)


@given(EVENTS, st.sampled_from([0, 1, 2]))
@FUZZ
def test_whatever_comes_back_it_ends(events: list[str], limit: int) -> None:
    link, now, rest, number = sender(limit), 0.0, list(events), 0
    while link.serves(now, LINGER_S):
        assert now <= LIMIT_S + 0.5 and link.frames_without_items <= MOST_FRAMES
        link.refining_frame(now)
        event = rest.pop() if rest else "nothing"
        if event == "feedback":
            feedback(link, now)
        elif event == "request":
            number = number % 255 + 1
            link.take({REQUEST: number}, request(number), now)
        elif event in ("settled", "old"):
            settled(link, (link.frames_sent - 1 - (event == "old")) % FRAME_NUM_MODULO, now)
        elif event == "foreign":
            link.take({SETTLED_AFTER: 3000, "snr_db": 0.0}, NOTHING, now)
            link.take({REQUEST: 9}, NOTHING, now)
        now += 0.1
    assert now <= LIMIT_S + 0.5


def test_the_word_of_a_receiver_that_wants_nothing_is_checked_at_the_network() -> None:
    schema = SCHEMAS["feedback"]
    assert schema.check({SETTLED_AFTER: 12}, NOTHING)[0] == {SETTLED_AFTER: 12}
    for meta, data in (
        ({SETTLED_AFTER: 4096}, NOTHING),
        ({SETTLED_AFTER: -1}, NOTHING),
        ({SETTLED_AFTER: 1.0}, NOTHING),
        ({SETTLED_AFTER: True}, NOTHING),
        ({SETTLED_AFTER: 1, "snr_db": 0.0}, NOTHING),
        ({SETTLED_AFTER: 1}, np.zeros(1, np.uint8)),
    ):
        with pytest.raises(Refusal):
            schema.check(meta, data)
