# SPDX-License-Identifier: GPL-3.0-or-later
"""What strangers can do with connections alone: messages that never end, many connections, keys that do not fit."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from strangers import ZMTP_GREETING, memory_mib, new_address, raw_peer, running, stranger, until

from sdr_sc.bench.hardening import hostile_messages as messages
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.zmq_pdu_sink import zmq_pdu_sink
from sdr_sc.blocks.zmq_pdu_source import zmq_pdu_source
from sdr_sc.link.network import connections as _connections
from sdr_sc.link.network.connections import MULTI_PART, NO_KEY, OTHER_KEY, TOO_MANY, TOO_MUCH, WRONG_KEY
from sdr_sc.link.network.curve_keys import make_pair
from sdr_sc.link.network.zmq_sockets import GREETING

GROWTH_MIB = 40


def ready(kind: str) -> bytes:
    said = b"\x05READY\x0bSocket-Type\x00\x00\x00" + bytes((len(kind),)) + kind.encode()
    return bytes((4, len(said))) + said


def parts(address: str, kind: str, part: bytes, over: Any) -> None:
    """Connect, and send parts of a message that never ends; again and again."""
    host, port = address.removeprefix("tcp://").split(":")
    pieces = part * (65_536 // len(part))
    while not over.is_set():
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as peer:
            peer.sendall(ZMTP_GREETING + ready(kind))
            while not over.is_set():
                peer.sendall(pieces)


@contextmanager
def endless(address: str, kind: str, part: bytes) -> Iterator[None]:
    """A process that does so."""
    context = multiprocessing.get_context("fork")
    over = context.Event()
    child = context.Process(target=parts, args=(address, kind, part, over))
    child.start()
    try:
        yield
    finally:
        over.set()
        child.join()


PARTS = {"empty": b"\x01\x00", "long": b"\x01\xff" + bytes(255)}


@pytest.mark.parametrize("part", PARTS)
def test_a_message_without_an_end_takes_no_memory(part: str) -> None:
    address = new_address()
    source = zmq_pdu_source(address, schema="feedback")
    with running(source) as got, stranger(zmq.PUSH, address) as honest:
        honest.send(messages.feedback(1))
        assert until(lambda: got.num_messages() == 1)
        before, most = memory_mib(), 0.0
        with endless(address, "PUSH", PARTS[part]):
            for number in range(2, 400):
                honest.send(messages.feedback(number))
                time.sleep(0.01)
                most = max(most, memory_mib() - before)
            assert until(lambda: source.connections_refused_by_kind[TOO_MUCH] >= 3)
        assert until(lambda: source.messages_received == 399)
        assert most < GROWTH_MIB
        assert source.messages_refused == 0


def test_nor_at_the_end_that_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    address = new_address()
    sink = zmq_pdu_sink(address, bind=True)
    assert not sink.wait_for_listener(0.0)
    source = zmq_pdu_source(address, bind=False, schema="sent")
    try:
        with running(source) as got:
            assert sink.wait_for_listener(20.0)
            before, most = memory_mib(), 0.0
            with endless(address, "DEALER", PARTS["empty"]):
                for index in range(200):
                    sink.handle_pdu(make_pdu(messages.sent_meta(index), np.zeros(4 * 10, np.uint8)))
                    time.sleep(0.01)
                    most = max(most, memory_mib() - before)
                assert until(lambda: sink.connections_refused_by_kind[TOO_MUCH] >= 3)
            assert until(lambda: got.num_messages() == 200)
        assert most < GROWTH_MIB and sink.messages_dropped == 0
    finally:
        sink.stop()


@pytest.mark.parametrize("kind", ["ROUTER", "PULL"])
def test_nor_where_we_connect(kind: str) -> None:
    """Who is in the place of the transmitter sends parts for ever, to the receiver's source and to its sink."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        block: Any = zmq_pdu_source(address, False, schema="sent") if kind == "ROUTER" else zmq_pdu_sink(address)
        if kind == "ROUTER":
            block.set_item_bytes(784)  # as the receiver does
        over = threading.Event()

        def serve() -> None:
            server.settimeout(0.2)
            while not over.is_set():
                with suppress(OSError):
                    peer, _ = server.accept()
                    with peer:
                        peer.settimeout(1)
                        peer.sendall(ZMTP_GREETING + ready(kind))
                        time.sleep(0.05)
                        while not over.is_set():
                            peer.sendall(PARTS["empty"] * 32_768)

        thread = threading.Thread(target=serve)
        before, most = memory_mib(), 0.0
        block.start()
        thread.start()
        try:
            end_s = time.monotonic() + 200
            while block.connections_refused_by_kind[TOO_MUCH] < 3 and time.monotonic() < end_s:
                most = max(most, memory_mib() - before)
                time.sleep(0.005)
            assert block.connections_refused_by_kind[TOO_MUCH] >= 3 and most < GROWTH_MIB
        finally:
            over.set()
            thread.join()
            block.stop()


