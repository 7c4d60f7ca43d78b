# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers at the addresses of the ZMQ blocks, over real TCP."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pmt
import pytest
import zmq
from gnuradio import blocks, gr
from strangers import ZMTP_GREETING, memory_mib, new_address, raw_peer, running, stranger, until

from sdr_sc.bench.hardening import hostile_messages as messages
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.snr_smoother import snr_smoother
from sdr_sc.blocks.zmq_pdu_sink import zmq_pdu_sink
from sdr_sc.blocks.zmq_pdu_source import zmq_pdu_source
from sdr_sc.errors import SdrScError
from sdr_sc.link.network.curve_keys import load_keys, make_pair
from sdr_sc.link.network.pdu_schema import SCHEMAS
from sdr_sc.link.network.zmq_sockets import GREETING


@pytest.mark.parametrize("bind", [True, False])
def test_harmful_messages_are_counted_and_right_ones_pass(bind: bool) -> None:
    address = new_address()
    source = zmq_pdu_source(address, bind=bind, schema="feedback")
    bad = [*messages.harmful().values(), *messages.wrong_feedback().values()]
    with stranger(zmq.PUSH if bind else zmq.ROUTER, address, not bind) as other, running(source) as got:
        to: list[bytes] = [] if bind else other.recv_multipart()[:1]  # its greeting
        few = [raw for raw in bad if len(raw) <= 4 * 1024]  # of who sends more, ZMQ ends the connection
        for raw in few:
            other.send_multipart([*to, raw])
            other.send_multipart([*to, messages.feedback(7)])
        assert until(lambda: source.messages_received == len(few) and source.messages_refused == len(few))
        assert source.messages_refused_by_kind["out of range"] >= 5 and "too large" not in few
        assert until(lambda: got.num_messages() >= 1)
        passed = got.num_messages()
        assert passed + source.messages_superseded <= len(few)
        meta, _ = read_pdu(got.get_message(passed - 1), "store")
        assert meta["frame_num"] == 7 and meta["snr_db"] == 12.5


def test_large_messages_end_the_connection_and_take_no_memory() -> None:
    address = new_address()
    source, sink = zmq_pdu_source(address, schema="feedback"), zmq_pdu_sink(address)
    large = bytes(50_000_000)
    with running(source):
        before = memory_mib()
        for _ in range(5):
            with stranger(zmq.PUSH, address, sndtimeo=500) as other:
                for _ in range(4):
                    other.send(large)
                time.sleep(0.2)
        assert memory_mib() - before < 150  # what this side of the test itself sends may be in memory twice
        sink.start()
        try:
            data = np.array([3.0], np.float32)
            pdu = make_pdu({"snr_db": 3.0, "frame_num": 1}, data)
            assert until(lambda: sink.handle_pdu(pdu) or source.messages_received)
        finally:
            sink.stop()


def test_much_feedback_does_not_fill_the_flowgraph() -> None:
    address = new_address()
    source = zmq_pdu_source(address, schema="feedback")
    with stranger(zmq.PUSH, address) as other, running(source) as got:
        for number in range(20_000):
            other.send(messages.feedback(number % 4096))
        other.send(messages.feedback(1, snr_db=33.0))
        assert until(lambda: source.messages_received == 20_001)
        assert until(lambda: got.num_messages() + source.messages_superseded == 20_001)
        meta, _ = read_pdu(got.get_message(got.num_messages() - 1), "store")
        assert meta["snr_db"] == 33.0 and source.messages_superseded > 10_000


def test_a_block_that_does_not_take_them_is_not_filled() -> None:
    address = new_address()
    source, waiting, wanted = zmq_pdu_source(address, schema="sent"), [1000], []

    class Taker:
        def to_basic_block(self) -> Taker:
            return self

        def nmsgs(self, port: object) -> int:
            return waiting[0]

    source.set_taker(Taker(), "sent", lambda meta: wanted.append(meta) or meta["frame_index"] != 3)
    with stranger(zmq.PUSH, address) as other, running(source) as got:
        for index in range(10):
            other.send(messages.sent(index))
        assert until(lambda: source.messages_received == 10)
        time.sleep(0.2)
        assert got.num_messages() == 0 and source.messages_unwanted == 1
        waiting[0] = 0
        assert until(lambda: got.num_messages() == 9)


