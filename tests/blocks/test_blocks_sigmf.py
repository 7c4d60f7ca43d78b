# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks that record and replay: what they write, tag and say, and how they end."""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from sdr_sc.blocks.channel import channel
from sdr_sc.blocks.degrade import degrade
from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.sigmf_recorder import sigmf_recorder
from sdr_sc.blocks.sigmf_source import rate_of, sigmf_source
from sdr_sc.capture import CaptureWriter, FrameNote, Segment, SentFrame, open_capture
from sdr_sc.errors import BlockError, CaptureError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.link.end_of_stream import END
from sdr_sc.link.frames.frame_news import many_records
from sdr_sc.link.frames.recorded_frames import sent_frames
from sdr_sc.link.sample_limit import SampleLimit, end_together
from sdr_sc.link.timing.pace import MAX_WAITING, Followed, RealTime
from sdr_sc.phy.decimate import Decimator
from sdr_sc.phy.frame.framing import build_frame
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology

NUMEROLOGY = Numerology()
RX_TIME, RX_FREQ = pmt.intern("rx_time"), pmt.intern("rx_freq")


def noise(count: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(2 * count, np.float32).view(np.complex64)


def tag(offset: int, key: pmt.pmt_base, value: pmt.pmt_base) -> Any:
    made = gr.tag_t()
    made.offset, made.key, made.value = offset, key, value
    return made


def at_time(offset: int, whole: int, fraction: float) -> Any:
    return tag(offset, RX_TIME, pmt.make_tuple(pmt.from_uint64(whole), pmt.from_double(fraction)))


def record(file: Path, samples: np.ndarray, tags: list, **options: Any) -> sigmf_recorder:
    tb = gr.top_block()
    tb.source = blocks.vector_source_c(samples.tolist(), False, 1, tags)
    tb.recorder = sigmf_recorder(str(file), **options)
    tb.connect(tb.source, tb.recorder)
    run_flowgraph(tb, 200)
    return tb.recorder


def replayed(file: Path, deadline_s: float = 20, **options: Any) -> tuple[np.ndarray, list]:
    """Samples of a source, and its tags as (offset, key, value)."""
    tb = gr.top_block()
    tb.source, tb.sink = sigmf_source(str(file), **options), blocks.vector_sink_c()
    tb.connect(tb.source, tb.sink)
    run_flowgraph(tb, deadline_s)
    tags = [(t.offset, str(t.key), pmt.to_python(t.value)) for t in tb.sink.tags()]
    return np.array(tb.sink.data(), np.complex64), sorted(tags)


def test_samples_and_device_times_come_back_bit_for_bit(tmp_path: Path) -> None:
    samples = noise(30_000)
    tags = [
        at_time(0, 1_800_000_000, 0.25),
        tag(0, RX_FREQ, pmt.from_double(915e6)),
        at_time(10_000, 1_800_000_000, 0.26),  # no gap
        at_time(20_000, 1_800_000_000, 0.27 + 0.5),  # half a second is missing
    ]
    recorder = record(tmp_path / "one", samples, tags, hardware="test")
    assert (recorder.gaps, recorder.samples_missing, recorder.samples_written) == (1, 500_000, 30_000)
    capture = open_capture(tmp_path / "one")
    assert [(s.sample_start, s.cause, s.freq_hz) for s in capture.segments] == [
        (0, "", 915e6),
        (20_000, "overflow", 915e6),
    ]
    assert capture.segments[1].global_index == 520_000
    got, back = replayed(tmp_path / "one", chunk=777)
    assert got.tobytes() == samples.tobytes()
    times = [(offset, value) for offset, key, value in back if key == "rx_time"]
    assert times == [(0, (1_800_000_000, 0.25)), (20_000, (1_800_000_000, 0.27 + 0.5))]
    assert [(offset, value) for offset, key, value in back if key == "rx_freq"] == [(0, 915e6), (20_000, 915e6)]


def test_a_part_has_the_time_of_its_first_sample(tmp_path: Path) -> None:
    samples = noise(9000)
    record(tmp_path / "one", samples, [at_time(0, 7, 0.5), at_time(5000, 8, 0.0)])
    got, tags = replayed(tmp_path / "one", start_sample=1000, stop_sample=6000)
    assert got.tobytes() == samples[1000:6000].tobytes()
    assert [(offset, value) for offset, key, value in tags if key == "rx_time"] == [(0, (7, 0.501)), (4000, (8, 0.0))]


def test_a_gap_of_unknown_length_is_reported_and_a_repeat_is_one(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "one", 1e6) as writer:
        writer.write(noise(4000))
        writer.segment(Segment(1000, cause="gap"))
    _, tags = replayed(tmp_path / "one")
    assert [(offset, value) for offset, key, value in tags if key == "rx_time"] == [
        (0, (0, 0.0)),
        (1000, (0, 0.001001)),
    ]
    tb = gr.top_block()
    tb.source, tb.head = sigmf_source(str(tmp_path / "one"), repeat=True), blocks.head(8, 6000)
    tb.receiver = ofdm_rx()
    tb.connect(tb.source, tb.head, tb.receiver)
    run_flowgraph(tb, 200)
    assert tb.receiver.gaps == 3  # two in the recording, and its beginning again


def test_a_recording_without_times_has_no_tags(tmp_path: Path) -> None:
    record(tmp_path / "one", noise(5000), [])
    assert replayed(tmp_path / "one")[1] == []


def test_integers_clip_and_that_is_counted(tmp_path: Path) -> None:
    samples = np.array([0.5, 1.5, -0.25j], np.complex64)
    recorder = record(tmp_path / "one", samples, [], datatype="ci16_le", scale=0.5)
    assert recorder.samples_clipped == 0
    assert replayed(tmp_path / "one")[0].tolist() == [0.25, 0.75, -0.125j]
    assert record(tmp_path / "two", samples, [], datatype="ci16_le").samples_clipped == 1


def test_an_existing_recording_is_kept(tmp_path: Path) -> None:
    record(tmp_path / "one", noise(100), [])
    before = (tmp_path / "one.sigmf-data").read_bytes()
    with pytest.raises(BlockError, match="exists already"):
        record(tmp_path / "one", noise(50), [])
    assert (tmp_path / "one.sigmf-data").read_bytes() == before
    record(tmp_path / "one", noise(50), [], force=True)
    assert open_capture(tmp_path / "one").sample_count == 50


def test_a_disk_that_fills_up_ends_the_flowgraph_with_one_line(tmp_path: Path) -> None:
    import signal

    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, old[1]))
    try:
        tb = gr.top_block()
        tb.source = blocks.null_source(8)
        tb.recorder = sigmf_recorder(str(tmp_path / "one"))
        tb.connect(tb.source, tb.recorder)
        with pytest.raises(BlockError, match="samples are kept"):
            run_flowgraph(tb, 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert open_capture(tmp_path / "one").sample_count > 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: sigmf_source(str(file), pace="slow"), "pace is 'slow'"),
        (lambda file: sigmf_source(str(file), chunk=0), "chunk is 0"),
        (lambda file: sigmf_source(str(file), start_sample=100), "is empty"),
        (lambda file: sigmf_source(str(file) + "-none"), "none"),
        (lambda file: sigmf_recorder("x", scale=0.0), "above 0"),
        (lambda file: degrade(noise_power=-1.0), "noise_power is -1"),
        (lambda file: degrade(decimation=65), "decimation is 65"),
        (lambda file: degrade(cfo_hz=-5e5), "out of the band of 500000 Hz on either side that is there; .*tune_hz"),
        (lambda file: degrade(cfo_hz=2e5, decimation=4), "there after the decimation by 4"),
        (lambda file: degrade(tune_hz=6e5), "nothing beyond 500000 Hz"),
        (lambda file: degrade(tune_hz=float("nan")), "tune_hz"),
        (lambda file: degrade(models="gaps(5, 50)"), "gaps"),
        (lambda file: degrade(models="gaps(gap_samples=5, every_samples=50, tagged=True)"), "cannot be tagged"),
        (
            lambda file: channel(models="gaps(gap_samples=5, every_samples=50, tagged=True), clock_offset(ppm=2)"),
            "last",
        ),
    ],
)
def test_a_bad_parameter_is_one_sentence(make: Any, words: str, tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "one", 1e6) as writer:
        writer.write(noise(100))
    with pytest.raises((BlockError, CaptureError), match=words):
        make(tmp_path / "one")