SAYINGS = {
    "no ZMQ": b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4,
    "a message before its time": ZMTP_GREETING + ready("ROUTER") + PARTS["empty"] * 9,
    "a message that is too long": ZMTP_GREETING + ready("ROUTER") + b"\x02" + b"\x7f" * 8,
}


@pytest.mark.parametrize("said", SAYINGS)
@pytest.mark.parametrize("block", [zmq_pdu_source, zmq_pdu_sink])
def test_who_connects_comes_again_whatever_was_at_the_address(said: str, block: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        source = zmq_pdu_source(address, bind=block is zmq_pdu_sink)
        sink = zmq_pdu_sink(address, bind=block is zmq_pdu_source)
        near, far = (source, sink) if block is zmq_pdu_source else (sink, source)
        near.start()
        server.settimeout(20)
        peer, _ = server.accept()
        with peer:
            peer.settimeout(20)
            peer.sendall(SAYINGS[said])
            with suppress(ConnectionError):
                while peer.recv(4096):
                    pass
    try:
        far.start()
        pdu = make_pdu({}, np.zeros(1, np.uint8))
        assert until(lambda: sink.handle_pdu(pdu) or source.messages_received, 60.0)
    finally:
        near.stop()
        far.stop()


@pytest.mark.parametrize("bind", [True, False])
def test_a_message_of_many_parts_is_one_that_is_refused(bind: bool) -> None:
    address, right = new_address(), messages.feedback(5)
    source = zmq_pdu_source(address, bind=bind, schema="feedback")
    with stranger(zmq.PUSH if bind else zmq.ROUTER, address, not bind) as other, running(source):
        to: list[bytes] = [] if bind else other.recv_multipart()[:1]
        for several in ([right, right], [GREETING, right], [b"", right, right], [right] * 16):
            other.send_multipart([*to, *several])
        other.send_multipart([*to, right])
        assert until(lambda: source.messages_received == 1)
        assert source.messages_refused_by_kind == {MULTI_PART: 4}
        assert not source.connections_refused_by_kind


def test_parts_of_two_peers_are_never_one_message() -> None:
    address, right = new_address(), messages.feedback(5)
    source = zmq_pdu_source(address, schema="feedback")
    with stranger(zmq.PUSH, address) as one, stranger(zmq.PUSH, address) as two, running(source):
        for _ in range(50):
            one.send(right, zmq.SNDMORE)
            two.send(right)
            one.send(right)
        assert until(lambda: source.messages_received == 50 and source.messages_refused_by_kind[MULTI_PART] == 50)


def test_what_is_delivered_is_not_held_against_a_peer(tmp_path: Path) -> None:
    """Far more than may wait goes through one connection, with keys and without, and none is cut off."""
    left, right = (make_pair(tmp_path / name) for name in ("left", "right"))
    for own, other in ((("", ""), ("", "")), ((left[1], right[0]), (right[1], left[0]))):
        address = new_address()
        source = zmq_pdu_source(address, True, 64, "feedback", *map(str, own))
        sink = zmq_pdu_sink(address, False, 1000, *map(str, other))
        wrong = make_pdu({"evil": np.zeros(200, np.uint8)}, np.zeros(0, np.uint8))  # of over 255 bytes
        with running(source):
            sink.start()
            try:
                assert sink.wait_for_listener(30.0)
                over_s = time.monotonic() + 120
                while source.messages_refused < 12_000 and time.monotonic() < over_s:
                    for _ in range(20):
                        sink.handle_pdu(wrong)
                    time.sleep(0.001)
                assert source.messages_refused >= 12_000
            finally:
                sink.stop()
        assert not source.connections_refused_by_kind


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_connections_are_bounded_and_the_honest_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connections, "MOST_CONNECTIONS", 20)
    address = new_address()
    source = zmq_pdu_source(address, schema="feedback")
    with running(source), stranger(zmq.PUSH, address) as honest:
        honest.send(messages.feedback(1))
        assert until(lambda: source.messages_received == 1)
        before = handles()
        # Each says enough to be past the limit of the handshake.
        peers = [raw_peer(address, ZMTP_GREETING, ready("PUSH")) for _ in range(150)]
        try:
            assert until(lambda: source.connections_refused_by_kind[TOO_MANY] >= 131)
            assert until(lambda: handles() - before <= len(peers) + 20)
            for number in range(2, 50):
                honest.send(messages.feedback(number))
            assert until(lambda: source.messages_received == 49)
            assert source.connections_refused_by_kind[TOO_MANY] == 131  # the honest one has not come again
        finally:
            for peer in peers:
                peer.close()


