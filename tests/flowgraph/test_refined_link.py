# SPDX-License-Identifier: GPL-3.0-or-later
"""Incremental refinement in flowgraphs: over the simulated channel, with ends that do not know it, and replayed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr

from sdr_sc.blocks.channel import channel
from sdr_sc.blocks.ofdm_rx import ofdm_rx
from sdr_sc.blocks.ofdm_tx import ofdm_tx
from sdr_sc.blocks.semantic_decoder import semantic_decoder
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.blocks.snr_smoother import snr_smoother
from sdr_sc.blocks.task_sink import task_sink
from sdr_sc.capture import open_capture
from sdr_sc.data import fashion_mnist
from sdr_sc.errors import BlockError, CaptureError
from sdr_sc.flowgraph.harness import run_flowgraph
from sdr_sc.flowgraph.loopback import Accounting, run_loopback
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import rejected_below, replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.link.refinement.receiver import Settings
from sdr_sc.link.refinement.triggers import TRIGGERS
from sdr_sc.results.run_folder import read_items
from sdr_sc.semantic.tasks.base import REJECTED

DEADLINE_S = 300.0
CONFIDENCE, COMPARE = TRIGGERS[1:]
SETTINGS: dict[str, Any] = {"images": 240, "items_per_frame": 20, "snr_db": 0.0, "feedback_timeout_s": 20.0}


@pytest.fixture(autouse=True)
def a_busy_machine_is_no_pause_in_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdr_sc.blocks.semantic_decoder.IDLE_S", DEADLINE_S)


def over_the_loopback(prepare: Any = lambda tb: None, **settings: Any) -> tuple[Any, Accounting]:
    seen: list[Any] = []

    def keep(tb: Any) -> None:
        seen.append(tb)
        prepare(tb)

    accounting = run_loopback(DEADLINE_S, prepare=keep, **{**SETTINGS, **settings})
    accounting.raise_if_faulty()
    return seen[0], accounting


def test_the_receiver_asks_and_every_item_is_answered_once() -> None:
    messages = blocks.message_debug()

    def listen(tb: Any) -> None:
        tb.msg_connect((tb.decoder, "answers"), (messages, "store"))

    tb, accounting = over_the_loopback(listen, refine=CONFIDENCE)
    assert accounting.items_sent == accounting.items_answered == 240 and not accounting.discrepancies
    answers = [pmt.to_python(pmt.car(messages.get_message(i))) for i in range(messages.num_messages())]
    assert [one["frame_num"] for one in answers] == list(range(12))  # in the order of the items
    assert max(one["rounds"].max() for one in answers) > 1
    assert accounting.items_correct > 200
    (receiver,) = tb.decoder._receivers.values()
    sender = tb.encoder.sender
    assert sender.refinement.answered > 0 and receiver.items_asked > 0 and not receiver.refused
    assert not sender.refinement.refused and not sender.feedback_unknown and not receiver.items_open


def test_items_that_it_is_not_sure_of_are_counted_apart(tmp_path: Path) -> None:
    def reject(tb: Any) -> None:
        tb.decoder._settings = Settings(reject_below=0.9)
        tb.decoder._receivers.clear()
        tb.decoder.models.loaded.clear()

    _, accounting = over_the_loopback(reject, refine=CONFIDENCE, folder=str(tmp_path))
    assert 0 < accounting.items_rejected < 120 and not accounting.discrepancies
    assert accounting.items_answered + accounting.items_rejected == 240 and accounting.items_lost == 0
    assert (read_items(tmp_path)["answer"] == REJECTED).sum() == accounting.items_rejected


def test_a_transmitter_without_refinement_counts_requests_and_goes_on() -> None:
    def forget(tb: Any) -> None:
        tb.encoder.sender.refinement = None

    tb, accounting = over_the_loopback(forget, refine=CONFIDENCE)
    assert accounting.items_answered == 240 and not accounting.discrepancies
    assert tb.encoder.sender.requests_ignored > 0 and not tb.encoder.sender.feedback_unknown


def test_a_receiver_without_refinement_answers_after_the_first_round() -> None:
    def forget(tb: Any) -> None:
        tb.decoder.refine = False
        tb.decoder._receivers.clear()  # where it was loaded before

    tb, accounting = over_the_loopback(forget, refine=CONFIDENCE)
    assert accounting.items_answered == 240 and not accounting.discrepancies
    assert tb.encoder.sender.refinement.answered == 0 and not tb.decoder._receivers


@pytest.mark.parametrize("refine", [CONFIDENCE, COMPARE])
def test_a_recording_notes_the_rounds_and_is_replayed_with_the_same_answers(refine: str, tmp_path: Path) -> None:
    settings = {**SETTINGS, "refine": refine, "folder": str(tmp_path / "live")}
    (tmp_path / "live").mkdir()
    (tmp_path / "replay").mkdir()
    _, accounting = record_loopback(tmp_path / "a", DEADLINE_S, **settings)
    accounting.raise_if_faulty()
    notes = list(open_capture(tmp_path / "a").frames())
    rounds = np.concatenate([note.rounds for note in notes if note.n_items])
    assert len(rounds) == 240 and rounds.min() == 1 < rounds.max()
    assert any(note.request and note.refined_symbols for note in notes)
    for note, later in zip(notes, notes[1:], strict=False):
        assert note.sample_stop <= later.sample_start  # with the symbols of refinements
    replay(ReplayConfig(str(tmp_path / "a")), [tmp_path / "replay"], DEADLINE_S)
    live, again = (read_items(tmp_path / name) for name in ("live", "replay"))
    for column in ("item_id", "answer", "confidence"):
        assert np.array_equal(live[column], again[column]), column


@pytest.mark.parametrize("reject_below", [-0.1, 1.5, float("nan")])
def test_a_confidence_that_is_none_is_refused(reject_below: float) -> None:
    with pytest.raises(BlockError, match="reject_below"):
        semantic_decoder(refine=CONFIDENCE, reject_below=reject_below)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), "0.5", True, [0.5], None])
def test_a_recording_that_rejects_below_no_confidence_is_refused(value: object) -> None:
    recording: Any = SimpleNamespace(info=SimpleNamespace(config={"reject_below": value}))
    with pytest.raises(CaptureError, match="'reject_below' in 'sdr_sc:config'"):
        rejected_below(recording)
    recording.info.config.clear()
    assert rejected_below(recording) == 0.0


def test_what_the_last_frames_lack_comes_in_frames_without_new_items() -> None:
    # Two frames: the second one's doubtful items can be refined only after the items are used up.
    tb, accounting = over_the_loopback(refine=CONFIDENCE, images=40, snr_db=0.0)
    assert accounting.items_answered == 40 and not accounting.discrepancies
    (receiver,) = tb.decoder._receivers.values()
    sender = tb.encoder.sender
    assert accounting.frames_without_items == accounting.refinements_delivered >= 2
    assert receiver.requests == sender.refinement.answered > 0 and not receiver.requests_lost
    assert not receiver.refused and not sender.refinement.refused and not receiver.items_open


@pytest.mark.parametrize(
    ("at_sender", "at_receiver"), [(COMPARE, COMPARE), (CONFIDENCE, COMPARE), (COMPARE, CONFIDENCE)]
)
def test_answers_are_compared_where_both_ends_do_and_refined_as_asked_otherwise(
    at_sender: str, at_receiver: str
) -> None:
    def receive_by(tb: Any) -> None:
        tb.decoder._settings = Settings(compare=at_receiver == COMPARE)
        tb.decoder._receivers.clear()
        tb.decoder.models.loaded.clear()

    tb, accounting = over_the_loopback(receive_by, refine=at_sender, snr_db=5.0, images=120)
    assert accounting.items_sent == accounting.items_answered == 120 and not accounting.discrepancies
    assert accounting.items_correct > 100
    (receiver,) = tb.decoder._receivers.values()
    refinement = tb.encoder.sender.refinement
    assert refinement.answered > 0 and not refinement.refused and not receiver.refused and not receiver.items_open
    compared = at_sender == at_receiver
    assert (refinement.items_confirmed > 0) == compared
    if compared:  # most doubtful items are right, and no symbol of them is sent
        assert receiver.items_asked // 3 < refinement.items_confirmed < receiver.items_asked


@pytest.mark.parametrize(
    "at_sender, at_receiver", [(CONFIDENCE, CONFIDENCE), ("none", CONFIDENCE), (CONFIDENCE, "none")]
)
def test_a_stream_that_ends_without_its_tag_leaves_no_item_open(
    at_sender: str, at_receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdr_sc.blocks.semantic_decoder.IDLE_S", 1.0)
    monkeypatch.setattr("sdr_sc.blocks.semantic_encoder.IDLE_S", 20.0)  # on a busy machine the answers take longer
    tb = gr.top_block()
    tb.source = blocks.vector_source_b(fashion_mnist.load("test").images[:40].ravel().tolist(), False)
    tb.encoder = semantic_encoder(items_per_frame=10, feedback_timeout_s=20.0, refine=at_sender)
    tb.tx, tb.air, tb.rx, tb.smoother = ofdm_tx(), channel(0.0), ofdm_rx(), snr_smoother()
    tb.decoder, tb.sink = semantic_decoder(refine=at_receiver), task_sink()
    tb.connect(tb.source, tb.encoder)
    tb.connect(tb.tx, tb.air, tb.rx)
    for one, port, other, to in (
        (tb.encoder, "frames", tb.tx, "frames"),
        (tb.encoder, "sent", tb.sink, "sent"),
        (tb.rx, "frames", tb.smoother, "frames"),
        (tb.rx, "frames", tb.decoder, "frames"),
        (tb.smoother, "snr", tb.encoder, "snr"),
        (tb.decoder, "requests", tb.encoder, "snr"),
        (tb.decoder, "answers", tb.sink, "answers"),
    ):
        tb.msg_connect(one, port, other, to)
    run_flowgraph(tb, DEADLINE_S)
    record = tb.sink.record
    assert (record.items_sent, record.items_answered, record.frames_lost) == (40, 40, 0)
    if at_sender == at_receiver:
        assert tb.encoder.sender.frames_without_items > 0 and tb.encoder.sender.refinement.answered > 0


def test_a_trigger_that_is_none_is_refused() -> None:
    for block in (semantic_encoder, semantic_decoder):
        for refine in ("answers", 2, None, 0.5):
            with pytest.raises(BlockError, match="refine is .*; use one of none, confidence, compare"):
                block(refine=refine)
