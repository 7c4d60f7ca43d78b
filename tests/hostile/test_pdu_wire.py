# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of PDUs from a network: takes what PMT writes of a PDU, and refuses all else within bounds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pmt
import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sdr_sc.bench.hardening import hostile_messages as messages
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.link.network import pdu_schema, pdu_wire
from sdr_sc.link.network.intake import MOST_WAITING, PASS_BURST, Intake
from sdr_sc.link.network.pdu_schema import SCHEMAS, sent_schema
from sdr_sc.link.network.pdu_wire import Refusal, read_pdu_bytes, write_pdu

LIMIT = 1 << 20
KINDS = {
    value
    for module in (pdu_wire, pdu_schema)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str) and name != "END"
}

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:\-]{0,30}", fullmatch=True)
kinds = st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64,
                         np.float32, np.float64, np.complex64, np.complex128])  # fmt: skip
vectors = kinds.flatmap(lambda kind: arrays.arrays(kind, st.integers(0, 20)))
plain = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.text(max_size=20), vectors)
metadata = st.dictionaries(names, plain, max_size=20)


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    return type(one) is type(other) and (one == other or (one != one and other != other))


@FUZZ
@given(metadata, vectors)
def test_what_pmt_writes_is_read_as_pmt_reads_it(meta: dict[str, object], values: np.ndarray) -> None:
    try:
        raw = pmt.serialize_str(make_pdu(meta, values))
    except UnicodeEncodeError:
        return  # text that has no UTF-8
    read, data = read_pdu_bytes(raw, LIMIT)
    assert same(data, values)
    assert set(read) == set(meta) and all(same(read[key], meta[key]) for key in meta)


def peak_bytes(raw: bytes, read: object) -> int:
    tracemalloc.start()
    try:
        read(raw)  # type: ignore[operator]
    except Refusal as refusal:
        assert refusal.kind in KINDS
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


REAL = [
    messages.feedback(),
    messages.feedback(report=np.zeros(26, np.uint8)),
    messages.sent(),
    messages.end(),
    messages.sent(items=1, item_bytes=3),
]


@FUZZ
@given(st.one_of(st.binary(max_size=300), st.integers(0, 2**32 - 1)), st.sampled_from(sorted(SCHEMAS)))
def test_no_bytes_do_anything_but_be_refused_or_read(source: bytes | int, schema: str) -> None:
    many = [source, b"\x07" + source] if isinstance(source, bytes) else messages.mutations(REAL, 10, source)
    for raw in many:
        try:
            meta, data = SCHEMAS[schema].read(raw)
        except Refusal as refusal:
            assert refusal.kind in KINDS
            continue
        # PMT never reads them, but could.
        again, values = read_pdu(make_pdu(meta, data), "test")
        assert set(again) == set(meta) and same(values, data)


@pytest.mark.parametrize("name", messages.harmful())
@pytest.mark.parametrize("schema", SCHEMAS)
def test_harmful_messages_are_refused_and_cost_nothing(name: str, schema: str) -> None:
    raw = messages.harmful()[name]
    with pytest.raises(Refusal):
        SCHEMAS[schema].read(raw)
    assert peak_bytes(raw, SCHEMAS[schema].read) < 3 * len(raw) + 20_000


@pytest.mark.parametrize("name", messages.wrong_feedback())
def test_what_is_no_feedback_is_refused(name: str) -> None:
    with pytest.raises(Refusal):
        SCHEMAS["feedback"].read(messages.wrong_feedback()[name])


@pytest.mark.parametrize("name", messages.wrong_sent())
def test_what_is_no_news_of_a_frame_is_refused(name: str) -> None:
    with pytest.raises(Refusal):
        sent_schema(784).read(messages.wrong_sent()[name])


