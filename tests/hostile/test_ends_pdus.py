# SPDX-License-Identifier: GPL-3.0-or-later
"""News of frames that make no sense are counted and reported, and end neither sink nor recorder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pmt
import pytest
from link_messages import answer_meta, sent_meta

from sdr_sc.blocks.runtime import failures
from sdr_sc.blocks.runtime.pdu import make_pdu
from sdr_sc.blocks.sigmf_recorder import sigmf_recorder
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.link.end_of_stream import END
from sdr_sc.link.frames.frame_news import many_meta
from sdr_sc.link.frames.frame_record import FrameRecord

PICTURE = np.zeros(784, np.uint8)
TWO = np.array([1, 2], np.int32)
NO_ITEMS = np.empty((0, 0), np.uint8)


def changed(**fields: Any) -> pmt.pmt_base:
    return make_pdu({**sent_meta(1), **fields}, PICTURE)


def without(key: str) -> pmt.pmt_base:
    return make_pdu({name: value for name, value in sent_meta(1).items() if name != key}, PICTURE)


def strange_key() -> pmt.pmt_base:
    """A key that is not UTF-8."""
    raw = b"\x07\x09\x07\x02\x00\x01\xff\x03\x00\x00\x00\x01\x06" + pmt.serialize_str(pmt.init_u8vector(1, [0]))
    return pmt.deserialize_str(raw)


def many(**fields: Any) -> pmt.pmt_base:
    two, one = TWO, np.array([5], np.int32)
    frames = [FrameRecord(7, 8, two, two, NO_ITEMS, 0), FrameRecord(8, 8, one, one, NO_ITEMS, 0)]
    return make_pdu({**many_meta(frames, 0), **fields}, np.empty(0, np.uint8))


def truth(**fields: Any) -> pmt.pmt_base:
    return make_pdu({"item_id": TWO, "label": TWO, **fields}, np.zeros(2 * 784, np.uint8))


BAD = {
    **{f"without {key}": without(key) for key in sent_meta(0) if key != "label"},
    "no PDU": pmt.intern("hello"),
    "nothing": pmt.PMT_NIL,
    "strange key": strange_key(),
    "no items": changed(n_items=0),
    "items that do not fit": changed(n_items=3),
    "fewer labels": changed(n_items=2, item_id=TWO),
    "more labels": changed(label=TWO),
    "labels as text": changed(label="12"),
    "labels as one number": changed(label=1),
    "labels as fractions": changed(label=np.ones(1, np.float32)),
    "an index of 1.5": changed(frame_index=1.5),
    "an index of 2^62": changed(frame_index=1 << 62),
    "an index below 0": changed(frame_index=-1),
    "an index that is true": changed(frame_index=True),
    "k as text": changed(k="8"),
    "k of 0": changed(k=0),
    "k of 1e9": changed(k=10**9),
    "a time as text": changed(time_ns="now"),
    "another picture": make_pdu(sent_meta(1), np.zeros(64 * 64, np.uint8)),
    "numbers as pictures": make_pdu(sent_meta(1), np.zeros(784, np.float32)),
    "truth without labels": make_pdu({"item_id": TWO}, np.zeros(2 * 784, np.uint8)),
    "truth with fewer labels": truth(label=TWO[:1]),
    "truth with labels as text": truth(label="12"),
    "truth with ids as fractions": truth(item_id=np.ones(2, np.float32)),
    "truth of no item": truth(item_id=TWO[:0], label=TWO[:0]),
    "truth with a key more": truth(evil=1),
    "truth of other pictures": make_pdu({"item_id": TWO, "label": TWO}, np.zeros(2 * 64 * 64, np.uint8)),
    "truth with bytes that do not divide": make_pdu({"item_id": TWO, "label": TWO}, np.zeros(2 * 784 + 1, np.uint8)),
    "truth with numbers as pictures": make_pdu({"item_id": TWO, "label": TWO}, np.zeros(2 * 784, np.float32)),
    "many, a column short": many(ks=np.array([8], np.int32)),
    "many, labels short": many(label=TWO),
    "many, counts below 0": many(n_items=np.array([4, -1], np.int32)),
    "many, a list for a column": many(ks=3),
}


def failure() -> object:
    first = failures.first()
    return None if first is None else first.error


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_message_of_a_transmitter_does_not_end_a_receiver(kind: str, tmp_path: Path) -> None:
    with failures.watching():
        sink = task_sink(str(tmp_path))
        sink.handle_sent(make_pdu(sent_meta(0), PICTURE))
        for _ in range(3):
            sink.handle_sent(BAD[kind])
        assert failure() is None and (sink.refused.count, len(sink.refused.reasons)) == (3, 1)
        (reason,) = sink.refused.reasons
        assert "\n" not in reason and len(reason) > 20
        sink.handle_answers(make_pdu(answer_meta(0), np.array([1], np.int32)))
        sink.handle_sent(make_pdu({END: True}, np.empty(0, np.uint8)))
        assert sink.finished.is_set()
        sink.stop()
        assert failure() is None
    assert (sink.record.frames_sent, sink.record.items_correct, sink.record.frames_lost) == (1, 1, 0)
    assert len((tmp_path / "frames.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind.startswith("truth")])
def test_a_bad_truth_of_items_is_refused_at_either_port(kind: str) -> None:
    with failures.watching():
        sink = task_sink()
        sink.handle_truth(truth())
        sink.handle_truth(BAD[kind])
        assert failure() is None and sink.refused.count == 1 and sink.record.items_published == 2


@pytest.mark.parametrize(
    "meta", [{}, {END: True}, {"frame_index": 1.5, "snr_db": 1.0}, {"frame_index": 1, "snr_db": "loud"}]
)
def test_a_bad_truth_is_refused(meta: dict[str, Any]) -> None:
    with failures.watching():
        sink = task_sink()
        sink.handle_truth(make_pdu(meta, PICTURE))
        assert failure() is None and sink.refused.count == 1


def test_a_port_at_which_nothing_makes_sense_is_the_runs_error() -> None:
    with failures.watching():
        sink = task_sink()
        for _ in range(4):
            sink.handle_sent(without("n_items"))
        sink.stop()
        assert "4 messages were refused" in str(failure()) and "'n_items'" in str(failure())


def test_the_recorder_refuses_as_the_sink_does(tmp_path: Path) -> None:
    with failures.watching():
        recorder = sigmf_recorder(str(tmp_path / "r"))
        good = make_pdu({**sent_meta(0), "frame_num": 0}, PICTURE)
        recorder.handle_sent(good)
        bad = [message for kind, message in BAD.items() if kind not in ("another picture", "truth of other pictures")]
        for message in bad:
            recorder.handle_sent(message)
        recorder.handle_truth(make_pdu({"frame_index": "x", "snr_db": 1.0}, PICTURE))
        assert failure() is None and recorder.refused.count == len(bad) + 1


def test_reasons_are_bounded() -> None:
    sink = task_sink()
    for number in range(100):
        sink.refused.note(f"reason {number}")
    assert sink.refused.count == 100 and len(sink.refused.reasons) <= 17