def test_a_source_or_recorder_without_a_file_does_not_hang() -> None:
    for block in (sigmf_source(), sigmf_recorder()):
        tb = gr.top_block()
        tb.block = block
        ends = (block, blocks.null_sink(8)) if isinstance(block, sigmf_source) else (blocks.null_source(8), block)
        tb.connect(*ends)
        with pytest.raises(BlockError, match="file is ''"):
            run_flowgraph(tb, 200)
    assert rate_of("") == 1e6


def note(index: int, start: int) -> FrameNote:
    return FrameNote(start, 1200, index % 4096, 8, 1, 9.0, 0.0, 1, index, (index,), (index % 10,))


def test_the_source_reports_what_was_sent_in_its_order(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "one", 1e6) as writer:
        writer.write(noise(20_000))
        for index in (0, 2, 5):
            writer.annotate(replace(note(index, 3000 * index), snr_set_db=12.1 if index == 2 else None))
        for index in (1, 3, 4, 7):
            writer.not_received(SentFrame(index, 8, (index,), (index % 10,)))
    capture = open_capture(tmp_path / "one")
    assert [record.frame_index for _, record in sent_frames(capture, 0, 20_000)] == [0, 1, 2, 3, 4, 5, 7]
    assert [record.frame_index for _, record in sent_frames(capture, 5000, 17_000)] == [2, 3, 4, 5]
    assert [record.frame_index for _, record in sent_frames(capture, 100, 5000)] == []

    tb = gr.top_block()
    tb.source, tb.sink = sigmf_source(str(tmp_path / "one"), chunk=8000), blocks.null_sink(8)
    ports = {port: blocks.message_debug() for port in ("sent", "truth", "told")}
    tb.connect(tb.source, tb.sink)
    for port, got in ports.items():
        setattr(tb, port, got)
        tb.msg_connect(tb.source, port, got, "store")
    run_flowgraph(tb, 200)
    metas, truths, many = (
        [read_pdu(got.get_message(i), port)[0] for i in range(got.num_messages())] for port, got in ports.items()
    )
    assert [meta["frame_index"] for meta in metas[:-1]] == [0, 1, 2, 3, 4, 5, 7] and END in metas[-1]
    assert metas[0]["n_items"] == 1 and metas[2]["label"].tolist() == [2] and metas[1]["time_ns"] > 0
    assert len(many) == 3 and END in many[-1]  # a PDU for each piece, and the end
    records = [record for meta in many[:-1] for record in many_records(meta)]
    told = [(r.frame_index, r.k, r.item_id.tolist(), r.label.tolist()) for r in records]
    assert told == [(m["frame_index"], m["k"], m["item_id"].tolist(), m["label"].tolist()) for m in metas[:-1]]
    set_db = {record.frame_index: record.snr_set_db for record in records}
    assert {i: db for i, db in set_db.items() if db is not None} == {t["frame_index"]: t["snr_db"] for t in truths}
    assert set_db[2] == 12.1 and set_db[5] is None


