# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that link processes and devices: PDUs over ZMQ, send times, levels, gaps, a USRP's messages."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
from frames import reception
from gnuradio import blocks, gr
from link_messages import answer_meta, frame_pdu, free_address, sent_meta, wait_for

from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.blocks.usrp_monitor import usrp_monitor
from sdr_sc.blocks.zmq_pdu_sink import zmq_pdu_sink
from sdr_sc.blocks.zmq_pdu_source import zmq_pdu_source
from sdr_sc.errors import BlockError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END
from sdr_sc.link.frames.link_record import OPEN_FRAMES, SETTLE_FRAMES, FrameRecord, LinkRecord
from sdr_sc.link.level import LevelMeter
from sdr_sc.link.timing.burst_timing import BurstTiming
from sdr_sc.link.timing.device_clock import DeviceClock
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology

NUMEROLOGY = Numerology()


def test_pdus_cross_zmq_and_foreign_bytes_do_not() -> None:
    import zmq

    address = free_address()
    tb = gr.top_block()
    sink, source, got = zmq_pdu_sink(address), zmq_pdu_source(address), blocks.message_debug()
    tb.msg_connect((source, "pdus"), (got, "store"))
    tb.start()
    sink.start()
    try:
        foreign = zmq.Context.instance().socket(zmq.PUSH)
        foreign.connect(address)
        foreign.send(b"no pdu")
        foreign.close(linger=1000)
        assert wait_for(lambda: source.messages_refused == 1)
        for number in range(3):
            sink.handle_pdu(frame_pdu(number))
        assert wait_for(lambda: got.num_messages() == 3)
    finally:
        sink.stop()
        tb.stop()
        tb.wait()
    meta, data = read_pdu(got.get_message(2), "store")
    assert meta["frame_num"] == 2 and np.allclose(data, np.exp(1j * np.arange(16)))
    assert sink.messages_sent + sink.messages_dropped == 3 and source.messages_received == 3


def test_a_sink_without_a_listener_drops_and_does_not_wait() -> None:
    sink = zmq_pdu_sink(free_address())
    sink.start()
    for number in range(200):
        sink.handle_pdu(frame_pdu(number))
    sink.stop()
    assert sink.messages_dropped == 200


def test_addresses_that_cannot_be_used_are_reported() -> None:
    with pytest.raises(BlockError, match="is none"):
        zmq_pdu_sink("localhost")
    address = free_address()
    one, other = zmq_pdu_source(address), zmq_pdu_source(address)
    one.start()
    try:
        with failures.watching():  # an exception in start() would leave the flowgraph hanging
            other.start()
            assert "cannot be bound" in str(failures.first())
    finally:
        one.stop()


def test_bursts_keep_to_their_slots_and_skip_what_is_past() -> None:
    timing = BurstTiming(1e6, lead_s=0.01, period_s=0.1)
    first = timing.next(1000, now_s=2.0)
    assert first == (2, pytest.approx(0.01))
    assert timing.next(1000, now_s=2.05) == (2, pytest.approx(0.11))
    assert timing.next(1000, now_s=2.55) == (2, pytest.approx(0.61))  # 2.51 would leave less than the lead
    assert timing.next(150_000, now_s=2.56) == (2, pytest.approx(0.71))
    assert timing.next(1000, now_s=2.57) == (2, pytest.approx(0.91))  # the long one takes a slot and a half
    without_clock = BurstTiming(1e6, lead_s=0.5)
    assert [without_clock.next(1000) for _ in range(2)] == [(0, 0.5), (0, 0.50102)]  # a device ends a burst in 20 us


def test_device_time_that_steps_back_is_followed() -> None:
    timing = BurstTiming(1e6, lead_s=0.01)
    timing.next(1000, now_s=1e9)
    assert timing.ahead_s(1e9) == pytest.approx(0.011, abs=1e-6)
    assert timing.next(1000, now_s=0.5) == (0, pytest.approx(0.51))
    timing = BurstTiming(1e6, lead_s=0.01)
    timing.next(1000, now_s=1e9)
    assert timing.ahead_s(0.5) == 0.0  # nobody may wait until the old time comes again


