# SPDX-License-Identifier: GPL-3.0-or-later
"""Incremental refinement: requests, soft buffer, both ends, and both ends over an air that loses what it likes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from sdr_sc.link.refinement import receiver as receiving
from sdr_sc.link.refinement import sender as sending
from sdr_sc.link.refinement.receiver import ReceivedPart, RefinementReceiver, Settings
from sdr_sc.link.refinement.requests import NO_ANSWER, Group, Request
from sdr_sc.link.refinement.sender import RefinementSender
from sdr_sc.phy.frame.header import MAX_REFINED_SYMBOLS
from sdr_sc.semantic.refinement import RefinementPlan
from sdr_sc.semantic.tasks.base import REJECTED, TaskAnswer

K_MAX = 16
ENERGY = tuple(np.linspace(2, 0.5, K_MAX) / np.linspace(2, 0.5, K_MAX).sum())
PLAN = RefinementPlan((0.0,), ((2, 4, 8, 16),), ((0.9, 0.9, 0.9),), (ENERGY,), 0.002, "nothing")


class Sure:
    """A decoder that is sure of an item by its symbols: of item i from ``need[i]`` symbols on; the answer is the
    item's number, which its first symbol holds."""

    def __init__(self, need: dict[int, int]) -> None:
        self.need, self.prefixes = need, {}

    def answer_prefixes(
        self, prefixes: np.ndarray, snr_db: np.ndarray, k: np.ndarray, noise_variance: np.ndarray
    ) -> TaskAnswer:
        ids = np.round(np.angle(prefixes[:, 0]) / 1e-3).astype(np.int64)
        for item, row in zip(ids, prefixes, strict=True):
            self.prefixes[int(item)] = row
        sure = [0.95 if count >= self.need.get(int(item), 2) else 0.5 for item, count in zip(ids, k, strict=True)]
        return TaskAnswer(ids[:, None], np.array(sure, np.float32))


def items(numbers: list[int]) -> np.ndarray:
    """Symbols of items whose number can be read from the first one: float32 (n, 2 K_MAX)."""
    rng = np.random.default_rng(numbers[0] if numbers else 0)
    symbols = np.exp(1j * rng.uniform(-3, 3, (len(numbers), K_MAX)))
    symbols[:, 0] = np.exp(1e-3j * np.array(numbers))
    return symbols.astype(np.complex64).view(np.float32)


def part(values: np.ndarray) -> ReceivedPart:
    """As it arrives without noise worth the name: the LMMSE weight is that of 30 dB."""
    variance = np.full(values.shape, 1e-3, np.float32)
    return ReceivedPart((values / (1 + variance)).astype(np.complex64), variance, 30.0)


class Ends:
    """A sender and a receiver; `frame` sends one frame of new items."""

    def __init__(self, need: dict[int, int], **settings) -> None:
        self.sender, self.decoder = RefinementSender(), Sure(need)
        self.receiver = RefinementReceiver(PLAN, K_MAX, self.decoder, Settings(**settings), run=1)
        self.answers: list[int] = []
        self.frames: list[int] = []
        self.rounds: list[int] = []
        self.number = self.item = 0

    def send(self, count: int) -> dict:
        """A frame of new items, as it leaves."""
        symbols = items(list(range(self.item, self.item + count)))
        self.item += count
        k = 2
        self.sender.sent(self.number, symbols, k)
        refinement = self.sender.next()
        sent = {"number": self.number, "new": symbols[:, : 2 * k].view(np.complex64), "refinement": refinement}
        self.number = (self.number + 1) % 4096
        return sent

    def receive(self, sent: dict) -> bytes | None:
        """A frame arrives; what is asked for after it."""
        new = part(sent["new"])
        k = np.full(len(sent["new"]), sent["new"].shape[1])
        answer = self.decoder.answer_prefixes(new.features, k, k, new.noise_variance)
        refinement = sent["refinement"]
        settled = self.receiver.frame(
            sent["number"], None, new, answer, 0 if refinement is None else refinement.request,
            None if refinement is None else part(refinement.symbols),
        )  # fmt: skip
        self.keep(settled)
        request = self.receiver.ask()
        return None if request is None else request.to_bytes()

    def keep(self, settled: list[receiving.Settled]) -> None:
        for frame in settled:
            self.frames.append(frame.frame_num)
            self.answers += frame.ids.tolist()
            self.rounds += frame.rounds.tolist()


