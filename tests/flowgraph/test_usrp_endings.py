# SPDX-License-Identifier: GPL-3.0-or-later
"""How an end of a USRP link ends: with its last burst, with a signal, without its device, without the other end."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pmt
import pytest
from command import ROOT, environment
from gnuradio import blocks, gr
from link_messages import frame_pdu, free_address, wait_for
from usrp_ends import Ends

from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.usrp_monitor import usrp_monitor
from sdr_sc.blocks.zmq_pdu_sink import zmq_pdu_sink
from sdr_sc.blocks.zmq_pdu_source import zmq_pdu_source
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END
from sdr_sc.link.network.zmq_sockets import GREETING
from sdr_sc.link.timing import air_queue as _air_queue
from sdr_sc.usrp.bursts import attach_bursts


class talking_sink(gr.basic_block):  # noqa: N801
    """Sends messages like a USRP sink, whose own thread does not end with the flowgraph."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "talking_sink", None, None)
        self.message_port_register_out(pmt.intern("async_msgs"))

    def answer(self, code: str) -> None:
        body = pmt.dict_add(pmt.make_dict(), pmt.intern("event_code"), pmt.list1(pmt.intern(code)))
        self.message_port_pub(pmt.intern("async_msgs"), pmt.cons(pmt.intern("uhd_async_msg"), body))


def test_a_burst_ack_after_the_end_finds_its_monitor() -> None:
    sink = talking_sink()

    def run() -> None:
        tb, monitor = gr.top_block(), usrp_monitor()
        tb.msg_connect((sink, "async_msgs"), (monitor, "async_msgs"))
        tb.start()
        sink.answer("burst_ack")
        assert wait_for(lambda: monitor.bursts_answered == 1)
        tb.stop()
        tb.wait()

    run()
    gc.collect()
    sink.answer("burst_ack")  # throws where the monitor has left the registry: in the thread of a sink, SIGABRT


def end_pdu() -> pmt.pmt_base:
    return make_pdu({END: True}, np.empty(0, np.uint8))


def time_to_end(transmitter: ofdm_tx, frames: int) -> float:
    tb, sink = gr.top_block(), blocks.null_sink(gr.sizeof_gr_complex)
    tb.connect(transmitter, sink)
    transmitter.load()
    for number in range(frames):
        transmitter.handle_frame(frame_pdu(number))
    transmitter.handle_frame(end_pdu())
    # The encoder ends before the last burst is off the air; GNU Radio would end this block with it.
    transmitter.to_basic_block()._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    began = time.monotonic()
    run_flowgraph(tb, 200)
    assert transmitter.finished.is_set()
    return time.monotonic() - began


def test_the_transmitter_ends_after_its_last_burst() -> None:
    transmitter = ofdm_tx(lead_s=0.05, period_s=0.3)
    transmitter.set_clock(time.monotonic)
    assert time_to_end(transmitter, 3) > 0.65  # the third one starts 0.6 s after the first
    answered = ofdm_tx(lead_s=0.05, period_s=5.0)
    answered.set_clock(time.monotonic)
    answered.set_answers(lambda: 3)
    assert time_to_end(answered, 3) < 10.0  # the time that the third one would start at


def test_the_transmitter_does_not_wait_for_ever_for_a_time_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_air_queue, "_STANDSTILL_S", 0.3)
    transmitter, began = ofdm_tx(lead_s=0.05), time.monotonic()
    transmitter.set_answers(lambda: min(3, int((time.monotonic() - began) / 0.15)))  # of four
    assert time_to_end(transmitter, 4) > 0.3


def test_no_more_is_made_than_the_air_takes() -> None:
    transmitter, now = ofdm_tx(lead_s=0.05, sample_rate_hz=20e3), [100.0]
    transmitter.set_clock(lambda: now[0])
    transmitter._air.clock._refresh_s = 0.0  # type: ignore[union-attr]
    made = 0
    while not transmitter.is_full(made):
        transmitter.handle_frame(frame_pdu(made))
        made += 1
    assert 0.15 < transmitter._air.timing.ahead_s(100.0) < 0.3  # type: ignore[union-attr]
    now[0] += 0.2
    assert not transmitter.is_full(made)
    assert transmitter.is_full(made + 8)  # they wait in its message queue
    step, answers = ofdm_tx(lead_s=0.05), [0]
    step.set_answers(lambda: answers[0])
    for number in range(8):
        assert not step.is_full(number)
        step.handle_frame(frame_pdu(number))
    assert step.is_full(8)
    answers[0] = 1
    assert not step.is_full(8)