def test_connections_that_say_nothing_are_let_go_and_are_no_peers() -> None:
    feedback, sent = new_address(), new_address()
    source, sink = zmq_pdu_source(feedback, schema="feedback"), zmq_pdu_sink(sent, bind=True)
    try:
        assert not source.wait_for_sender(0.0) and not sink.wait_for_listener(0.0)
        openings = (b"", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 64, ZMTP_GREETING)
        peers = [raw_peer(address, said) for address in (feedback, sent) for said in openings for _ in range(20)]
        with stranger(zmq.PUSH, feedback) as push, stranger(zmq.DEALER, sent) as dealer, stranger(zmq.SUB, sent) as sub:
            sub.subscribe(b"")
            push.send(b"noise")
            dealer.send(b"noise")
            assert not source.wait_for_sender(0.5) and not sink.wait_for_listener(0.5)
            for peer in peers:  # the handshake has a limit
                peer.settimeout(20)
                with suppress(ConnectionError):
                    while peer.recv(4096):
                        pass
            real = zmq_pdu_source(sent, bind=False)
            other = zmq_pdu_sink(feedback)
            with running(real):
                other.start()
                assert sink.wait_for_listener(20.0) and source.wait_for_sender(20.0)
                other.stop()
    finally:
        source.stop()
        sink.stop()


def test_a_stranger_can_neither_mute_nor_multiply_the_news() -> None:
    address = new_address()
    sink = zmq_pdu_sink(address, bind=True, queue=100)
    assert not sink.wait_for_listener(0.0)
    source = zmq_pdu_source(address, bind=False, schema="sent")
    ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
    unsubscribed = [raw_peer(address, ZMTP_GREETING, ready, *[b"\x00\x01\x00"] * 5) for _ in range(3)]
    try:
        with running(source) as got, stranger(zmq.DEALER, address) as other:
            for _ in range(5):
                other.send(b"\x00")
            assert sink.wait_for_listener(20.0)
            for index in range(40):
                sink.handle_pdu(make_pdu(messages.sent_meta(index), np.zeros(4 * 10, np.uint8)))
            assert until(lambda: got.num_messages() == 40)
            assert until(lambda: sink._listeners.hear() == 1 and sink.messages_refused == 5)
        assert sink.messages_sent == 40 and sink.messages_dropped == 0
    finally:
        sink.stop()
        for peer in unsubscribed:
            peer.close()


def test_listeners_are_few_and_one_that_goes_makes_room() -> None:
    address = new_address()
    sink = zmq_pdu_sink(address, bind=True)
    sink.start()
    context = zmq.Context.instance()
    many = [context.socket(zmq.DEALER) for _ in range(40)]
    try:
        for one in many:
            one.linger = 0
            one.connect(address)
            one.send(GREETING)
        assert until(lambda: sink._listeners.hear() + sink.listeners_turned_away == 40)
        assert sink.messages_refused == 0
        assert len(sink._listeners) == 16
        for one in many:
            one.close()
        assert until(lambda: sink.handle_pdu(make_pdu({}, np.zeros(1, np.uint8))) or len(sink._listeners) == 0)
        sent = sink.messages_sent
        source = zmq_pdu_source(address, bind=False)
        with running(source):
            assert until(lambda: sink.handle_pdu(make_pdu({}, np.zeros(1, np.uint8))) or sink.messages_sent > sent)
    finally:
        for one in many:
            one.close()
        sink.stop()


@pytest.mark.parametrize("snr_db", [-200.0, -3.5, 150.0, float("inf")])
@pytest.mark.parametrize("subcarriers, reported", [(None, 0), (52, 26), (1020, 510), (0, 0), (51, 0), (1026, 0)])
def test_what_the_smoother_reports_is_feedback(snr_db: float, subcarriers: int | None, reported: int) -> None:
    smoother, got, tb = snr_smoother(), blocks.message_debug(), gr.top_block()
    tb.msg_connect((smoother, "snr"), (got, "store"))
    tb.start()
    try:
        channel = {} if subcarriers is None else {"channel": np.ones(subcarriers, np.complex64)}
        smoother.handle_frame(make_pdu({"snr_db": snr_db, "frame_num": 4, **channel}, np.zeros(1, np.complex64)))
        assert until(lambda: got.num_messages() == 1)
    finally:
        tb.stop()
        tb.wait()
    meta, _ = SCHEMAS["feedback"].read(pmt.serialize_str(got.get_message(0)))
    assert meta["snr_db"] == min(max(snr_db, -40.0), 80.0)
    assert len(meta.get("report", ())) == reported


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    return {name: str(make_pair(tmp_path / name)[1]) for name in ("left", "right", "evil")}