def test_right_ones_are_taken() -> None:
    meta, data = SCHEMAS["feedback"].read(messages.feedback(4095, -40.0))
    assert meta == {"snr_db": -40.0, "snr_frame_db": -40.0, "frame_num": 4095, "cfo_hz": 35.0} and len(data) == 1
    meta, _ = SCHEMAS["feedback"].read(write_pdu({"snr_db": 7, "frame_num": 0}, np.empty(0, np.uint8)))
    assert meta["snr_db"] == 7.0
    for length in (1, 26, 512):
        report = np.arange(length).astype(np.uint8)
        assert np.array_equal(SCHEMAS["feedback"].read(messages.feedback(report=report))[0]["report"], report)
    for schema in (SCHEMAS["sent"], sent_schema(784)):
        meta, data = schema.read(messages.sent(4097))
        assert meta["frame_index"] == 4097 and meta["label"].tolist() == [0, 1, 2, 3] and len(data) == 4 * 784
        assert schema.read(messages.end())[0]["frames_sent"] == 9
        meta, data = schema.read(messages.truth())
        assert meta["item_id"].tolist() == meta["label"].tolist() == [0, 1, 2, 3] and len(data) == 4 * 784
        bare = {key: value for key, value in messages.sent_meta().items() if key not in ("label", "item_shape")}
        assert "label" not in schema.read(write_pdu(bare, np.empty(0, np.uint8)))[0]
        assert len(schema.read(messages.truth(item_bytes=0))[1]) == 0
    assert SCHEMAS["truth"].read(messages.truth())[0]["modality"] == "image"
    largest = messages.sent(items=255)
    assert sent_schema(784).read(largest)[0]["n_items"] == 255
    assert len(sent_schema(784).read(messages.truth(items=255))[0]["label"]) == 255
    with pytest.raises(Refusal, match="too large"):
        sent_schema(784).read(largest + bytes(2000))
    truth = write_pdu({"frame_index": 3, "snr_db": 9.0, "cfo_hz": 1.0}, np.empty(0, np.uint8))
    assert SCHEMAS["truth"].read(truth)[0]["frame_index"] == 3


def test_each_reason_has_its_name() -> None:
    def kind(schema: str, raw: bytes) -> str:
        with pytest.raises(Refusal) as caught:
            SCHEMAS[schema].read(raw)
        return caught.value.kind

    nothing = np.empty(0, np.uint8)
    many = {f"k{i}": i for i in range(65)}
    assert kind("any", bytes(2 << 20)) == "too large"
    assert kind("any", b"text") == "not a PDU"
    assert kind("any", messages.feedback()[:-1]) == "cut short"
    assert kind("any", messages.feedback() + b"\x00") == "bytes after the end"
    assert kind("any", write_pdu(many, nothing)) == "too many keys"
    assert kind("any", write_pdu({"a b": 1}, nothing)) == "key that is no name"
    assert kind("feedback", messages.feedback(evil=1)) == "unknown key"
    assert kind("feedback", messages.wrong_feedback()["no SNR"]) == "missing key"
    assert kind("feedback", messages.wrong_feedback()["flag"]) == "wrong type"
    assert kind("feedback", messages.wrong_feedback()["99 dB"]) == "out of range"
    assert kind("sent", messages.wrong_sent()["fewer labels"]) == "inconsistent"
    entry = write_pdu({"k": 1}, nothing)
    assert kind("any", entry[:1] + entry[1:12] + entry[1:]) == "repeated key"
    assert kind("any", pmt.serialize_str(pmt.cons(pmt.to_pmt({"k": (1, 2)}), pmt.init_u8vector(0, [])))) == (
        "value of a foreign kind"
    )


def test_of_much_feedback_the_newest_is_passed_on() -> None:
    intake = Intake(SCHEMAS["feedback"], newest_wins=True, greeting=b"hello")
    intake.take(b"hello")
    for number in range(1000):
        intake.take(messages.feedback(number, 1.0))
        intake.take(messages.feedback(number, 2.0))
        intake.take(b"noise")
    assert (intake.received, intake.refused["not a PDU"], intake.greetings) == (2000, 1000, 1)
    passed = intake.due(0.0)
    assert [meta["frame_num"] for meta, _ in passed] == list(range(1000 - len(passed), 1000))
    assert len(passed) <= min(MOST_WAITING, PASS_BURST) and {meta["snr_db"] for meta, _ in passed} == {2.0}
    assert intake.superseded == 2000 - len(passed)
    intake.take(messages.feedback(7))
    intake.take(messages.feedback(8))
    assert [meta["frame_num"] for meta, _ in intake.due(0.0011)] == [8] and intake.superseded == 2001 - len(passed)


def test_news_of_frames_keeps_its_order_and_waits() -> None:
    intake = Intake(SCHEMAS["sent"], newest_wins=False, greeting=b"hello")
    got, index = [], 0
    for now_s in np.arange(0.0, 1.0, 0.01):
        while not intake.full:
            intake.take(messages.sent(index, 1, 4))
            index += 1
        got += [meta["frame_index"] for meta, _ in intake.due(float(now_s))]
    assert got == list(range(len(got))) and 900 < len(got) < 1100 + PASS_BURST
    assert intake.superseded == 0 and index - len(got) == intake.waiting <= MOST_WAITING