class counting_link(gr.basic_block):  # noqa: N801
    """Stands in for a transmitter that is full after five frames, and for its monitor."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "counting_link", None, None)
        self.frames, self.ended, self.bursts_answered = 0, False, 0
        self.message_port_register_in(pmt.intern("frames"))
        self.set_msg_handler(pmt.intern("frames"), self.handle)

    def handle(self, message: pmt.pmt_base) -> None:
        ended = pmt.dict_has_key(pmt.car(message), pmt.intern(END))
        self.frames, self.ended = self.frames + (not ended), self.ended or ended

    def is_full(self, frames_made: int) -> bool:
        return frames_made >= 5

    def set_answers(self, read: object) -> None:
        self.answers = read


def test_an_encoder_waits_for_the_air_and_ends_at_once_when_reported_so() -> None:
    tb, link = gr.top_block(), counting_link()
    encoder = semantic_encoder(max_frames_in_flight=0, feedback_timeout_s=60.0, k=2)
    attach_bursts(encoder, link, link)
    tb.connect(blocks.null_source(1), encoder)
    tb.msg_connect((encoder, "frames"), (link, "frames"))
    full_s: list[float] = []

    def until() -> bool:
        if link.frames >= 5:
            full_s.append(time.monotonic())
            if full_s[-1] - full_s[0] > 0.3:
                encoder.finish(at_once=True)  # although no frame has been answered
        return link.ended

    run_flowgraph(tb, 20.0, until=until)
    assert link.frames == 5


def test_pdus_that_are_no_feedback_are_dropped_and_counted() -> None:
    encoder = semantic_encoder()
    one = np.zeros(1, np.float32)
    wrong_values = ({"snr_db": float("nan"), "frame_num": 0}, {"snr_db": True, "frame_num": 0.5})
    for meta in ({}, {"x": 1}, {"snr_db": 3.0}, *wrong_values):
        encoder.handle_snr(make_pdu(meta, one))
    strange = pmt.dict_add(pmt.make_dict(), pmt.make_vector(1, pmt.PMT_T), pmt.PMT_T)
    encoder.handle_snr(pmt.cons(strange, pmt.init_f32vector(1, [0.0])))
    assert getattr(encoder, "error", None) is None and encoder.sender.feedback_unknown == 6


def test_each_receiver_gets_all_that_was_sent() -> None:
    address = free_address()
    sink = zmq_pdu_sink(address, bind=True)
    assert not sink.wait_for_listener(0.1)
    sink.handle_pdu(frame_pdu(0))
    assert (sink.messages_sent, sink.messages_dropped) == (0, 1)
    tb, sources, got = gr.top_block(), [], []
    for _ in range(2):
        sources.append(zmq_pdu_source(address, bind=False))
        got.append(blocks.message_debug())
        tb.msg_connect((sources[-1], "pdus"), (got[-1], "store"))
    tb.start()
    try:
        assert sink.wait_for_listener(5.0)
        assert wait_for(lambda: sink._is_heard() and len(sink._listeners) == 2)
        for number in range(20):
            sink.handle_pdu(frame_pdu(number))
        assert wait_for(lambda: all(one.num_messages() == 20 for one in got))
    finally:
        tb.stop()
        tb.wait()
    dropped = sink.messages_dropped
    assert wait_for(lambda: sink.handle_pdu(frame_pdu(20)) or sink.messages_dropped > dropped)
    assert not sink._is_heard()
    sink.stop()


def test_a_receiver_that_does_not_keep_up_costs_the_others_nothing() -> None:
    import zmq

    address = free_address()
    sink = zmq_pdu_sink(address, bind=True, queue=4)
    sink.start()
    ends = []
    for hwm in (2, 100_000):
        ends.append(zmq.Context.instance().socket(zmq.DEALER))
        ends[-1].set_hwm(hwm)
        ends[-1].setsockopt(zmq.RCVBUF, 4096)
        ends[-1].connect(address)
        ends[-1].send(GREETING)
    assert wait_for(lambda: sink._is_heard() and len(sink._listeners) == 2)
    large = make_pdu({"n": 1}, np.zeros(100_000, np.uint8))
    received = 0
    for _ in range(200):
        sink.handle_pdu(large)
        received += bool(ends[1].poll(2000)) and bool(ends[1].recv())
    assert received == 200 and sink.messages_dropped > 0  # the first takes none of them
    for end in ends:
        end.close(linger=0)
    sink.stop()


def bursts_told(status: dict[str, Any]) -> int:
    """Bursts that were sent to their end or came late, as a transmitter's results say."""
    late = sum(count for words, count in status["faults"].items() if words.startswith("late burst"))
    return status["bursts_acknowledged"] + late


