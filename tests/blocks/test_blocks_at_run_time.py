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
from sdr_sc.blocks.item_source import item_order, item_source
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
from sdr_sc.link.frames.item_truth import TRUTH_BYTES, TRUTH_ITEMS, ItemTruth, ItemTruths
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO
from sdr_sc.phy.numerology import Numerology

DEADLINE_S = 200.0
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
    run_flowgraph(encoder_bench(encoder, link, item_source(items=0)), DEADLINE_S, until=lambda: len(link.seen) >= 8)
    assert [meta["k"] for meta, _ in link.seen[:8]] == [ROBUST_K] + [GOOD_K] * 5 + [ROBUST_K] * 2
    for meta, features in link.seen:
        power = np.mean(np.abs(features.reshape(meta["n_items"], meta["k"])) ** 2, axis=1)
        assert power == pytest.approx(1.0, abs=1e-3)


def test_encoder_tags_and_the_last_frame():
    encoder, link = semantic_encoder(items_per_frame=4), answering_link(25.0, frames=1000)
    tb = encoder_bench(encoder, link, item_source(items=10, seed=2))
    run_flowgraph(tb, DEADLINE_S)
    sent = [(meta, items) for meta, items in out(tb.sent) if END not in meta]
    assert [meta["n_items"] for meta, _ in sent] == [4, 4, 2]
    ids = np.concatenate([meta["item_id"] for meta, _ in sent])
    assert np.array_equal(ids, item_order(10_000, 2)[:10])
    assert all("label" not in meta and not len(items) for meta, items in sent)  # the truth is the source's to publish
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
    tb.encoder = semantic_encoder(items_per_frame=4, max_frames_in_flight=in_flight, feedback_timeout_s=10.0)
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


def truth_pdu(ids: list[int], labels: list[int], size: int = ITEM_BYTES) -> pmt.pmt_base:
    columns = {"item_id": np.array(ids, np.int32), "label": np.array(labels, np.int32)}
    return make_pdu(columns, np.repeat(np.array(ids, np.uint8), size))


def bare_pdu(index: int, ids: list[int]) -> pmt.pmt_base:
    """What an encoder reports of a frame."""
    meta = {"frame_num": index, "frame_index": index, "n_items": len(ids), "k": 8, "time_ns": 0}
    return make_pdu({**meta, "item_id": np.array(ids, np.int32)}, np.empty(0, np.uint8))


@pytest.mark.parametrize("order", ["truth first", "truth after the frame", "truth after the answer", "in two parts"])
@pytest.mark.parametrize("port", ["truth", "sent"])
def test_the_truth_of_the_source_is_joined_to_the_frames_of_the_encoder(order: str, port: str, tmp_path) -> None:
    sink = task_sink(str(tmp_path))
    whole, parts = [truth_pdu([7, 9], [3, 4])], [truth_pdu([9], [4]), truth_pdu([7], [3])]
    truths = [(sink.handle_truth if port == "truth" else sink.handle_sent, pdu) for pdu in whole]
    steps = [(sink.handle_sent, bare_pdu(0, [7, 9])), (sink.handle_answers, answers_pdu(0, (3, 5)))]
    if order == "in two parts":
        steps = [(sink.handle_sent, parts[0]), steps[0], (sink.handle_sent, parts[1]), steps[1]]
    else:
        place = ("truth first", "truth after the frame", "truth after the answer").index(order)
        steps[place:place] = truths
    for handle, pdu in steps:
        handle(pdu)
    sink.stop()
    assert sink.refused.count == 0
    assert (sink.record.items_correct, sink.record.items_labelled, sink.record.items_judged) == (1, 2, 2)
    with np.load(tmp_path / "images.npz") as images:
        assert images["item_id"].tolist() == [7] and (images["images"] == 7).all()


def test_items_that_come_again_and_frames_that_are_lost_have_their_truth() -> None:
    sink = task_sink()
    for index in range(300):  # the same two images for ever
        sink.handle_truth(truth_pdu([7, 9], [3, 4]))
        sink.handle_sent(bare_pdu(index, [7, 9]))
        if index % 3:
            sink.handle_answers(answers_pdu(index, (3, 4)))
    sink.stop()
    record = sink.record
    assert (record.items_labelled, record.items_correct, record.frames_lost) == (600, 400, 100)
    assert not record._lacking and len(record._truths) == 2


def test_the_truth_of_a_transmitter_of_the_version_before_is_still_taken() -> None:
    sink = task_sink()
    sink.handle_sent(sent_pdu(0))  # with labels and items
    sink.handle_answers(answers_pdu(0))
    sink.stop()
    assert (sink.record.items_labelled, sink.refused.count) == (2, 0) and len(sink.record.pictures) == 1


def test_a_sink_without_any_truth_says_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    sink = task_sink()
    sink.handle_sent(bare_pdu(0, [7, 9]))
    sink.handle_answers(answers_pdu(0))
    for _ in range(2):
        sink.stop()
    output = "".join(capfd.readouterr())
    assert output.count("connect port 'truth' of the item source to port 'truth' of the task sink") == 1
    assert sink.record.items_labelled == 0


def test_the_truths_that_are_kept_are_bounded() -> None:
    truths = ItemTruths()
    for first in range(0, 4 * TRUTH_ITEMS, 64):
        ids = np.arange(first, first + 64)
        truths.add(ItemTruth(ids, ids % 10, np.empty((64, 0), np.uint8)))
    assert len(truths) == TRUTH_ITEMS
    truths = ItemTruths()
    for first in range(100):
        truths.add(ItemTruth(np.array([first]), np.array([1]), np.zeros((1, TRUTH_BYTES // 10), np.uint8)))
    assert len(truths) == 10