def test_no_rounding_adds_up_over_many_bursts() -> None:
    timing = BurstTiming(61.44e6 / 7, lead_s=0.02)
    for _ in range(100_000):
        seconds, fraction = timing.next(12_345)
    length = 12_345 + 176  # and 20 us
    ticks = (seconds + fraction) * 61.44e6 / 7
    assert ticks == pytest.approx(np.ceil(0.02 * 61.44e6 / 7) + 99_999 * length, abs=1e-3)


def test_the_device_clock_is_carried_on_between_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [50.0], []
    monkeypatch.setattr("sdr_sc.link.timing.device_clock.time.monotonic", lambda: now[0])
    clock = DeviceClock(lambda: asked.append(1) or now[0] + 100.0, refresh_s=0.05)
    for _ in range(20):
        now[0] += 0.002
        assert clock.now_s() == pytest.approx(now[0] + 100.0, abs=1e-9)
    assert len(asked) == 1
    now[0] += 0.06
    clock.now_s()
    assert len(asked) == 2


def test_the_clock_of_a_device_that_is_gone_goes_on() -> None:
    answers = [100.0]

    def read() -> float:
        if not answers:
            raise RuntimeError("no device")
        return answers.pop()

    clock = DeviceClock(read, refresh_s=0.01)
    clock.now_s()
    time.sleep(0.02)
    assert clock.now_s() > 100.01
    with pytest.raises(RuntimeError):
        DeviceClock(read).now_s()


def test_the_level_counts_what_a_converter_would_clip() -> None:
    meter = LevelMeter(1.0)
    samples = np.full(1000, 0.5 + 0.5j, np.complex64)
    meter.add(samples)
    assert meter.clipped == 0 and meter.mean_dbfs == pytest.approx(-3.01, abs=0.01)
    samples[:3] = 1.2
    samples[3] = np.nan
    meter.add(samples)
    assert meter.clipped == 4


def test_the_level_of_now_forgets_what_the_totals_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sdr_sc.link.level.time.monotonic", lambda: now[0])
    meter = LevelMeter(1.0)
    meter.skip(1500)
    meter.add(np.full(1000, 9.0, np.complex64))  # settling
    meter.add(np.concatenate((np.full(500, 9.0), np.full(100, 2.0))).astype(np.complex64))
    assert (meter.samples, meter.clipped) == (100, 100)
    for now[0] in (0.4, 0.8, 1.2, 1.6):
        meter.add(np.full(100, 0.5, np.complex64))
    assert meter.recent().clipped == 0 and meter.recent().peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert (meter.samples, meter.clipped) == (500, 100) and meter.peak_dbfs == pytest.approx(6.02, abs=0.01)


def test_frames_get_send_times() -> None:
    tb = gr.top_block()
    transmitter = ofdm_tx(gap_samples=100, amplitude=0.2, lead_s=0.02, period_s=0.05)
    sink = blocks.vector_sink_c()
    tb.connect(transmitter, sink)
    for number in range(3):
        transmitter.handle_frame(frame_pdu(number))
    transmitter.handle_frame(make_pdu({"end_of_items": True}, np.empty(0, np.uint8)))
    run_flowgraph(tb, 200)
    length = NUMEROLOGY.frame_samples(16) + 100
    tags = {pmt.symbol_to_string(t.key): [] for t in sink.tags()}
    for tag in sink.tags():
        tags[pmt.symbol_to_string(tag.key)].append((tag.offset, pmt.to_python(tag.value)))
    assert [offset for offset, _ in tags["tx_time"]] == [0, length, 2 * length]
    assert [sum(value) for _, value in tags["tx_time"]] == pytest.approx([0.02, 0.07, 0.12])
    assert len(sink.data()) == 3 * length  # no sample is outside of a burst
    assert transmitter.level.samples == 3 * (length - 100) and transmitter.level.clipped == 0
    assert transmitter.level.mean_dbfs == pytest.approx(20 * np.log10(0.2) + 10 * np.log10(52 / 64), abs=0.4)