def exchange(ends: Ends, frames: int, count: int = 4) -> None:
    for _ in range(frames):
        raw = ends.receive(ends.send(count))
        if raw is not None:
            assert ends.sender.arrived(raw) == ""


def test_what_is_asked_for_arrives_and_the_prefix_is_that_of_one_round() -> None:
    ends = Ends({1: 8, 2: 4})
    exchange(ends, 4, count=4)
    assert ends.answers[:4] == [0, 1, 2, 3] and ends.rounds[:4] == [1, 3, 2, 1]
    sent = items([0, 1, 2, 3])[1].view(np.complex64)
    assert np.allclose(ends.decoder.prefixes[1][:2] / PLAN.gains((2, 4, 8), 30.0)[:2], sent[:2], atol=0.01)
    gains = PLAN.gains((2, 4, 8), 30.0)
    assert np.allclose(ends.decoder.prefixes[1][:8], gains * sent[:8], atol=0.01)
    assert not ends.decoder.prefixes[1][8:].any()
    assert ends.sender.symbols_sent == 2 + 2 + 4 and not ends.sender.refused and not ends.receiver.refused


def test_frames_are_answered_in_their_order_and_each_item_once() -> None:
    ends = Ends({0: 16, 5: 4})
    exchange(ends, 8)
    assert ends.frames == sorted(ends.frames) and ends.answers == list(range(len(ends.answers)))
    ends.keep(ends.receiver.close())
    assert ends.answers == list(range(32)) and ends.receiver.items_open == 0


def test_a_last_round_that_is_not_sure_is_answered_or_rejected() -> None:
    for reject, expected in ((0.0, 0), (0.6, REJECTED)):
        ends = Ends({0: 99}, reject_below=reject)
        exchange(ends, 6)
        assert ends.answers[:4] == [expected, 1, 2, 3] and ends.rounds[0] == 4


def test_most_rounds_end_an_item() -> None:
    ends = Ends({0: 99}, most_rounds=2)
    exchange(ends, 3)
    assert ends.rounds[0] == 2 and ends.answers[:4] == [0, 1, 2, 3]


def test_a_lost_request_is_asked_again_and_then_given_up() -> None:
    ends = Ends({0: 4}, patience_frames=2)
    asked = [ends.receive(ends.send(4)) for _ in range(30)]
    assert sum(raw is not None for raw in asked) == receiving.MOST_TRIES
    assert ends.receiver.requests_lost == receiving.MOST_TRIES and ends.answers == list(range(120))


def test_a_lost_answer_is_asked_for_again() -> None:
    ends = Ends({0: 4}, patience_frames=2)
    assert ends.sender.arrived(ends.receive(ends.send(4)) or b"") == ""
    ends.send(4)  # with the answer, lost on the air
    for _ in range(6):
        raw = ends.receive(ends.send(4))
        if raw:
            assert ends.sender.arrived(raw) == ""
    assert ends.answers[:4] == [0, 1, 2, 3] and ends.rounds[:4] == [2, 1, 1, 1]


def test_an_answer_that_arrives_twice_is_refused_and_one_of_another_size_counted() -> None:
    ends = Ends({0: 8})
    ends.sender.arrived(ends.receive(ends.send(4)) or b"")
    sent = ends.send(4)
    ends.receive(sent)
    ends.receive({**ends.send(4), "refinement": sent["refinement"]})
    assert ends.receiver.refused == Counter({receiving.UNASKED: 1})
    ends = Ends({0: 8})
    ends.sender.arrived(ends.receive(ends.send(4)) or b"")
    sent = ends.send(4)
    short = sending.Refinement(sent["refinement"].request, sent["refinement"].symbols[:1])
    ends.receive({**sent, "refinement": short})
    assert ends.receiver.refused == Counter({receiving.OTHER_SIZE: 1}) and ends.receiver.items_open


def test_a_sender_without_refinement_is_waited_for_and_every_item_answered() -> None:
    ends = Ends(dict.fromkeys(range(400), 99))
    for _ in range(60):
        ends.receive(ends.send(4))
    ends.keep(ends.receiver.close())
    assert ends.answers == list(range(240))


