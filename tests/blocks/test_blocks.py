# SPDX-License-Identifier: GPL-3.0-or-later
"""The GNU Radio blocks, each in a small flowgraph with a deadline."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from block_messages import DEADLINE_S, WIRE_ID, frame_pdu, messages, post, run_messages
from gnuradio import blocks, gr
from onnx_pairs import other_model

from sdr_sc.blocks.channel import channel
from sdr_sc.blocks.item_source import item_source
from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.snr_smoother import snr_smoother
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.data import fashion_mnist
from sdr_sc.errors import BlockError, ContractError, NumerologyError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology
from sdr_sc.semantic import weights


def test_item_source_tags_every_image_and_publishes_the_truth() -> None:
    tb, source, sink = gr.top_block(), item_source(items=100, seed=7), blocks.vector_sink_b()
    tb.source, debug = source, blocks.message_debug()
    tb.connect(source, sink)
    tb.msg_connect(source, "truth", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    data = fashion_mnist.load("test")
    images = np.array(sink.data(), np.uint8).reshape(100, 28, 28)
    tags = {(t.offset, pmt.symbol_to_string(t.key)): pmt.to_python(t.value) for t in sink.tags()}
    for i in range(100):
        index = tags[784 * i, "item_id"]
        assert np.array_equal(images[i], data.images[index])
    assert {key for _, key in tags} == {"item_id", "last_item"}
    assert [offset for offset, key in tags if key == "last_item"] == [784 * 99]
    truths = [read_pdu(message, "truth") for message in messages(debug)]
    ids = np.concatenate([meta["item_id"] for meta, _ in truths])
    assert ids.tolist() == [tags[784 * i, "item_id"] for i in range(100)]
    assert np.array_equal(np.concatenate([meta["label"] for meta, _ in truths]), data.labels[ids])
    assert np.array_equal(np.concatenate([items for _, items in truths]), images.ravel())
    assert all(len(meta["label"]) <= 64 for meta, _ in truths)
    assert all(meta["modality"] == "image" and meta["item_shape"].tolist() == [28, 28] for meta, _ in truths)


def run_channel(samples: np.ndarray, block: channel) -> np.ndarray:
    tb, sink = gr.top_block(), blocks.vector_sink_c()
    tb.source = blocks.vector_source_c(samples.tolist())
    tb.block = block
    tb.connect(tb.source, block, sink)
    run_flowgraph(tb, DEADLINE_S)
    return np.array(sink.data(), np.complex64)


@pytest.mark.parametrize("snr_db", [-3.0, 12.0])
def test_channel_sets_the_snr(snr_db: float) -> None:
    out = run_channel(np.zeros(300_000, np.complex64), channel(snr_db=snr_db))
    assert -10 * np.log10(np.mean(np.abs(out) ** 2)) == pytest.approx(snr_db, abs=0.1)


def test_channel_changes_at_run_time() -> None:
    block = channel(snr_db=0.0)
    block.handle_set(pmt.to_pmt({"snr_db": 20.0, "cfo_hz": 250_000.0}))
    out = run_channel(np.ones(100_000, np.complex64), block)
    turned = out * np.exp(-2j * np.pi * 0.25 * np.arange(len(out)))
    assert np.mean(turned).real == pytest.approx(1.0, abs=0.01)
    assert -10 * np.log10(np.var(turned)) == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize("taps", [(1.0, 0.7), (0.5,), (0.1j, 0, 1.0)])
def test_channel_counts_the_power_of_its_taps(taps: tuple[complex, ...]) -> None:
    numerology, rng = Numerology(), np.random.default_rng(3)
    frames = [
        build_frame(np.exp(2j * np.pi * rng.random((1, 8))).astype(np.complex64), Header(1, 8, 1, i), numerology)
        for i in range(50)
    ]
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.source = blocks.vector_source_c(np.concatenate([*frames, np.zeros(2000)]).tolist())
    tb.channel, tb.rx = channel(snr_db=15.0, models=f"multipath(taps={list(taps)})"), ofdm_rx()
    tb.connect(tb.source, tb.channel, tb.rx)
    tb.msg_connect(tb.rx, "frames", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    estimates = [read_pdu(m, "frames")[0]["snr_db"] for m in messages(debug)]
    assert len(estimates) == 50
    assert np.mean(estimates) == pytest.approx(15.0, abs=0.5)


def test_a_frame_cut_by_the_end_is_counted_and_not_delivered() -> None:
    frame = build_frame(np.ones((1, 96), np.complex64), Header(1, 96, 1, 0), Numerology())
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.source, tb.rx = blocks.vector_source_c(frame[:-100].tolist()), ofdm_rx()
    tb.connect(tb.source, tb.rx)
    tb.msg_connect(tb.rx, "frames", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    assert debug.num_messages() == 0
    counters = tb.rx.receiver.counters
    assert (counters.delivered, counters.abandoned, counters.truncated) == (0, 1, 0)


def test_channel_follows_its_schedule_to_the_sample() -> None:
    tb, debug, sink = gr.top_block(), blocks.message_debug(), blocks.vector_sink_c()
    key = pmt.intern("frame_index")
    tags = [gr.tag_utils.python_to_tag((1000 * i, key, pmt.from_long(i))) for i in range(3)]
    tb.source = blocks.vector_source_c([0j] * 3000, False, 1, tags)
    tb.block = channel(snr_db=7.0, snr_schedule="1:0, 2:40")
    tb.connect(tb.source, tb.block, sink)
    tb.msg_connect(tb.block, "truth", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    power_db = 10 * np.log10(np.mean(np.abs(np.array(sink.data()).reshape(3, 1000)) ** 2, axis=1))
    assert power_db == pytest.approx([-7, 0, -40], abs=0.5)
    truths = [read_pdu(m, "truth")[0] for m in messages(debug)]
    assert [t["snr_db"] for t in truths] == [7.0, 0.0, 40.0]
    assert not sink.tags()


def test_transmitter_and_receiver_give_features_back(tmp_path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "wide.yml"
    path.write_text("fft_size: 128\ncyclic_prefix: 32\ndata_subcarriers: 96\nheader_symbols: 3\n")
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.tx, tb.rx, tb.probe = ofdm_tx(str(path)), ofdm_rx(str(path)), blocks.vector_sink_c()
    tb.connect(tb.tx, tb.rx)
    tb.connect(tb.tx, tb.probe)
    tb.msg_connect(tb.rx, "frames", debug, "store")
    features = np.exp(2j * np.pi * rng.random((20, 3 * 16 + 7))).astype(np.complex64)
    for i, x in enumerate(features):
        meta = {"frame_num": 4090 + i, "frame_index": 4090 + i, "k": 16, "n_items": 3, "model_id": 77}
        meta.update(refined_symbols=7, request=i)
        post(tb.tx, "frames", make_pdu(meta, x))
    post(tb.tx, "frames", make_pdu({END: True}, np.empty(0, np.uint8)))
    run_flowgraph(tb, DEADLINE_S)
    received = [read_pdu(m, "frames") for m in messages(debug)]
    assert [meta["frame_num"] for meta, _ in received] == [(4090 + i) % 4096 for i in range(20)]
    for (meta, data), x in zip(received, features, strict=True):
        assert np.allclose(data, x, atol=0.02)
        assert (meta["k"], meta["n_items"], meta["model_id"]) == (16, 3, 77)
        assert (meta["refined_symbols"], meta["mode"]) == (7, 1)
        assert len(meta["noise_variance"]) == len(meta["erased"]) == 55 and not any(meta["erased"])
    assert [meta["request"] for meta, _ in received] == list(range(20))
    lengths = [pmt.to_long(t.value) for t in tb.probe.tags() if pmt.symbol_to_string(t.key) == "packet_len"]
    frame = Numerology.from_yaml(path).frame_samples(55) + 160
    assert lengths == [frame] * 20


@pytest.mark.parametrize(
    "fixed, version, expected",
    [("auto", 2, [0, 1, 2, 1]), ("robust", 2, [2, 2, 2, 2]), ("auto", 1, [1, 1, 1, 1])],
)
def test_transmitter_sends_the_mode_that_the_frame_names_or_a_fixed_one(
    fixed: str, version: int, expected: list[int]
) -> None:
    tb, debug = gr.top_block(), blocks.message_debug()
    tb.tx, tb.rx = ofdm_tx(mode=fixed, protocol_version=version), ofdm_rx()
    tb.probe = blocks.vector_sink_c()
    tb.connect(tb.tx, tb.rx)
    tb.connect(tb.tx, tb.probe)
    tb.msg_connect(tb.rx, "frames", debug, "store")
    for i, mode in enumerate((0, 1, 2, None)):
        meta = {"frame_num": i, "frame_index": i, "k": 16, "n_items": 3, "model_id": 77}
        meta.update({} if mode is None else {"mode": mode})
        post(tb.tx, "frames", make_pdu(meta, np.ones(48, np.complex64)))
    post(tb.tx, "frames", make_pdu({END: True}, np.empty(0, np.uint8)))
    run_flowgraph(tb, DEADLINE_S)
    received = [read_pdu(m, "frames")[0] for m in messages(debug)]
    assert [meta["mode"] for meta in received] == expected
    lengths = [pmt.to_long(t.value) for t in tb.probe.tags() if pmt.symbol_to_string(t.key) == "packet_len"]
    assert lengths == [frame_layout(Numerology(), FrameMode(mode)).frame_samples(48) + 160 for mode in expected]


def test_receiver_finds_frames_whatever_the_scheduler_does() -> None:
    numerology, rng = Numerology(), np.random.default_rng(2)
    frames = [
        build_frame(np.exp(2j * np.pi * rng.random((1, 8))).astype(np.complex64), Header(1, 8, 1, i), numerology)
        for i in range(100)
    ]
    for chunk in (64, 1000, 32768):
        tb, debug = gr.top_block(), blocks.message_debug()
        tb.source = blocks.vector_source_c(np.concatenate([*frames, np.zeros(2000)]).tolist())
        tb.rx = ofdm_rx()
        tb.source.set_max_noutput_items(chunk)
        tb.connect(tb.source, tb.rx)
        tb.msg_connect(tb.rx, "frames", debug, "store")
        run_flowgraph(tb, DEADLINE_S)
        assert [read_pdu(m, "frames")[0]["frame_num"] for m in messages(debug)] == list(range(100))


def test_snr_smoother_smooths_in_db() -> None:
    sent = [
        make_pdu({"snr_db": s, "frame_num": i}, np.zeros(1, np.complex64)) for i, s in enumerate((10.0, 20.0, 20.0))
    ]
    out = [read_pdu(m, "snr") for m in run_messages(snr_smoother(smoothing=0.5), "frames", sent, "snr")]
    assert [meta["snr_db"] for meta, _ in out] == [10.0, 15.0, 17.5]
    assert [meta["snr_frame_db"] for meta, _ in out] == [10.0, 20.0, 20.0]


def test_decoder_answers_and_refuses_other_models() -> None:
    decoder = semantic_decoder()
    sent = [frame_pdu(), frame_pdu(model_id=WIRE_ID ^ 1), frame_pdu(k=5)]
    out = [read_pdu(m, "answers") for m in run_messages(decoder, "frames", sent, "answers")]
    assert len(out) == 1 and len(out[0][1]) == 2
    assert (decoder.frames_answered, decoder.frames_refused) == (1, 2)


def test_a_decoder_with_several_models_answers_each_frame_with_its_own(tmp_path) -> None:
    other = other_model(tmp_path, (16, 16), 3)
    other_id = weights.read_contract(other).wire_id
    decoder = semantic_decoder(f"{weights.DEFAULT_MODEL}, {other}")
    sent = [frame_pdu(), frame_pdu(model_id=other_id, n_items=3), frame_pdu(model_id=WIRE_ID ^ 1), frame_pdu(task=9)]
    out = [read_pdu(m, "answers")[1] for m in run_messages(decoder, "frames", sent, "answers")]
    assert [len(answer) for answer in out] == [2, 3] and max(out[1]) < 3
    assert (decoder.frames_answered, decoder.frames_refused) == (2, 2)
    with pytest.raises(BlockError, match="have the same id"):
        semantic_decoder(f"{weights.DEFAULT_MODEL},{weights.DEFAULT_MODEL}")


def run_encoder(items: int, tagged: bool = False, **settings) -> tuple[semantic_encoder, list]:
    tb, debug = gr.top_block(), blocks.message_debug()
    if tagged:
        tb.source = item_source(items=items)
    else:
        tb.source = blocks.vector_source_b(np.zeros(784 * items, np.uint8).tolist())
    tb.encoder = semantic_encoder(feedback_timeout_s=0.05, **settings)
    tb.connect(tb.source, tb.encoder)
    tb.msg_connect(tb.encoder, "frames", debug, "store")
    run_flowgraph(tb, DEADLINE_S)
    return tb.encoder, [meta for meta, _ in (read_pdu(m, "frames") for m in messages(debug))]


def test_encoder_without_feedback_sends_the_most_robust_setting() -> None:
    encoder, frames = run_encoder(6, tagged=True, items_per_frame=2)
    assert [frame["k"] for frame in frames if "k" in frame] == [32, 32, 32]
    assert END in frames[-1]
    assert encoder.sender.in_flight.given_up == 3


def test_encoder_says_once_that_no_feedback_ever_arrives(capfd: pytest.CaptureFixture[str]) -> None:
    run_encoder(24, items_per_frame=1, max_frames_in_flight=1)
    output = "".join(capfd.readouterr())
    assert output.count("no feedback has arrived for the first 4 frames, and each waits 0.05 s for it") == 1
    run_encoder(24, items_per_frame=1, max_frames_in_flight=0)
    run_encoder(3, items_per_frame=1, max_frames_in_flight=1)
    assert "no feedback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("items", [3, 8, 10])
def test_encoder_ends_without_tags_too(items: int) -> None:
    encoder, frames = run_encoder(items, items_per_frame=4, k=8)
    assert encoder.items_sent == items
    assert sum(frame["n_items"] for frame in frames) == items
    assert {frame["k"] for frame in frames} == {8}


def test_encoder_never_waits_when_reported_so() -> None:
    _, frames = run_encoder(200, tagged=True, items_per_frame=1, max_frames_in_flight=0)
    assert len(frames) == 201


@pytest.mark.parametrize(
    "make, port, out",
    [
        (snr_smoother, "frames", "snr"),
        (semantic_decoder, "frames", "answers"),
        (task_sink, "answers", "results"),
        (task_sink, "sent", "results"),
        (task_sink, "truth", "results"),
    ],
)
@pytest.mark.parametrize("message", [pmt.from_long(3), make_pdu({"x": 1}, np.zeros(1, np.float32))])
def test_a_message_that_does_not_fit_ends_the_flowgraph_with_one_error(make, port: str, out: str, message) -> None:
    with pytest.raises(BlockError, match=f"port '{port}' got"):
        run_messages(make(), port, [message], out)


def test_a_message_that_does_not_fit_ends_the_stream_blocks_too() -> None:
    for make, port in ((ofdm_tx, "frames"), (channel, "set"), (semantic_encoder, "snr")):
        tb = gr.top_block()
        tb.block = make()
        if make is ofdm_tx:
            tb.connect(tb.block, blocks.null_sink(gr.sizeof_gr_complex))
        elif make is channel:
            tb.connect(blocks.null_source(gr.sizeof_gr_complex), tb.block, blocks.null_sink(gr.sizeof_gr_complex))
        else:
            tb.connect(blocks.null_source(1), tb.block)
            tb.msg_connect(tb.block, "frames", blocks.message_debug(), "store")
        post(tb.block, port, pmt.from_long(3))
        with pytest.raises(BlockError, match=f"port '{port}'"):
            run_flowgraph(tb, DEADLINE_S)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: item_source(split="all"), "use 'test', 'train' or 'validation'"),
        (lambda: item_source(items=-1), "items is -1"),
        (lambda: item_source(seed=-1), "seed -1"),
        (lambda: channel(seed=-1), "seed"),
        (lambda: channel(delay_samples=1.5), "delay_samples is 1.5; use a whole number"),
        (lambda: channel(delay_samples=True), "delay_samples is True"),
        (lambda: channel(models=None), "models is None; use text"),
        (lambda: channel(snr_schedule=3), "snr_schedule is 3; use text"),
        (lambda: channel(snr_db=None), "snr_db is None; use a finite number"),
        (lambda: channel(cfo_hz="1"), "cfo_hz is '1'"),
        (lambda: channel(sample_rate_hz=0), "sample_rate_hz is 0; use a number above 0"),
        (lambda: channel(models="multipath(taps=[0])"), "taps have a power of 0"),
        (lambda: channel(models=f"carrier_offset(cfo_hz={10**400})"), "cfo_hz is 1000"),
        (lambda: channel(numerology=5), "numerology is 5; use a path"),
        (lambda: channel().set_snr_db("20"), "snr_db is '20'"),
        (lambda: semantic_encoder(items_per_frame=256), "use 1 to 255"),
        (lambda: semantic_encoder(mode="long"), "mode is 'long'; use auto, short, normal, robust"),
        (lambda: ofdm_tx(mode=""), "mode is ''; use auto"),
        (lambda: ofdm_tx(protocol_version=3), "protocol_version is 3; use one of"),
        (lambda: ofdm_tx(gap_samples=-1), "gap_samples"),
        (lambda: ofdm_tx(gap_samples=1.5), "gap_samples is 1.5; use a whole number"),
        (lambda: ofdm_tx(amplitude="a"), "amplitude is 'a'; use a finite number"),
        (lambda: ofdm_tx(amplitude=0), "amplitude is 0"),
        (lambda: ofdm_rx(threshold=0.0), "threshold is 0.0"),
        (lambda: ofdm_rx(threshold="a"), "threshold is 'a'; use a finite number"),
        (lambda: ofdm_rx(cfo_range_subcarriers=9), "cfo_range_subcarriers is 9; use 2 to 8"),
        (lambda: ofdm_rx(cfo_range_subcarriers="b"), "cfo_range_subcarriers is 'b'"),
        (lambda: ofdm_rx(snr_estimator=[]), r"snr_estimator is \[\]; use text"),
        (lambda: channel(models="radio()"), "'radio' is unknown; use one of carrier_offset, clip"),
        (lambda: channel(models="multipath(taps=[])"), "taps"),
        (lambda: channel(snr_schedule="10"), "is not 'frame:snr_db'"),
        (lambda: channel(snr_schedule="10:1,5:2"), "frames have to rise"),
        (lambda: channel(snr_db=float("nan")), "finite"),
        (lambda: snr_smoother(smoothing=1.0), "0 to below 1"),
        (lambda: task_sink(folder="/proc/none"), "cannot be written"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make, words: str) -> None:
    with pytest.raises(BlockError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_models_and_numerologies_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ContractError, match="k=5 is not in the list"):
        semantic_encoder(k=5)
    with pytest.raises(ContractError, match="fits a budget of -1 symbols"):
        semantic_encoder(max_k=-1)
    with pytest.raises(ContractError, match="neither a file nor a shipped model"):
        semantic_decoder(model="none_such")
    with pytest.raises(NumerologyError, match="cannot be read"):
        ofdm_rx(numerology="none.yml")


def test_the_cam_of_the_encoder_keeps_to_its_target() -> None:
    adaptation = semantic_encoder(max_k=8).sender.adaptation
    assert adaptation.setting(None).k == 8 and adaptation.setting(-5.0).k == 8
    strict, usual, lax = (semantic_encoder(max_loss_points=loss).sender.adaptation.table for loss in (0.1, -1.0, 10.0))
    assert sum(strict.k) > sum(usual.k) > sum(lax.k)