def test_with_keys_only_the_allowed_ends_talk(keys: dict[str, str]) -> None:
    def public(name: str) -> str:
        return keys[name].replace("key_secret", "key")

    feedback, sent = new_address(), new_address()
    source = zmq_pdu_source(feedback, schema="feedback", curve_key=keys["left"], allow_keys=public("right"))
    news = zmq_pdu_sink(sent, bind=True, curve_key=keys["left"], allow_keys=f"{public('right')}, {public('left')}")
    assert source.encrypted and not news.wait_for_listener(0.0)
    pdu = make_pdu({"snr_db": 3.0, "frame_num": 1}, np.array([3.0], np.float32))
    strangers = [zmq_pdu_sink(feedback),
                 zmq_pdu_sink(feedback, curve_key=keys["evil"], allow_keys=public("left")),
                 zmq_pdu_sink(feedback, curve_key=keys["right"], allow_keys=public("evil"))]  # fmt: skip
    readers = [zmq_pdu_source(sent, bind=False),
               zmq_pdu_source(sent, bind=False, curve_key=keys["evil"], allow_keys=public("left"))]  # fmt: skip
    honest = zmq_pdu_sink(feedback, curve_key=keys["right"], allow_keys=public("left"))
    reader = zmq_pdu_source(sent, bind=False, curve_key=keys["right"], allow_keys=public("left"))
    with running(source) as got, running(readers[0]) as read_0, running(readers[1]) as read_1, running(reader) as read:
        for sink in [*strangers, honest]:
            sink.start()
        try:
            assert not any(sink.wait_for_listener(1.0) for sink in strangers)
            assert honest.wait_for_listener(20.0) and news.wait_for_listener(20.0)
            for sink in strangers:
                sink.handle_pdu(pdu)
            honest.handle_pdu(pdu)
            news.handle_pdu(pdu)
            assert until(lambda: got.num_messages() == 1 and read.num_messages() == 1)
            assert (source.messages_received, read_0.num_messages(), read_1.num_messages()) == (1, 0, 0)
            assert [sink.messages_sent for sink in strangers] == [0, 0, 0]
        finally:
            for sink in [*strangers, honest, news]:
                sink.stop()


def test_keys_that_cannot_be_used_are_refused(tmp_path: Path, keys: dict[str, str]) -> None:
    from click.testing import CliRunner

    from sdr_sc.cli.keys import command

    secret = Path(keys["left"])
    assert secret.stat().st_mode & 0o777 == 0o600
    public = str(secret.with_suffix(".key"))
    printed = CliRunner().invoke(command, ["show", public]).output.strip()
    assert len(printed) == 40 and printed.encode() == load_keys(str(secret), [printed], True).allowed[0]
    assert printed in CliRunner().invoke(command, ["list", str(tmp_path)]).output
    with pytest.raises(SdrScError, match="cannot be written"):
        make_pair(tmp_path / "left")
    for bad, sentence in (
        ((str(secret), [], True), "has to know whom"),
        ((str(secret), [printed, printed], True), "one public key"),
        (("", [printed], False), "there is none of this end"),
        ((public, [printed], True), "holds a public key alone"),
        ((str(tmp_path / "none"), [printed], True), "cannot be read"),
        ((str(secret), [str(tmp_path / "none")], True), "cannot be read"),
        ((str(secret), ["/dev/zero"], True), "is no key"),
    ):
        with pytest.raises(SdrScError, match=sentence):
            load_keys(*bad)
    secret.chmod(0o640)
    with pytest.raises(SdrScError, match="chmod 600"):
        load_keys(str(secret), [printed], True)


def test_a_flood_leaves_the_interpreter_to_the_others() -> None:
    """No thread of the process waits for half a second, whatever arrives at whatever rate."""
    address = new_address()
    source, over = zmq_pdu_source(address, schema="feedback"), threading.Event()
    flood = [raw for raw in messages.harmful().values() if len(raw) <= 1024] + [messages.feedback(evil=1)]

    def push() -> None:
        with stranger(zmq.PUSH, address) as other:
            while not over.is_set():
                for raw in flood:
                    if other.poll(10, zmq.POLLOUT):
                        other.send(raw)

    thread = threading.Thread(target=push)
    with running(source):
        thread.start()
        try:
            assert until(lambda: source.messages_refused > 30_000, 60.0)
        finally:
            over.set()
            thread.join()
    assert source.messages_received == 0