def test_a_period_without_a_lead_is_refused() -> None:
    with pytest.raises(BlockError, match="a period needs a lead"):
        ofdm_tx(period_s=0.1)


def time_tag(offset: int, time_s: float) -> gr.tag_t:
    tag = gr.tag_t()
    tag.offset, tag.key = offset, pmt.intern("rx_time")
    tag.value = pmt.make_tuple(pmt.from_uint64(int(time_s)), pmt.from_double(time_s % 1))
    return tag


@pytest.mark.parametrize("missing", [0, 500, 5_000_000])
def test_a_gap_in_rx_time_is_reported_and_not_taken_for_data(missing: int) -> None:
    features = np.exp(1j * np.arange(512)).astype(np.complex64).reshape(16, 32)
    frame = build_frame(features, Header(model_id=1, k=32, n_items=16, frame_num=1), NUMEROLOGY)
    silence = np.zeros(2000, np.complex64)
    cut = len(silence) + len(frame) - 600
    samples = np.concatenate((silence, frame, silence, frame, silence))
    rng = np.random.default_rng(1)
    samples += (0.01 * rng.standard_normal((len(samples), 2)).astype(np.float32)).view(np.complex64)[:, 0]
    stream = np.delete(samples, slice(cut, cut + missing)) if missing < 1000 else samples
    tags = [time_tag(0, 3.0), time_tag(cut, 3.0 + (cut + missing) / 1e6)]
    tb = gr.top_block()
    source, receiver = blocks.vector_source_c(stream.tolist(), False, 1, tags), ofdm_rx()
    got = blocks.message_debug()
    tb.connect(source, receiver)
    tb.msg_connect((receiver, "frames"), (got, "store"))
    run_flowgraph(tb, 200)
    assert (receiver.gaps, receiver.samples_missing) == ((1, missing) if missing else (0, 0))
    erased = [np.asarray(read_pdu(got.get_message(i), "store")[0]["erased"]) for i in range(got.num_messages())]
    assert len(erased) == 2 and not erased[1].any()
    assert erased[0].any() == bool(missing)


def test_messages_of_a_usrp_are_counted_by_code() -> None:
    monitor = usrp_monitor()
    for codes in (["burst_ack"], ["underflow"], ["time_error", "underflow"]):
        listed = pmt.list1(pmt.intern(codes[0]))
        for code in codes[1:]:
            listed = pmt.list_add(listed, pmt.intern(code))
        body = pmt.dict_add(pmt.make_dict(), pmt.intern("event_code"), listed)
        monitor.handle_message(pmt.cons(pmt.intern("uhd_async_msg"), body))
    monitor.handle_message(pmt.intern("something else"))
    overflows = pmt.dict_add(pmt.make_dict(), pmt.intern("overflows"), pmt.from_long(3))
    monitor.handle_message(pmt.cons(pmt.intern("uhd_async_msg"), overflows))
    assert monitor.counts == {"burst_ack": 1, "underflow": 2, "time_error": 1, "unknown": 1, "overflow": 3}
    faults = {words.split(":")[0]: count for words, count in monitor.faults.items()}
    assert faults == {"underflow": 2, "late burst": 1, "overflow": 3}


def sent(index: int) -> FrameRecord:
    return FrameRecord(index, 8, np.array([index]), np.array([1]), np.zeros((1, 784), np.uint8), 0)


def test_an_answer_may_come_before_the_news_that_its_frame_was_sent() -> None:
    record = LinkRecord(None)
    answer = (np.array([1]), np.array([0.9]), 10.0, 0.0, 1_000_000)
    assert record.received(reception(0, *answer)) is None
    found = record.sent(sent(0))
    assert found is not None and found.answer is not None and record.frames_answered == 1
    assert record.sent(sent(1)) is None
    record.received(reception(7, *answer))
    record.close()
    assert (record.items_correct, record.frames_lost, record.answers_unknown) == (1, 1, 1)


