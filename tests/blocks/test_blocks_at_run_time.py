# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks at run time: feedback that comes and goes, changes while samples flow, frame numbers that wrap."""

from __future__ import annotations

import csv
import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from phy_reference import demodulate, modulate

from sdr_sc.blocks.channel import channel
from sdr_sc.blocks.image_source import image_source
from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.snr_smoother import snr_smoother
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.data import fashion_mnist
from sdr_sc.errors import BlockError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.phy.numerology import Numerology

pytestmark = pytest.mark.timeout(60)
DEADLINE_S = 20.0
ROBUST_K, GOOD_K = 32, 2  # of the shipped model, without feedback and at 25 dB
ITEM_BYTES = 784


def post(block, port, message):
    block.to_basic_block()._post(pmt.intern(port), message)


def out(debug):
    return [read_pdu(debug.get_message(i), "out") for i in range(debug.num_messages())]


class answering_link(gr.basic_block):  # noqa: N801
    """Stands in for the link after an encoder: notes what is sent, and feeds an SNR back for the first frames."""

    def __init__(self, snr_db, frames):
        gr.basic_block.__init__(self, "answering_link", None, None)
        self.snr_db, self.frames, self.seen = snr_db, frames, []
        self.message_port_register_in(pmt.intern("frames"))
        self.message_port_register_out(pmt.intern("snr"))
        self.set_msg_handler(pmt.intern("frames"), self.handle)

    def handle(self, message):
        meta, data = read_pdu(message, "frames")
        if END in meta:
            return
        self.seen.append((meta, data))
        if len(self.seen) <= self.frames:
            feedback = make_pdu({"snr_db": self.snr_db, "frame_num": meta["frame_num"]}, np.zeros(1, np.float32))
            self.message_port_pub(pmt.intern("snr"), feedback)


def encoder_bench(encoder, link, source):
    tb = gr.top_block()
    tb.encoder, tb.link, tb.source, tb.sent = encoder, link, source, blocks.message_debug()
    tb.connect(source, encoder)
    tb.msg_connect(encoder, "frames", link, "frames")
    tb.msg_connect(encoder, "sent", tb.sent, "store")
    tb.msg_connect(link, "snr", encoder, "snr")
    return tb


def test_encoder_follows_feedback_and_falls_back_without():
    encoder, link = semantic_encoder(items_per_frame=4, feedback_timeout_s=0.1), answering_link(25.0, frames=5)
    run_flowgraph(encoder_bench(encoder, link, image_source(images=0)), DEADLINE_S, until=lambda: len(link.seen) >= 8)
    assert [meta["k"] for meta, _ in link.seen[:8]] == [ROBUST_K] + [GOOD_K] * 5 + [ROBUST_K] * 2
    for meta, features in link.seen:
        power = np.mean(np.abs(features.reshape(meta["n_items"], meta["k"])) ** 2, axis=1)
        assert power == pytest.approx(1.0, abs=1e-3)


def test_encoder_tags_and_the_last_frame():
    encoder, link = semantic_encoder(items_per_frame=4), answering_link(25.0, frames=1000)
    tb = encoder_bench(encoder, link, image_source(images=10, seed=2))
    run_flowgraph(tb, DEADLINE_S)
    sent = [(meta, items) for meta, items in out(tb.sent) if END not in meta]
    data = fashion_mnist.load("test")
    assert [meta["n_items"] for meta, _ in sent] == [4, 4, 2]
    for meta, items in sent:
        assert np.array_equal(items.reshape(-1, 28, 28), data.images[meta["item_id"]])
        assert np.array_equal(meta["label"], data.labels[meta["item_id"]])
    assert tb.sent.num_messages() == 4


