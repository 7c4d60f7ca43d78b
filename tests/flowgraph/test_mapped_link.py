# SPDX-License-Identifier: GPL-3.0-or-later
"""Features mapped by importance in flowgraphs: over a selective channel, with odd reports or none, and replayed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.semantic_encoder import semantic_encoder
from sdr_sc.capture import open_capture
from sdr_sc.errors import BlockError
from sdr_sc.flowgraph.loopback import Accounting, run_loopback
from sdr_sc.flowgraph.record import record_loopback
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.link.mapping import FLAT, OTHER_SIZE, REFINEMENTS
from sdr_sc.results.run_folder import read_items

DEADLINE_S = 300.0
SELECTIVE = "multipath(taps=[0.8, 0, 0, 0, 0.5j, 0, 0, 0.4])"
SETTINGS: dict[str, Any] = {
    "images": 160,
    "items_per_frame": 8,
    "k": 8,
    "snr_db": 12.0,
    "feedback_timeout_s": 20.0,
    "channel_models": SELECTIVE,
    "mapping": "importance",
}
FRAMES = SETTINGS["images"] // SETTINGS["items_per_frame"]


def over_the_loopback(prepare: Any = lambda tb: None, **settings: Any) -> tuple[Any, Accounting]:
    seen: list[Any] = []

    def keep(tb: Any) -> None:
        seen.append(tb)
        prepare(tb)

    accounting = run_loopback(DEADLINE_S, prepare=keep, **{**SETTINGS, **settings})
    accounting.raise_if_faulty()
    assert accounting.items_sent == 160 and not accounting.discrepancies
    return seen[0], accounting


def test_all_frames_after_the_first_are_mapped_and_answered() -> None:
    tb, accounting = over_the_loopback()
    assert tb.transmitter.mapper.mapped == FRAMES - 1 and not tb.transmitter.mapper.interleaved
    assert accounting.items_answered == 160 and accounting.items_correct > 135
    assert accounting.receiver["report_unknown"] == 0


def test_mapping_is_off_by_default() -> None:
    tb, accounting = over_the_loopback(mapping="interleave")
    assert tb.transmitter.mapper.mapped == 0 and accounting.items_answered == 160


def test_a_flat_channel_is_interleaved() -> None:
    tb, accounting = over_the_loopback(channel_models="", snr_db=20.0)
    assert tb.transmitter.mapper.interleaved[FLAT] >= FRAMES - 3 and accounting.items_answered == 160


def test_frames_with_refinements_are_interleaved() -> None:
    tb, accounting = over_the_loopback(refine="confidence", k=0, snr_db=6.0)
    mapper = tb.transmitter.mapper
    assert mapper.interleaved[REFINEMENTS] > 0 and mapper.mapped > 0
    assert mapper.interleaved[REFINEMENTS] == tb.encoder.sender.refinement.answered
    assert accounting.items_answered == 160 and accounting.items_correct > 130


class Feedback:
    """Stands between smoother and encoder, and changes the reports."""

    def __init__(self, change: Any) -> None:
        self.change, self.count = change, 0

    def __call__(self, tb: Any) -> None:
        handle = tb.encoder.handle_snr

        def changed(message: Any) -> None:
            meta, data = read_pdu(message, "snr")
            self.count += 1
            handle(make_pdu(self.change(dict(meta), self.count), data))

        tb.encoder.handle_snr = changed  # GNU Radio looks handlers up by name


def test_a_receiver_that_reports_no_channel_gets_interleaved_frames() -> None:
    def without(meta: dict, count: int) -> dict:
        del meta["report"]
        return meta

    tb, accounting = over_the_loopback(Feedback(without))
    assert tb.transmitter.mapper.mapped == 0 and not tb.transmitter.mapper.interleaved
    assert accounting.items_answered == 160 and not tb.encoder.sender.feedback_unknown


def test_reports_that_the_receiver_has_not_made_lose_frames_and_nothing_else() -> None:
    def wrong(meta: dict, count: int) -> dict:
        if count % 3 == 0:
            meta["report"] = meta["report"] ^ 0x10
        return meta

    tb, accounting = over_the_loopback(Feedback(wrong))
    lost = accounting.receiver["report_unknown"]
    assert lost == (FRAMES - 1) // 3 and accounting.receiver["truncated"] == 0
    assert accounting.items_lost == 8 * lost and accounting.items_answered == 160 - 8 * lost
    assert accounting.items_correct > 0.84 * accounting.items_answered


def test_hostile_reports_are_not_used() -> None:
    odd = [
        np.zeros(0, np.uint8), np.zeros(25, np.uint8), np.zeros(512, np.uint8), np.zeros(100_000, np.uint8),
        np.zeros(26, np.int32), np.ones(52, np.complex64), 7, "strong", True, float("nan"),
    ]  # fmt: skip

    def hostile(meta: dict, count: int) -> dict:
        return {**meta, "report": odd[count % len(odd)]}

    tb, accounting = over_the_loopback(Feedback(hostile))
    assert accounting.items_answered == 160 and tb.transmitter.mapper.mapped == 0
    assert set(tb.transmitter.mapper.interleaved) == {OTHER_SIZE}


def test_a_flood_of_feedback_keeps_one_report() -> None:
    def flooded(tb: Any) -> None:
        handle = tb.encoder.handle_snr

        def many(message: Any) -> None:
            handle(message)
            meta, data = read_pdu(message, "snr")
            for number in range(4095, FRAMES, -16):  # of frames that were never sent
                handle(make_pdu({**meta, "frame_num": number, "report": np.full(26, number % 256, np.uint8)}, data))

        tb.encoder.handle_snr = many

    tb, accounting = over_the_loopback(flooded)
    assert accounting.items_answered == 160 and accounting.receiver["report_unknown"] == 0
    assert tb.transmitter.mapper.mapped == FRAMES - 1 and tb.encoder.sender.feedback_unknown == FRAMES * 255


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "live").mkdir()
    _, accounting = record_loopback(folder / "a", DEADLINE_S, **{**SETTINGS, "folder": str(folder / "live")})
    accounting.raise_if_faulty()
    assert accounting.items_answered == 160
    return folder


def test_a_recording_is_replayed_with_the_same_answers(recording: Path, tmp_path: Path) -> None:
    notes = list(open_capture(recording / "a").frames())
    assert Counter(note.report_age for note in notes) == {0: 1, 1: FRAMES - 1}
    result = replay(ReplayConfig(str(recording / "a")), [tmp_path], DEADLINE_S)[0]
    assert result.status["receiver"]["report_unknown"] == 0
    live, again = read_items(recording / "live"), read_items(tmp_path)
    for column in ("item_id", "answer", "confidence", "snr_est_db"):
        assert np.array_equal(live[column], again[column]), column


def test_a_replay_from_the_middle_loses_the_first_frame_alone(recording: Path, tmp_path: Path) -> None:
    notes = list(open_capture(recording / "a").frames())
    start = (notes[9].sample_stop + notes[10].sample_start) // 2
    result = replay(ReplayConfig(str(recording / "a"), start_sample=start), [tmp_path], DEADLINE_S)[0]
    assert result.status["receiver"]["report_unknown"] == 1
    live, again = read_items(recording / "live"), read_items(tmp_path)
    rest = np.isin(live["item_id"], again["item_id"])
    assert rest.sum() == 8 * (FRAMES - 10)
    frames = again["frame_index"]
    assert (again["answer"][frames == 10] == -1).all()
    later = frames > 10
    assert np.array_equal(live["answer"][rest][later], again["answer"][later])


def test_a_replay_with_more_noise_sees_other_channels_and_takes_no_order_for_another(
    recording: Path, tmp_path: Path
) -> None:
    result = replay(ReplayConfig(str(recording / "a"), noise_power=0.05), [tmp_path], DEADLINE_S)[0]
    unknown = result.status["receiver"]["report_unknown"]
    assert unknown > FRAMES // 2 and result.status["items_lost"] == 8 * unknown
    live, again = read_items(recording / "live"), read_items(tmp_path)
    answered = again["answer"] >= 0
    assert (live["answer"][answered] == again["answer"][answered]).mean() > 0.8


def test_a_mapping_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(BlockError, match="semantic encoder: mapping is 'best'"):
        semantic_encoder(mapping="best")