def test_one_host_cannot_take_all_places_of_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    address = new_address()
    sink = zmq_pdu_sink(address, bind=True)
    sink.start()
    port = address.rpartition(":")[2]
    try:
        with stranger(zmq.DEALER, f"tcp://127.0.0.2:0;127.0.0.1:{port}") as honest:
            many = [zmq.Context.instance().socket(zmq.DEALER) for _ in range(20)]
            for one in many:
                one.linger = 0
                one.connect(address)
                one.send(GREETING)
            assert until(lambda: sink._listeners.hear() == 16 and sink.listeners_turned_away == 4)
            honest.send(GREETING)
            pdu = make_pdu({}, np.zeros(1, np.uint8))
            assert until(lambda: sink.handle_pdu(pdu) or honest.poll(10))
            assert len(sink._listeners) == 16
            for one in many:  # and they do not push it out
                one.send(GREETING)
            assert until(lambda: sink._listeners.hear() == 16 and sink.listeners_turned_away >= 9)
            honest.recv()
            assert until(lambda: sink.handle_pdu(pdu) or honest.poll(10))
    finally:
        for one in many:
            one.close()
        sink.stop()


def test_keys_that_do_not_fit_are_named_at_both_ends(tmp_path: Path) -> None:
    pairs = {name: [str(file) for file in make_pair(tmp_path / name)] for name in ("left", "right", "evil")}
    public, secret = ({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))
    address = new_address()
    source = zmq_pdu_source(address, schema="feedback", curve_key=secret["left"], allow_keys=public["right"])
    with running(source):
        for there, keys, here in (
            (NO_KEY, {}, NO_KEY),
            (OTHER_KEY, {"curve_key": secret["evil"], "allow_keys": public["left"]}, OTHER_KEY),
            (WRONG_KEY, {"curve_key": secret["right"], "allow_keys": public["evil"]}, WRONG_KEY),
        ):  # fmt: skip
            sink = zmq_pdu_sink(address, **keys)
            sink.start()
            try:
                assert until(lambda: source.connections_refused_by_kind[there] > 0), there  # noqa: B023
                assert until(lambda: sink.connections_refused_by_kind[here] > 0), here  # noqa: B023
            finally:
                sink.stop()


def test_a_handshake_that_is_broken_off_is_no_question_of_keys() -> None:
    address = new_address()
    source = zmq_pdu_source(address, schema="feedback")
    with running(source):
        for said in (b"", ZMTP_GREETING, b"GET / HTTP/1.0\r\n\r\n"):
            before = handles()
            raw_peer(address, said).close()
            assert until(lambda: handles() <= before)  # noqa: B023
        with stranger(zmq.PUSH, address) as honest:
            honest.send(messages.feedback(1))
            assert until(lambda: source.messages_received == 1)
        assert source.connections_refused_by_kind == {} and list(source.connections_refused_by_kind) == []


def test_addresses_of_version_6_work() -> None:
    address = new_address().replace("127.0.0.1", "[::1]")
    source, sink = zmq_pdu_source(address, schema="feedback"), zmq_pdu_sink(address)
    pdu = make_pdu({"snr_db": 3.0, "frame_num": 1}, np.array([3.0], np.float32))
    with running(source):
        sink.start()
        try:
            assert until(lambda: sink.handle_pdu(pdu) or source.messages_received)
        finally:
            sink.stop()