def test_the_soft_buffer_is_bounded() -> None:
    ends = Ends(dict.fromkeys(range(4000), 99), most_items=20, most_frames=1000)
    for _ in range(50):
        ends.receive(ends.send(4))
        assert ends.receiver.items_open <= 20
    assert ends.answers == list(range(len(ends.answers))) and len(ends.answers) >= 180


def test_the_sender_is_bounded_and_refuses_what_it_has_forgotten() -> None:
    sender = RefinementSender(most_items=8)
    for number in range(5):
        sender.sent(number, items([1, 2, 3, 4]), 2)
    assert sender.arrived(Request(1, 1, (Group(0, 4, 2, 4, (0,)),)).to_bytes()) == sending.UNKNOWN_FRAME
    assert sender.arrived(Request(2, 1, (Group(4, 4, 2, 4, (0,)),)).to_bytes()) == ""


@pytest.mark.parametrize(
    "group, reason",
    [
        (Group(3, 4, 2, 4, (0,)), sending.UNKNOWN_FRAME),
        (Group(0, 5, 2, 4, (0,)), sending.CONTRADICTORY),
        (Group(0, 4, 2, 17, (0,)), sending.CONTRADICTORY),
        (Group(0, 4, 4, 8, (0,)), sending.CONTRADICTORY),  # claims symbols that were never sent
    ],
)
def test_requests_that_contradict_what_was_sent_are_refused(group: Group, reason: str) -> None:
    sender = RefinementSender()
    sender.sent(0, items([1, 2, 3, 4]), 2)
    assert sender.arrived(Request(1, 1, (group,)).to_bytes()) == reason
    assert sender.refused == Counter({reason: 1}) and sender.next() is None


def test_repeated_requests_other_runs_and_too_many_are_refused() -> None:
    sender = RefinementSender(most_waiting=2)
    sender.sent(0, items([1, 2, 3, 4]), 2)

    def asked(number: int, run: int) -> str:
        return sender.arrived(Request(number, run, (Group(0, 4, 2, 4, (0,)),)).to_bytes())

    assert [asked(1, 1), asked(1, 1), asked(2, 1), asked(3, 1)] == ["", sending.REPEATED, "", sending.QUEUE_FULL]
    assert asked(1, 2) == "" and sender.waiting == 1  # a receiver that started again
    assert asked(9, 1) == sending.ANOTHER_RUN
    refinement = sender.next()
    assert refinement is not None and refinement.request == 1 and refinement.symbols.shape == (2,)
    assert np.mean(np.abs(refinement.symbols) ** 2) == pytest.approx(1.0, abs=1e-5)
    for number in range(100_000):
        asked(1 + number % 255, 2)
    assert sender.waiting <= 2 and sum(sender.refused.values()) >= 99_000


def test_numbers_come_again() -> None:
    ends = Ends(dict.fromkeys(range(5000), 4))
    exchange(ends, 700, count=2)
    assert ends.receiver.requests > 600 and not ends.sender.refused and not ends.receiver.refused
    assert set(ends.rounds) == {2}


def test_a_frame_number_that_comes_again_ends_the_old_frame() -> None:
    ends = Ends({0: 16})
    sent = ends.send(4)
    ends.receive(sent)
    ends.receive({**ends.send(4), "number": sent["number"]})
    assert ends.answers[:4] == [0, 1, 2, 3]