def test_an_early_answer_is_not_taken_for_a_later_transmitters_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, now_s = (np.array([1]), np.array([0.9]), 10.0, 0.0, 1_000_000), [10.0]
    monkeypatch.setattr("sdr_sc.link.frames.ledger.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    record = LinkRecord(None)
    for index in (1, 2, 9):  # of a transmitter that is killed before its news arrive
        assert record.received(reception(index, *answer)) is None
    assert record.sent(sent(2)) is not None  # news that are a little late
    assert record.answers_unknown == 1  # that of frame 1: news come in order
    now_s[0] += 10.0
    for index in range(3, 10):
        assert record.sent(sent(index)) is None
    assert (record.frames_answered, record.answers_unknown) == (1, 2)


def test_a_frame_is_lost_only_when_later_ones_were_answered() -> None:
    record, answer = LinkRecord(None), (np.array([1]), np.array([0.9]), 10.0, 0.0, 1_000_000)
    for index in range(OPEN_FRAMES):
        record.sent(sent(index))
    assert record.frames_lost == 0 and record.frames_open == OPEN_FRAMES  # a decoder may be far behind
    record.received(reception(0, *answer))
    record.received(reception(SETTLE_FRAMES + 1, *answer))
    assert (record.frames_lost, record.frames_answered, record.frames_open) == (1, 2, OPEN_FRAMES - 3)
    for index in range(OPEN_FRAMES, 2 * OPEN_FRAMES):
        record.sent(sent(index))
    assert record.frames_lost + record.frames_open == 2 * OPEN_FRAMES - 2


@pytest.mark.parametrize(("limit_s", "until_s", "heard"), [(5.0, 1.3, 2), (1.125, 1.125, 1), (0.5, 0.5, 0)])
def test_a_sink_that_waits_for_a_listener_gives_the_others_time(
    limit_s: float, until_s: float, heard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One listener greets after 1.0 s, another one after 1.2 s; whoever comes later misses the first PDUs."""
    now_s = [0.0]

    def poll(limit_ms: int, events: int = 0) -> int:
        now_s[0] += limit_ms / 1e3
        return 0

    monkeypatch.setattr("sdr_sc.blocks.zmq_pdu_sink.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    sink = zmq_pdu_sink(bind=True)
    listeners = SimpleNamespace(hear=lambda: sum(now_s[0] > at_s - 0.001 for at_s in (1.0, 1.2)))
    monkeypatch.setattr(sink, "_socket", SimpleNamespace(poll=poll))
    monkeypatch.setattr(sink, "_listeners", listeners)
    assert sink.wait_for_listener(limit_s) == bool(heard)
    assert now_s[0] == pytest.approx(until_s, abs=0.002) and listeners.hear() == heard


def test_the_task_sink_waits_for_answers_after_the_end() -> None:
    sink = task_sink()
    for index in range(2):
        sink.handle_sent(make_pdu(sent_meta(index), np.zeros(784, np.uint8)))
    sink.handle_sent(make_pdu({END: True}, np.empty(0, np.uint8)))
    for index in range(2):
        assert not sink.finished.wait(0.5)
        sink.handle_answers(make_pdu(answer_meta(index), np.array([1], np.int32)))
    assert sink.finished.is_set() and sink.record.frames_answered == 2


def test_an_encoder_that_starts_again_is_followed() -> None:
    record = LinkRecord(None)
    for index in (500, 501, 0, 1):
        record.sent(sent(index))
        record.received(reception(index, np.array([1]), np.array([0.9]), 10.0, 0.0, 1_000_000))
    record.close()
    assert (record.frames_sent, record.frames_answered, record.items_correct, record.answers_unknown) == (4, 4, 4, 0)
