# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers at a running 'sdr-sc tx' and 'sdr-sc rx': nothing of theirs is taken, and both end as asked."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from usrp_ends import Ends

from sdr_sc.bench.hardening import hostile_messages as messages
from sdr_sc.bench.hardening.hostile_load import corpus
from sdr_sc.link.network.curve_keys import make_pair


@contextmanager
def flood(kind: int, address: str, raws: list[bytes]) -> Iterator[None]:
    """Somebody sends these, again and again, as fast as they are taken."""
    over = threading.Event()

    def send() -> None:
        with zmq.Context() as context:
            while not over.is_set():
                with context.socket(kind) as other:
                    other.linger, other.sndtimeo = 0, 50
                    other.connect(address)
                    for raw in raws:
                        try:
                            other.send(raw)
                        except zmq.Again:
                            break

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(400)
def test_frames_go_on_and_nothing_of_a_stranger_is_taken(tmp_path: Path) -> None:
    # The long ones last: of who sends them, ZMQ ends the connection.
    bad = corpus(500, seed=1) + sorted(messages.harmful().values(), key=len)
    with Ends(tmp_path, "rt") as ends:
        ends.start("rx")
        tx = ends.start("tx", "--images", 0)
        ends.wait_for_frames(10, limit_s=150)
        with flood(zmq.PUSH, ends.feedback, bad), flood(zmq.DEALER, ends.sent, bad):
            ends.wait_for_frames(len(ends.frames()) + 100, limit_s=90)
            # That it takes 3 s at most is for 'sdr-sc bench hostile' to measure, on an idle machine.
            tx.send_signal(signal.SIGINT)
            assert ends.wait(tx) == 0, ends.log("tx").read_text()
        assert ends.wait(ends.running[0]) == 0
        told = ends.summary("tx")["transmitter"]
        assert told["feedback_refused"] == sum(told["feedback_refused_by_kind"].values()) > 100
        assert {"out of range", "not a PDU", "unknown key"} <= set(told["feedback_refused_by_kind"])
        assert told["sent_refused"] > 0
        # Nothing else than what the receiver said was taken.
        assert told["feedback_received"] <= ends.summary("rx")["accounting"]["feedback_sent"]
        log = ends.log("tx").read_text()
        assert log.count("messages that are not ours arrive at") == 1 and "Traceback" not in log
        names = [row["name"] for row in ends.summary("tx")["rows"]]
        assert "messages at --feedback that are not ours: not a PDU" in names


@pytest.mark.timeout(400)
def test_a_receiver_bears_a_foreign_transmitter(tmp_path: Path) -> None:
    bad = [*messages.harmful().values(), *messages.wrong_sent().values()]
    with Ends(tmp_path, "rt") as ends, zmq.Context() as context, context.socket(zmq.ROUTER) as foreign:
        foreign.linger = 0
        foreign.bind(ends.sent)
        rx = ends.start("rx")
        name = foreign.recv_multipart()[0]
        for raw in bad:
            if len(raw) < 200_000:  # of who sends more, ZMQ ends the connection
                foreign.send_multipart([name, raw])
        for index in range(3):
            foreign.send_multipart([name, messages.sent(index)])
        foreign.send_multipart([name, messages.end(3)])
        assert ends.wait(rx) == 0, ends.log("rx").read_text()
        told = ends.summary("rx")["accounting"]
        assert (told["frames_sent"], told["sent_received"]) == (3, 4)
        assert told["sent_refused"] == len([raw for raw in bad if len(raw) < 200_000])
        assert told["sent_refused_by_kind"]["items of another size"] == 2
        assert "messages that are not ours arrive at" in ends.log("rx").read_text()


@pytest.mark.timeout(400)
def test_an_encrypted_pair_works_and_one_without_keys_gets_nothing(tmp_path: Path) -> None:
    left, right = (make_pair(tmp_path / name) for name in ("left", "right"))
    with Ends(tmp_path / "with", "step") as ends:
        rx = ends.start("rx", "--curve-key", right[1], "--allow-key", left[0])
        tx = ends.start("tx", "--images", 40, "--feedback-timeout", 20, "--curve-key", left[1], "--allow-key", right[0])
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0, ends.log("tx").read_text()
        assert ends.summary("tx")["transmitter"]["frames_without_feedback"] == 0
        assert ends.summary("rx")["accounting"]["items_answered"] == 40
    with Ends(tmp_path / "without", "rt") as ends:
        rx = ends.start("rx", "--seconds", 30)
        tx = ends.start("tx", "--images", 20, "--wait", 2, "--curve-key", left[1], "--allow-key", right[0])
        assert ends.wait(tx) == 0, ends.log("tx").read_text()
        told = ends.summary("tx")["transmitter"]
        assert (told["frames_without_feedback"], told["feedback_received"]) == (5, 0)
        rx.send_signal(signal.SIGINT)
        assert ends.wait(rx) == 0
        assert ends.summary("rx")["accounting"]["frames_sent"] == 0


def test_an_open_address_without_keys_is_named(tmp_path: Path) -> None:
    with Ends(tmp_path, "step") as ends:
        ends.feedback, ends.sent = (address.replace("127.0.0.1", "*") for address in (ends.feedback, ends.sent))
        tx = ends.start("tx", "--images", 4, "--wait", 0, "--feedback-timeout", 0.1)
        assert ends.wait(tx) == 0
        assert "--feedback and --sent can be reached from other hosts" in ends.log("tx").read_text()
