# SPDX-License-Identifier: GPL-3.0-or-later
"""Timed flowgraphs of transmitter and receiver: ours, and GNU Radio's ``digital.ofdm_tx`` and ``digital.ofdm_rx``."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pmt
from gnuradio import blocks, digital, gr

from sdr_sc.bench.phy.throughput_frames import impair
from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.runtime.guard import guarded_handler
from sdr_sc.blocks.runtime.vectors import from_vector, to_vector
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.phy.frame.framing import FrameBuilder
from sdr_sc.phy.frame.header import Header
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import Receiver

CRC_BYTES = 4
STOCK_BYTES = {11: 96 - CRC_BYTES, 100: 1160}
"""OFDM symbols of a stock QPSK packet in all (2 sync words, 1 header, payload with its CRC-32) -> bytes it carries."""
STOCK_SNR_DB = 40.0  # at 20 dB the stock receiver loses long packets
_FILE_BUFFER = 131072  # items
STOCK_BUFFER = {11: 0, 100: 16384}
"""OFDM symbols of a stock packet -> items in each output buffer; 0 leaves the default, which is too small for 100."""
# Frames, and s between two looks of the thread that feeds them: it looks so seldom that what it takes itself, which is
# no part of the transmitter, stays small (with 32 and 0.5 ms it was 20 us a frame). A port holds 8192 messages.
_IN_FLIGHT, _FEED_EVERY_S = 128, 0.004
_SLOWEST_SPS = 1e5
_ERASED = pmt.intern("erased")


@dataclass(frozen=True)
class Run:
    """One timed run of a flowgraph.

    Attributes:
        samples: complex samples that passed.
        seconds: that it took.
        cpu_seconds: of processor time that all threads took in it, which other programs on the machine do not lengthen.
        sent, received: frames that went in and came out.
    """

    samples: int
    seconds: float
    cpu_seconds: float
    sent: int
    received: int

    @property
    def msps(self) -> float:
        """Million samples a second."""
        return self.samples / self.seconds / 1e6

    @property
    def cpu_msps(self) -> float:
        """Million samples a second of processor time."""
        return self.samples / self.cpu_seconds / 1e6


class FrameCounter(gr.basic_block):
    """Counts the frames that arrive as PDUs on message port ``frames``, and their features that are not erased."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "frame_counter", in_sig=None, out_sig=None)
        self.frames = self.features = 0
        self._none_erased = to_vector(np.empty(0, np.uint8))
        self.message_port_register_in(pmt.intern("frames"))
        self.set_msg_handler(pmt.intern("frames"), self.handle_frame)

    @guarded_handler
    def handle_frame(self, message: pmt.pmt_base) -> None:
        """Count one PDU."""
        self.frames += 1
        erased, count = pmt.dict_ref(pmt.car(message), _ERASED, pmt.PMT_NIL), pmt.length(pmt.cdr(message))
        self.features += count
        # Comparing costs a microsecond, which counting does not; a frame with something erased is rare.
        if pmt.length(self._none_erased) != count:
            self._none_erased = to_vector(np.zeros(count, np.uint8))
        if not pmt.equal(erased, self._none_erased):
            self.features -= int(np.count_nonzero(from_vector(erased)))


@contextlib.contextmanager
def one_core() -> Iterator[int]:
    """Keep all threads of this process, and those they start, on one core; yields its number."""
    core = max(os.sched_getaffinity(0))
    before = {}
    for task in map(int, os.listdir("/proc/self/task")):
        with contextlib.suppress(ProcessLookupError):  # a thread may end meanwhile
            before[task] = os.sched_getaffinity(task)
            os.sched_setaffinity(task, {core})
    try:
        yield core
    finally:
        for task, cores in before.items():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(task, cores)


def stock_tile(symbols: int, count: int, seed: int) -> np.ndarray:
    """``count`` distinct packets of ``digital.ofdm_tx`` as they are received."""
    rng, tb = np.random.default_rng(seed), gr.top_block()
    data = rng.integers(0, 256, STOCK_BYTES[symbols] * count, np.uint8)
    tb.sink = blocks.vector_sink_c()
    _connect_stock_tx(tb, blocks.vector_source_b(data.tolist(), False), symbols)
    run_flowgraph(tb, 60.0)
    frames = np.array(tb.sink.data(), np.complex64).reshape(count, -1)
    power = np.mean(np.abs(frames) ** 2) / Numerology().mean_sample_power
    return impair(frames / np.sqrt(power, dtype=np.float32), STOCK_SNR_DB, rng)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep GNU Radio from reporting every buffer that is set."""
    before = gr.logging().default_level()
    gr.logging().set_default_level(gr.log_levels.warn)
    try:
        yield
    finally:
        gr.logging().set_default_level(before)


def _connect_stock_tx(tb: gr.top_block, source: gr.basic_block, symbols: int) -> None:
    tb.source, buffer = source, STOCK_BUFFER[symbols]
    tb.tagger = blocks.stream_to_tagged_stream(1, 1, STOCK_BYTES[symbols], "packet_length")
    tb.tx = digital.ofdm_tx(bps_payload=2)
    if buffer:
        tb.tx.set_min_output_buffer(buffer)
    tb.connect(tb.source, tb.tagger, tb.tx, tb.sink)


def _timed(tb: gr.top_block, samples: int) -> tuple[float, float]:
    """Run to the end; seconds, and seconds of processor time."""
    began, began_cpu = time.perf_counter(), time.process_time()
    run_flowgraph(tb, 30.0 + samples / _SLOWEST_SPS)
    return time.perf_counter() - began, time.process_time() - began_cpu


def _file_source(path: Path) -> gr.basic_block:
    source = blocks.file_source(gr.sizeof_gr_complex, str(path), False)
    source.set_min_output_buffer(_FILE_BUFFER)
    return source


def run_receiver(path: Path, sent: int, payload_symbols: int) -> Run:
    """File source -> sdr_sc ofdm_rx -> a counter; frames count that come with all features, unerased."""
    tb, samples = gr.top_block(), path.stat().st_size // 8
    tb.source, tb.rx, tb.counter = _file_source(path), ofdm_rx(), FrameCounter()
    tb.connect(tb.source, tb.rx)
    tb.msg_connect(tb.rx, "frames", tb.counter, "frames")
    times = _timed(tb, samples)
    whole = tb.counter.features // (payload_symbols * tb.rx.numerology.data_subcarriers)
    return Run(samples, *times, sent, min(tb.counter.frames, whole))


def run_receiver_alone(path: Path, sent: int, payload_symbols: int) -> Run:
    """The receiver by itself, without GNU Radio, on pieces as large as the block's."""
    samples, receiver = np.fromfile(path, np.complex64), Receiver(Numerology())
    frames = features = 0
    began, began_cpu = time.perf_counter(), time.process_time()
    for place in range(0, len(samples), _FILE_BUFFER):
        for frame in receiver.push(samples[place : place + _FILE_BUFFER]):
            frames += 1
            features += frame.erased.size - int(frame.erased.sum())
    times = time.perf_counter() - began, time.process_time() - began_cpu
    whole = features // (payload_symbols * Numerology().data_subcarriers)
    return Run(len(samples), *times, sent, min(frames, whole))