def test_with_nothing_to_add_each_bit_passes_and_so_do_the_tags(tmp_path: Path) -> None:
    samples = noise(200_000)
    samples[7] = complex(np.nan, -np.inf)
    tb = gr.top_block()
    tb.source = blocks.vector_source_c(samples.tolist(), False, 1, [at_time(0, 3, 0.5), at_time(777, 4, 0.5)])
    tb.worse, tb.sink = degrade(), blocks.vector_sink_c()
    tb.connect(tb.source, tb.worse, tb.sink)
    run_flowgraph(tb, 200)
    assert np.array(tb.sink.data(), np.complex64).tobytes() == samples.tobytes()
    assert [(t.offset, pmt.to_python(t.value)) for t in tb.sink.tags()] == [(0, (3, 0.5)), (777, (4, 0.5))]


def test_noise_has_its_power_and_is_not_that_of_a_recording_with_the_same_seed() -> None:
    made = []
    for block in (degrade(noise_power=0.25, seed=1), channel(snr_db=6.0206, seed=1)):
        tb = gr.top_block()
        tb.source, tb.block, tb.sink = blocks.vector_source_c([0j] * 100_000), block, blocks.vector_sink_c()
        tb.connect(tb.source, tb.block, tb.sink)
        run_flowgraph(tb, 200)
        made.append(np.array(tb.sink.data()))
    powers = [np.mean(np.abs(one) ** 2) for one in made]
    assert powers == pytest.approx([0.25, 0.25], rel=0.03)
    assert abs(np.vdot(made[0], made[1])) / len(made[0]) < 0.01


