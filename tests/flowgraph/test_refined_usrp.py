# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc tx --refine`` and ``sdr-sc rx --refine`` over the simulated USRP, at 0 dB."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from usrp_ends import Ends

from sdr_sc.blocks.item_source import item_order
from sdr_sc.capture import open_capture
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.results.run_folder import read_items
from sdr_sc.semantic.tasks.base import REJECTED

IMAGES = 240
AIR = ",path_loss_db=73,seed=5"  # 0 dB
TX = ("--images", IMAGES, "--items-per-frame", 20, "--feedback-timeout", 20)
REPLAY_LIMIT_S = 300.0


def run_ends(folder: Path, tx_options: tuple = (), rx_options: tuple = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both ends, to the end of the images: what the transmitter and what the receiver counted."""
    with Ends(folder, "step") as ends:
        rx = ends.start("rx", *rx_options, device=AIR)
        tx = ends.start("tx", *TX, *tx_options)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0, ends.log("rx").read_text() + ends.log("tx").read_text()
        return ends.summary("tx")["transmitter"], ends.summary("rx")["accounting"]


def items_of(folder: Path) -> dict[str, np.ndarray]:
    (run,) = folder.iterdir()
    return read_items(run)


def assert_each_item_is_counted_once(folder: Path, found: dict[str, Any]) -> np.ndarray:
    """Returns the answers, in the order of sending."""
    items = items_of(folder / "rx")
    assert np.array_equal(items["item_id"], item_order(10_000, 1)[:IMAGES])
    ends = Counter("rejected" if one == REJECTED else "lost" if one < 0 else "answered" for one in items["answer"])
    names = ("answered", "rejected", "lost")
    assert [found[f"items_{name}"] for name in names] == [ends[name] for name in names]
    assert sum(ends.values()) == IMAGES and found["items_not_a_number"] == 0
    assert found["frames_answered"] + found["frames_lost"] == found["frames_sent"] and not found["answers_unknown"]
    return items["answer"]


@pytest.fixture(scope="module", params=[("--refine",), ("--refine", "compare")])
def refined(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A run of both ends with refinement, which is recorded, and its counts."""
    folder = tmp_path_factory.mktemp("refined")
    rx = ("--reject-below", 0.7, "--record", folder / "air", *request.param)
    return (folder, *run_ends(folder, request.param, rx))


def test_items_are_asked_for_and_each_ends_answered_rejected_or_lost(refined: tuple) -> None:
    folder, sent, found = refined
    answers = assert_each_item_is_counted_once(folder, found)
    assert 0 < (answers == REJECTED).sum() < IMAGES // 3 and found["items_correct"] > 0.8 * IMAGES
    asked, answered = found["refinement"], sent["refinement"]
    assert asked["items_asked"] > IMAGES // 10 and asked["requests"] >= answered["requests_answered"] > 3
    assert answered["symbols_sent"] > asked["items_asked"] // 2
    assert asked["refined_symbols"] == answered["symbols_sent"]
    (summary,) = (folder / "rx").glob("*/summary.json")
    rows = {row["name"]: row["value"] for row in json.loads(summary.read_text())["rows"]}
    first = items_of(folder / "rx")["k"].sum()
    assert rows["channel uses per image"] == pytest.approx((first + answered["symbols_sent"]) / IMAGES)
    assert not asked["refinements_refused"] and not answered["requests_refused"] and not answered["requests_ignored"]
    assert (answered["items_confirmed"] > 0) == (open_capture(folder / "air").info.config["refine"] == "compare")


def test_its_recording_notes_the_rounds_and_is_replayed_with_the_same_answers(refined: tuple, tmp_path: Path) -> None:
    folder, sent, found = refined
    notes = list(open_capture(folder / "air").frames())
    rounds = np.concatenate([note.rounds for note in notes if note.n_items])
    assert len(rounds) == IMAGES - found["items_lost"] and rounds.min() == 1 < rounds.max()
    refinements = [note.refined_symbols for note in notes if note.request]
    assert len(refinements) == sent["refinement"]["requests_answered"]
    assert sum(refinements) == sent["refinement"]["symbols_sent"]
    (result,) = replay(ReplayConfig(str(folder / "air")), [tmp_path], REPLAY_LIMIT_S)
    live, again = items_of(folder / "rx"), read_items(tmp_path)
    for column in live:
        assert np.array_equal(live[column], again[column], equal_nan=live[column].dtype.kind == "f"), column
    assert result.status["items_rejected"] == found["items_rejected"] > 0
    assert result.status["refinement"] == found["refinement"]


def test_a_transmitter_without_refinement_counts_requests_and_every_item_is_answered(tmp_path: Path) -> None:
    sent, found = run_ends(tmp_path, (), ("--refine",))
    assert (assert_each_item_is_counted_once(tmp_path, found) >= 0).sum() > 0.9 * IMAGES
    assert sent["refinement"]["requests_ignored"] > 0 and sent["feedback_unknown"] == 0
    assert found["refinement"]["requests"] > 0 and not found["refinement"]["refinements_refused"]


def test_a_receiver_that_is_stopped_answers_what_it_has_received(tmp_path: Path) -> None:
    with Ends(tmp_path, "rt") as ends:  # most of what arrives waits for symbols that never come
        rx = ends.start("rx", "--refine", "--record", tmp_path / "air", device=AIR)
        ends.start("tx", "--images", 0, "--items-per-frame", 20)
        ends.wait_for_frames(3)
        rx.send_signal(signal.SIGINT)
        assert ends.wait(rx) == 0
        found = ends.summary("rx")["accounting"]
    assert found["frames_answered"] + found["answers_unknown"] == found["receiver"]["delivered"] > 3
    answers = [note.answer for note in open_capture(tmp_path / "air").frames()]
    assert len(answers) == found["receiver"]["delivered"] and all(answer is not None for answer in answers)


def test_a_receiver_without_refinement_asks_for_nothing_and_every_item_is_answered(tmp_path: Path) -> None:
    sent, found = run_ends(tmp_path, ("--refine",), ())
    assert (assert_each_item_is_counted_once(tmp_path, found) >= 0).sum() > 0.9 * IMAGES
    assert sent["refinement"]["requests_answered"] == 0 and not sent["refinement"]["requests_refused"]
    assert "requests" not in found["refinement"] and found["refinement"]["refinements_ignored"] == 0