def test_channel_sets_the_snr_on_the_subcarriers():
    numerology = Numerology()
    grid = np.exp(2j * np.pi * np.random.default_rng(1).random((2000, numerology.used))).astype(np.complex64)
    tb, sink = gr.top_block(), blocks.vector_sink_c()
    tb.block = channel(snr_db=3.0)
    tb.connect(blocks.vector_source_c(modulate(grid, numerology).tolist()), tb.block, sink)
    run_flowgraph(tb, DEADLINE_S)
    noise = demodulate(np.array(sink.data(), np.complex64), numerology) - grid
    assert -10 * np.log10(np.mean(np.abs(noise) ** 2)) == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("message", [pmt.to_pmt({"snr_db": 2.0}), pmt.cons(pmt.intern("snr_db"), pmt.from_double(2.0))])
def test_channel_changes_by_message_while_it_runs(message):
    tb, block, sink = gr.top_block(), channel(snr_db=20.0), blocks.vector_sink_c()
    tb.block = block
    size = gr.sizeof_gr_complex
    tb.connect(blocks.null_source(size), blocks.throttle(size, 400e3), block, sink)
    sent_at = []

    def go_on():
        count = len(sink.data())
        if count > 40_000 and not sent_at:
            sent_at.append(count)
            post(block, "set", message)
        return bool(sent_at) and count > sent_at[0] + 120_000

    run_flowgraph(tb, DEADLINE_S, until=go_on)
    noise = np.abs(np.array(sink.data(), np.complex64)) ** 2
    assert 10 * np.log10(noise[: sent_at[0] // 2].mean()) == pytest.approx(-20.0, abs=0.2)
    assert 10 * np.log10(noise[-40_000:].mean()) == pytest.approx(-2.0, abs=0.2)


@pytest.mark.parametrize(
    "message",
    [
        pmt.to_pmt({"snr_db": "x"}),
        pmt.to_pmt({"snr_db": float("nan")}),
        pmt.PMT_NIL,
        pmt.to_pmt({"snr": 3.0}),
        pmt.cons(pmt.intern("snr_db"), pmt.intern("x")),
    ],
)
def test_channel_bad_set(message):
    tb, block = gr.top_block(), channel()
    size = gr.sizeof_gr_complex
    tb.block = block
    tb.connect(blocks.null_source(size), blocks.throttle(size, 400e3), block, blocks.null_sink(size))
    post(block, "set", message)
    with pytest.raises(BlockError) as caught:
        run_flowgraph(tb, DEADLINE_S)
    assert "\n" not in str(caught.value)


def sent_pdu(index, labels=(3, 5)):
    meta = {"frame_index": index, "k": 8, "n_items": len(labels), "time_ns": time.monotonic_ns()}
    meta |= {"item_id": np.arange(len(labels), dtype=np.int32) + 10 * index, "label": np.array(labels, np.int32)}
    meta |= {"modality": "image", "item_shape": np.array([28, 28], np.int32)}
    return make_pdu(meta, np.full(len(labels) * ITEM_BYTES, index % 256, np.uint8))


def answers_pdu(frame_num, classes=(3, 5)):
    confidence = np.full(len(classes), 0.5, np.float32)
    return make_pdu({"frame_num": frame_num, "confidence": confidence, "snr_db": 9.0}, np.array(classes, np.int32))


class SinkBench(gr.top_block):
    def __init__(self, sink):
        gr.top_block.__init__(self, "bench")
        self.sink = sink
        self.debug = {port: blocks.message_debug() for port in ("results", "snr_history", "k_history")}
        for port, debug in self.debug.items():
            self.msg_connect(sink, port, debug, "store")


def test_task_sink(tmp_path):
    folder = tmp_path / "new" / "folder"
    sink = task_sink(str(folder))
    tb, steps = SinkBench(sink), []
    for index in range(3):
        post(sink, "sent", sent_pdu(index))

    def go_on():
        if sink.record.frames_sent == 3 and not steps:
            steps.append(1)
            post(sink, "truth", make_pdu({"frame_index": 2, "snr_db": 10.0}, np.empty(0, np.uint8)))
        elif steps == [1]:
            steps.append(2)
            for pdu in (answers_pdu(0), answers_pdu(2, (3, -1)), answers_pdu(2), answers_pdu(9), answers_pdu(1, (1,))):
                post(sink, "answers", pdu)
        return sink.record.answers_unknown == 2

    run_flowgraph(tb, DEADLINE_S, until=go_on)
    record = sink.record
    assert record.answers_unknown == 3  # with that to frame 9, which might still have been sent
    assert (record.frames_sent, record.frames_answered, record.frames_lost) == (3, 2, 1)
    assert (record.items_sent, record.items_answered, record.items_correct, record.items_lost) == (6, 3, 3, 3)
    with open(folder / "frames.csv", newline="") as file:
        frames = list(csv.DictReader(file))
    assert [frame["status"] for frame in frames] == ["delivered", "lost", "delivered"]
    assert [frame["snr_set_db"] for frame in frames] == ["", "", "10.0000"]
    with open(folder / "items.csv", newline="") as file:
        assert [item["answer"] for item in csv.DictReader(file)] == ["3", "5", "-1", "-1", "3", "-1"]
    with np.load(folder / "images.npz") as images:
        assert images["images"].shape == (3, 28, 28) and images["item_id"].tolist() == [0, 10, 20]
    _, snr = out(tb.debug["snr_history"])[-1]
    assert np.isnan(snr[0].real) and snr[-1] == 10 + 9j and snr[0].imag == 9.0
    assert out(tb.debug["k_history"])[-1][1].tolist() == [8.0, 8.0]


def test_task_sink_wraps():
    sink, steps = task_sink(), []
    tb = SinkBench(sink)
    indices = range(FRAME_NUM_MODULO - 1, FRAME_NUM_MODULO + 2)
    sink.record.frames_sent = indices[0]
    for index in indices:
        post(sink, "sent", sent_pdu(index))

    def go_on():
        if sink.record.frames_sent == indices[-1] + 1 and not steps:
            steps.append(1)
            for number in (FRAME_NUM_MODULO - 1, 0, 1):
                post(sink, "answers", answers_pdu(number))
        return tb.debug["results"].num_messages() == 3

    run_flowgraph(tb, DEADLINE_S, until=go_on)
    assert [meta["frame_index"] for meta, _ in out(tb.debug["results"])] == list(indices)
    assert sink.record.answers_unknown == 0


@pytest.mark.parametrize(("surplus", "in_flight"), [(0, 1), (0, 0), (100, 1), (100, 0)])
@pytest.mark.parametrize("n", [10, 3, 8])
def test_chain_without_tags(surplus, in_flight, n):
    items = fashion_mnist.load("test").images[: n + 1].ravel()[: n * ITEM_BYTES + surplus]
    tb = gr.top_block()
    tb.source = blocks.vector_source_b(items.tolist(), False)
    tb.encoder = semantic_encoder(items_per_frame=4, max_frames_in_flight=in_flight)
    tb.tx, tb.air, tb.rx, tb.est, tb.dec, tb.sink = (
        ofdm_tx(),
        channel(30.0),
        ofdm_rx(),
        snr_smoother(),
        semantic_decoder(),
        task_sink(),
    )
    tb.connect(tb.source, tb.encoder)
    tb.connect(tb.tx, tb.air, tb.rx)
    tb.msg_connect(tb.encoder, "frames", tb.tx, "frames")
    tb.msg_connect(tb.encoder, "sent", tb.sink, "sent")
    tb.msg_connect(tb.rx, "frames", tb.est, "frames")
    tb.msg_connect(tb.rx, "frames", tb.dec, "frames")
    tb.msg_connect(tb.est, "snr", tb.encoder, "snr")
    tb.msg_connect(tb.dec, "answers", tb.sink, "answers")
    if surplus:  # a source of another size than the model's items looks just like this
        with pytest.raises(BlockError, match="the stream of items ended 100 bytes after the start of an item"):
            run_flowgraph(tb, DEADLINE_S)
    else:
        run_flowgraph(tb, DEADLINE_S)
    r = tb.sink.record
    assert (r.items_sent, r.items_answered, r.frames_lost) == (n, n, 0)