class Only:
    """A trigger that wants one answer."""

    def __init__(self, answer: int) -> None:
        self.answer = answer

    def wanted(self, symbols: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return answers == self.answer


def test_answers_that_are_fed_back_are_confirmed_or_get_more() -> None:
    ends = Ends({0: 99, 1: 8, 3: 99}, compare=True)
    ends.sender = RefinementSender(trigger=Only(1))
    exchange(ends, 4)
    assert ends.answers[:4] == [0, 1, 2, 3] and ends.rounds[:4] == [1, 3, 1, 1]
    assert ends.sender.items_confirmed == 2 and not ends.receiver.refused and not ends.sender.refused
    assert ends.sender.symbols_sent == 3 + 2 + 1 + 4  # a symbol an item at 30 dB, and the parts of one item


def test_a_transmitter_without_a_decoder_sends_all_that_is_asked_for() -> None:
    ends = Ends({0: 4, 1: 8}, compare=True)
    exchange(ends, 4)
    assert ends.rounds[:4] == [2, 3, 1, 1] and not ends.receiver.refused and not ends.sender.items_confirmed


def test_a_selection_that_does_not_fit_what_follows_is_refused() -> None:
    ends = Ends({0: 8, 1: 8}, compare=True)
    ends.sender.arrived(ends.receive(ends.send(4)) or b"")
    sent = ends.send(4)
    wrong = sent["refinement"].symbols.copy()
    wrong[0] = -1.0  # says that nothing of the first item follows
    ends.receive({**sent, "refinement": sending.Refinement(sent["refinement"].request, wrong)})
    assert ends.receiver.refused == Counter({receiving.OTHER_SIZE: 1}) and ends.receiver.items_open
    ends.keep(ends.receiver.close())
    assert ends.answers == list(range(8))


def test_noise_takes_more_symbols_to_say_what_follows() -> None:
    receiver = RefinementReceiver(PLAN, K_MAX, Sure({0: 8}), Settings(compare=True), run=1)
    features = items([0])[:, :4].view(np.complex64)
    new = ReceivedPart(features / 2, np.ones(features.shape, np.float32), 0.0)
    answer = TaskAnswer(np.array([[300]]), np.array([0.5], np.float32))
    receiver.frame(0, None, new, answer)
    request = receiver.ask()
    assert request is not None and request.repeats == 10 and request.answers == (NO_ANSWER,)  # 300 is beyond a byte
    assert Request.from_bytes(request.to_bytes()) == request and request.symbols == 10 + 2


@given(st.binary(min_size=6, max_size=60), st.integers(0, 59), st.integers(0, 255))
@FUZZ
def test_changed_bytes_of_a_request_never_break_the_sender(tail: bytes, place: int, value: int) -> None:
    sender = RefinementSender()
    sender.sent(0, items([1, 2, 3, 4]), 2)
    raw = bytearray(Request(1, 1, (Group(0, 4, 2, 8, (0, 3)),)).to_bytes() + tail[6:])
    raw[place % len(raw)] = value
    sender.arrived(bytes(raw))
    refinement = sender.next()
    assert refinement is None or 1 <= len(refinement.symbols) <= MAX_REFINED_SYMBOLS


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "late"]),  # which frame arrives next
        st.sampled_from(["arrives", "arrives", "arrives", "lost", "twice"]),  # what the air does
        st.sampled_from(["arrives", "arrives", "lost", "twice", "held", "noise"]),  # what the way back does
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=40,
)


@given(EVENTS, st.lists(st.sampled_from([2, 4, 8, 16, 99]), min_size=1, max_size=20), st.booleans())
@FUZZ
def test_whatever_the_air_does_every_item_that_arrived_is_answered_once(
    events: list, need: list[int], compare: bool
) -> None:
    settings = {"patience_frames": 2, "most_frames": 6, "compare": compare}
    ends = Ends({i: need[i % len(need)] for i in range(1000)}, **settings)
    ends.sender = RefinementSender(trigger=Only(1))
    arrived: list[int] = []
    held_frames: list[tuple[dict, list[int]]] = []
    held_requests: list[bytes] = []
    for order, air, back, count in events:
        first = ends.item
        sent = ends.send(count + 1)
        numbers = list(range(first, ends.item))
        if order == "late":
            held_frames.append((sent, numbers))
            continue
        for one, its in [(sent, numbers), *held_frames]:
            held = one is not sent
            for _ in range({"arrives": 1, "lost": 0, "twice": 2}[air] if not held else 1):
                raw = ends.receive(one)
                arrived += its
                if raw is None:
                    continue
                if back in ("arrives", "twice"):
                    for _ in range(1 + (back == "twice")):
                        ends.sender.arrived(raw)
                elif back == "held":
                    held_requests.append(raw)
                elif back == "noise":
                    ends.sender.arrived(bytes(reversed(raw)))
        held_frames.clear()
        if back == "arrives":
            for raw in held_requests:
                ends.sender.arrived(raw)
            held_requests.clear()
    ends.keep(ends.receiver.close())
    assert Counter(ends.answers) == Counter(arrived) and ends.receiver.items_open == 0
    assert ends.sender.waiting <= 8