def test_every_burst_is_sent_and_reported_to_each_receiver(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends, Ends(tmp_path / "second", "rt", ends.air) as second:
        second.sent = ends.sent
        slow = ("--rate", 200e3)
        rx = ends.start("rx", *slow)
        other = second.start("rx", *slow, device=",name=second", feedback="tcp://127.0.0.1:9")
        assert wait_for(lambda: all(list(end.folder.glob("rx/*/frames.csv")) for end in (ends, second)), 60.0)
        time.sleep(2.0)  # until both listen: the transmitter waits for one
        tx = ends.start("tx", *slow, "--images", 800, "--frames-in-flight", 0, "--lead", 0.2)
        assert ends.wait(tx) == 0, ends.log("tx").read_text()
        assert ends.wait(rx) == 0 and second.wait(other) == 0
        sent = ends.summary("tx")["transmitter"]
        assert sent["frames_sent"] == bursts_told(sent) == 200, ends.log("tx").read_text()
        told = "frames were made" in ends.log("tx").read_text()
        assert told == (sent["bursts_acknowledged"] < 200)  # a loaded machine makes bursts late
        heard = [[int(frame["frame_index"]) for frame in end.frames()] for end in (ends, second)]
        for indices, end in zip(heard, (ends, second), strict=True):
            assert indices == list(range(200 - len(indices), 200)), indices  # from its coming on, without a hole
            unknown = end.summary("rx")["accounting"]["answers_unknown"]
            assert unknown <= 200 - len(indices) + 2  # what was on the air before it listened
        assert min(map(len, heard)) > 50 and max(map(len, heard)) == 200


def test_a_transmitter_that_is_ended_by_a_signal_reports_its_receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx", "--record", tmp_path / "recording")
        tx = ends.start("tx", "--images", 0)
        ends.wait_for_frames(20)
        tx.send_signal(signal.SIGTERM)
        assert ends.wait(tx, 15) == 0 and ends.wait(rx, 15) == 0
        sent, found = ends.summary("tx")["transmitter"], ends.summary("rx")["accounting"]
        assert sent["frames_sent"] == bursts_told(sent) == found["frames_sent"], (sent, found)
        assert (tmp_path / "recording.sigmf-meta").is_file() and "recorded:" in ends.log("rx").read_text()
        assert not [*scratch.glob("sdr_sc_*"), *Path("/dev/shm").glob(f"*{ends.air}*")]


def test_a_flowgraph_that_is_ended_by_a_signal_reports_its_receiver(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:
        rx = ends.start("rx")
        device = f"--device-args=type=simusrp,name=tx,air={ends.air},pace=rt"
        addresses = (f"--feedback-address={ends.feedback}", f"--sent-address={ends.sent}")
        command = [sys.executable, "-m", "sdr_sc.cli.main", "run", str(ROOT / "flowgraphs" / "usrp_tx.grc"), "--"]
        command += [device, *addresses, "--images=0", "--wait-s=30"]
        tx = subprocess.Popen(command, env=environment())
        ends.running.append(tx)
        ends.wait_for_frames(20)
        tx.send_signal(signal.SIGTERM)
        assert ends.wait(tx) == 143 and ends.wait(rx) == 0
        assert "nothing from the transmitter" not in ends.log("rx").read_text()
        assert ends.summary("rx")["accounting"]["frames_answered"] >= 20


def test_a_receiver_whose_device_is_gone_ends_with_its_results(tmp_path: Path) -> None:
    code = f"""
from sdr_sc.flowgraph import usrp_watch
from sdr_sc.flowgraph.usrp import run_end
usrp_watch.DEVICE_LIMIT_S = 1.0
stopped = []
def on_poll(tb):
    if tb.receiver.samples_taken > 200_000 and not stopped:
        stopped.append(tb.usrp_source.stop())
args = {{"device_args": "type=simusrp,air=gone{os.getpid()}", "folder": {str(tmp_path)!r},
         "sent_address": {free_address()!r}, "feedback_address": {free_address()!r}}}
tb = run_end("rx", args, None, on_poll)
print(tb.lost)
"""
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "no samples for 1 s" in run.stdout, run.stdout + run.stderr
    assert (tmp_path / "frames.csv").read_text().startswith("frame_index")