def run_transmitter_alone(frames: list[tuple[Header, np.ndarray]], count: int) -> Run:
    """The frame builder by itself, without GNU Radio: ``count`` frames of those in turn."""
    builder, samples = FrameBuilder(Numerology()), 0
    builder.build(frames[0][1], frames[0][0])
    began, began_cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        header, features = frames[number % len(frames)]
        samples += len(builder.build(features, header))
    return Run(samples, time.perf_counter() - began, time.process_time() - began_cpu, count, count)


def run_stock_receiver(path: Path, sent: int, symbols: int) -> Run:
    """File source -> digital.ofdm_rx -> null sink; it passes on only the packets whose CRC-32 is right."""
    tb, samples = gr.top_block(), path.stat().st_size // 8
    tb.source, tb.rx, tb.sink = _file_source(path), digital.ofdm_rx(bps_payload=2), blocks.null_sink(1)
    if STOCK_BUFFER[symbols]:
        tb.rx.set_min_output_buffer(STOCK_BUFFER[symbols])
    tb.connect(tb.source, tb.rx, tb.sink)
    times = _timed(tb, samples)
    return Run(samples, *times, sent, tb.sink.nitems_read(0) // STOCK_BYTES[symbols])


def run_transmitter(pdus: list[pmt.pmt_base], payload_symbols: int) -> Run:
    """Feature PDUs -> sdr_sc ofdm_tx, no gap -> null sink; timed from the first PDU to the last frame's last sample."""
    tb, port, stop, runs = gr.top_block(), pmt.intern("frames"), threading.Event(), threading.Event()
    tb.tx, tb.sink = ofdm_tx(gap_samples=0), blocks.null_sink(gr.sizeof_gr_complex)
    tb.connect(tb.tx, tb.sink)
    numerology, block = tb.tx.numerology, tb.tx.to_basic_block()
    length = numerology.payload_offset + payload_symbols * numerology.symbol_samples
    total, began, ended = length * len(pdus), [0.0, 0.0], [0.0, 0.0]

    def feed() -> None:
        runs.wait()  # a block whose buffers are still being made crashes when it is asked for its items
        began[:] = time.perf_counter(), time.process_time()
        posted = 0
        while not stop.is_set():
            written = tb.sink.nitems_read(0)
            if written >= total:
                ended[:] = time.perf_counter(), time.process_time()
                return
            while posted < min(len(pdus), written // length + _IN_FLIGHT):
                block._post(port, pdus[posted])
                posted += 1
            time.sleep(_FEED_EVERY_S)

    feeder = threading.Thread(target=feed, daemon=True)

    def over() -> bool:
        runs.set()  # called once the flowgraph has started
        return ended[0] > 0

    feeder.start()
    try:
        run_flowgraph(tb, 30.0 + total / _SLOWEST_SPS, until=over)
    finally:
        stop.set()
        runs.set()
        feeder.join()
    return Run(total, ended[0] - began[0], ended[1] - began[1], len(pdus), tb.sink.nitems_read(0) // length)


def run_stock_transmitter(count: int, symbols: int) -> Run:
    """Random bytes -> digital.ofdm_tx -> null sink."""
    tb, size = gr.top_block(), STOCK_BYTES[symbols]
    data = np.random.default_rng(symbols).integers(0, 256, 16 * size, np.uint8)
    tb.head, tb.sink = blocks.head(1, count * size), blocks.null_sink(gr.sizeof_gr_complex)
    tb.bytes = blocks.vector_source_b(data.tolist(), True)
    tb.connect(tb.bytes, tb.head)
    _connect_stock_tx(tb, tb.head, symbols)
    length = symbols * Numerology().symbol_samples
    times = _timed(tb, count * length)
    samples = tb.sink.nitems_read(0)
    return Run(samples, *times, count, samples // length)