def test_decimation_keeps_the_signal_and_takes_its_alias() -> None:
    rng = np.random.default_rng(3)
    features = np.exp(2j * np.pi * rng.random((2, 8))).astype(np.complex64)
    frame = build_frame(features, Header(model_id=1, k=8, n_items=2, frame_num=3), NUMEROLOGY)
    spectrum = np.fft.fft(frame)
    half = len(frame) // 2
    padded = np.concatenate((spectrum[:half], np.zeros(3 * len(frame)), spectrum[half:]))
    wide = (4 * np.fft.ifft(padded)).astype(np.complex64)
    alias = 3 * np.exp(2j * np.pi * 0.3 * np.arange(len(wide))).astype(np.complex64)  # 1.2 of the new rate
    out = Decimator(4).process(wide + alias)
    error = np.mean(np.abs(out[50:-50] - frame[50 : len(out) - 50]) ** 2)
    # What is lost is the spectrum of the symbols' edges outside of the subcarriers; the alias is 9.5 dB above all.
    assert 10 * np.log10(error / np.mean(np.abs(frame) ** 2)) < -35
    whole = Decimator(4).process(wide)
    cut, parts = Decimator(4), np.array_split(wide, 37)
    assert np.concatenate([cut.process(part) for part in parts]).tobytes() == whole.tobytes()


def test_gaps_that_are_reported_have_the_time_after_them() -> None:
    samples = np.arange(1, 50_001).astype(np.complex64)
    tb = gr.top_block()
    tb.source = blocks.vector_source_c(samples.tolist())
    tb.air = channel(snr_db=300.0, models="gaps(gap_samples=70, every_samples=5000, tagged=True)", seed=2)
    tb.sink = blocks.vector_sink_c()
    tb.connect(tb.source, tb.air, tb.sink)
    run_flowgraph(tb, 200)
    got = np.array(tb.sink.data()).real.round()
    tags = [(t.offset, pmt.to_python(t.value)) for t in tb.sink.tags()]
    jumps = np.flatnonzero(np.diff(got) > 1) + 1
    assert len(jumps) > 5 and [offset for offset, _ in tags] == [0, *jumps]
    for offset, (whole, fraction) in tags:
        assert round((whole + fraction) * 1e6) == got[offset] - 1


def test_sinks_of_a_stream_end_at_the_same_sample() -> None:
    ends, place = [SampleLimit(), SampleLimit()], [0, 0]
    stream = np.zeros(100_000, np.complex64)

    def work(which: int, count: int) -> None:
        taken, consumed = ends[which].take(stream[place[which] : place[which] + count], place[which])
        place[which] += consumed
        ends[which].done = ends[which].taken

    import threading

    stop = threading.Event()

    def run(which: int, count: int) -> None:
        while not stop.wait(0.0005) and place[which] < len(stream) - count:
            work(which, count)

    threads = [threading.Thread(target=run, args=pair) for pair in ((0, 70), (1, 333))]
    for thread in threads:
        thread.start()
    while min(end.taken for end in ends) < 1000:
        pass
    assert end_together(ends, 5.0)
    stop.set()
    for thread in threads:
        thread.join(5)
    assert ends[0].taken == ends[1].taken >= 1000


def test_the_real_pace_is_that_of_the_clock(tmp_path: Path) -> None:
    import time

    record(tmp_path / "one", noise(40_000), [], sample_rate_hz=1e5)
    began = time.monotonic()
    got, _ = replayed(tmp_path / "one", pace="real")
    assert len(got) == 40_000 and time.monotonic() - began > 0.35
    assert RealTime(1e6).due(0, 0) == 0


def test_the_source_waits_for_a_slow_decoder() -> None:
    @dataclass
    class Fake:
        frames_handled: int = 0
        frames_answered: int = 0
        frames_refused: int = 0
        answers_taken: int = 0

    class Receiver:
        sample_limit = SampleLimit()
        receiver = type("R", (), {"counters": type("C", (), {"delivered": MAX_WAITING + 1})()})()

    decoder = Fake()
    followed = Followed(Receiver(), [(decoder, decoder)])
    assert not followed.wait_for_room()
    decoder.frames_handled = decoder.frames_answered = 1
    assert followed.wait_for_room() and not followed.settled(0)
    decoder.frames_handled = decoder.frames_answered = decoder.answers_taken = MAX_WAITING + 1
    assert followed.settled(0) and not followed.settled(1)


def test_a_recorder_takes_no_message_that_is_none(tmp_path: Path) -> None:
    with failures.watching():
        recorder = sigmf_recorder(str(tmp_path / "one"))
        recorder.handle_frame(make_pdu({"frame_num": 1}, np.empty(0, np.complex64)))
        assert "without 'k'" in str(failures.first())
