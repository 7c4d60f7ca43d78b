# SPDX-License-Identifier: GPL-3.0-or-later
"""A foreign sink at an address of samples: nothing of it ends the recording, and what was left out is reported."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
import zmq
from command import environment
from fuzzing import FUZZ
from gnuradio import blocks, gr, zeromq
from hypothesis import given
from hypothesis import strategies as st
from strangers import new_address, until

from sdr_sc.bench.hardening import hostile_messages as messages
from sdr_sc.blocks import zmq_samples_source as zmq_samples_source_module
from sdr_sc.blocks.zmq_samples_source import zmq_samples_source
from sdr_sc.capture import open_capture
from sdr_sc.link.network.pdu_wire import Refusal
from sdr_sc.link.network.sample_wire import read_samples

HEAD = struct.Struct("<HBQQ")


def header(tags: int, first: int = 0) -> bytes:
    return HEAD.pack(0x5FF0, 1, first, tags)


def tag(place: int, key: bytes, value: bytes) -> bytes:
    return struct.pack("<Q", place) + key + value + b"\x01"


NAME = b"\x02\x00\x01a"
SAMPLES = np.arange(8, dtype=np.complex64).tobytes()
HARMFUL = {
    "empty": b"",
    "7 bytes": b"1234567",
    "header alone": header(0),
    "half a header": header(0)[:9],
    "2^60 tags": header(1 << 60) + SAMPLES,
    "a tag that is nested": header(1) + bytes(8) + b"\x07" * 200_000,
    "a tag of four billion": header(1) + tag(0, NAME, b"\x0c\xff\xff\xff\xff"),
    "a vector of four billion": header(1) + tag(0, NAME, b"\x0a\x00\xff\xff\xff\xff\x00") + SAMPLES,
    "a tag that is cut short": header(3) + tag(0, NAME, b"\x00"),
    "a key that is no text": header(1) + tag(0, b"\x00", b"\x00") + SAMPLES,
    "a tag beyond its samples": header(1) + tag(8, NAME, b"\x00") + SAMPLES,
    "a tag before its samples": header(1, first=5) + tag(4, NAME, b"\x00") + SAMPLES,
    "a sample and a half": header(0) + SAMPLES[:12],
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_messages_are_refused(name: str) -> None:
    with pytest.raises(Refusal):
        read_samples(HARMFUL[name])


@FUZZ
@given(st.one_of(st.binary(max_size=200).map(lambda raw: header(1) + raw), st.integers(0, 2**32 - 1)))
def test_no_bytes_do_anything_but_be_refused_or_read(source: bytes | int) -> None:
    real = [header(1) + tag(3, NAME, b"\x03\x00\x00\x00\x07") + SAMPLES, *HARMFUL.values()]
    for raw in [source] if isinstance(source, bytes) else messages.mutations(real, 10, source):
        try:
            samples, tags = read_samples(raw)
        except Refusal:
            continue
        assert 0 < len(samples) <= len(raw) // 8 and all(tag.place < len(samples) for tag in tags)


def test_samples_and_tags_are_those_that_the_sink_passed() -> None:
    address, tags = new_address(), []
    for place, key, value in ((3, "rx_time", pmt.make_tuple(pmt.from_uint64(5), pmt.from_double(0.25))),
                              (5, "frame", pmt.from_long(7)), (9000, "name", pmt.intern("x"))):  # fmt: skip
        one = gr.tag_t()
        one.offset, one.key, one.value, one.srcid = place, pmt.intern(key), value, pmt.intern("me")
        tags.append(one)
    sent = np.arange(20_000).astype(np.complex64)
    far, here = gr.top_block(), gr.top_block()
    far.connect(blocks.vector_source_c(sent.tolist(), False, 1, tags), zeromq.push_sink(8, 1, address, 500, True, 8))
    got, source = blocks.vector_sink_c(), zmq_samples_source(address)
    here.connect(source, got)
    far.start()
    here.start()
    try:
        assert until(lambda: len(got.data()) == len(sent))
        assert np.array_equal(np.asarray(got.data()), sent) and not source.refused
        assert [(one.offset, str(one.key), str(one.srcid)) for one in got.tags()] == [
            (3, "rx_time", "me"), (5, "frame", "me"), (9000, "name", "me")
        ]  # fmt: skip
        assert all(pmt.equal(a.value, b.value) for a, b in zip(got.tags(), tags, strict=True))
    finally:
        for tb in (far, here):  # without the wait, the interpreter would be held while their threads want it
            tb.stop()
            tb.wait()


def test_a_call_reads_on_past_any_number_of_messages_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that returns without samples is not called for 250 ms, so that a stranger would slow the stream."""
    monkeypatch.setattr(zmq_samples_source_module, "_POLL_S", 60.0)
    with zmq.Context() as context, context.socket(zmq.PUSH) as foreign:
        foreign.linger, foreign.sndhwm = 0, 2000
        source = zmq_samples_source(f"tcp://127.0.0.1:{foreign.bind_to_random_port('tcp://127.0.0.1')}")
        out = np.zeros(100, np.complex64)
        assert source.start()
        try:
            for _ in range(1000):
                foreign.send(b"1234567")
            foreign.send(SAMPLES)
            assert source.work([], [out]) == 8
        finally:
            source.stop()
    assert sum(source.refused.values()) == 1000 and np.array_equal(out[:8], np.arange(8))


def test_a_recording_goes_on_and_reports_what_it_left_out(tmp_path: Path) -> None:
    address = new_address()
    command = [sys.executable, "-m", "sdr_sc.cli.main", "record", "zmq", tmp_path / "one", "--address", address]
    with zmq.Context() as context, context.socket(zmq.PUSH) as foreign:
        foreign.linger = 0
        foreign.bind(address)
        process = subprocess.Popen([*map(str, command), "--rate", "1e6"], env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        try:
            for raw in HARMFUL.values():
                foreign.send(SAMPLES)
                foreign.send(raw)
            foreign.send(SAMPLES)
            data = tmp_path / "one.sigmf-data"
            over = time.monotonic() + 200
            while foreign.poll(0, zmq.POLLOUT) == 0 and time.monotonic() < over:
                time.sleep(0.05)
            assert until(data.parent.exists)
            time.sleep(2.0)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=200)
        finally:
            process.kill()
    assert process.returncode == 1, out
    assert f"{len(HARMFUL)} messages at {address} were no samples and are left out" in out and "Traceback" not in out
    capture = open_capture(tmp_path / "one")
    assert capture.sample_count == 8 * (len(HARMFUL) + 1) and capture.problems == []
    assert sum(capture.info.config["messages_refused"].values()) == len(HARMFUL)
