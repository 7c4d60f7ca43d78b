# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc tx --mapping importance`` and ``sdr-sc rx`` over the simulated USRP and a selective channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from usrp_ends import Ends

from sdr_sc.capture import open_capture
from sdr_sc.flowgraph.replay import replay
from sdr_sc.flowgraph.replay_config import ReplayConfig
from sdr_sc.phy.channels import parse_chain
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.run_folder import only_run, read_items
from sdr_sc.simusrp.taps import write_taps

IMAGES, ITEMS = 120, 8
FRAMES = IMAGES // ITEMS
TX = ("--images", IMAGES, "--items-per-frame", ITEMS, "--feedback-timeout", 20, "--mapping", "importance")
SELECTIVE = "multipath(taps=[0.8, 0, 0, 0, 0.5j, 0, 0, 0.4])"


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A run of both ends, which is recorded: its folder, and what the two counted."""
    folder, numerology = tmp_path_factory.mktemp("mapped"), Numerology()
    chain = parse_chain(SELECTIVE, numerology.sample_rate_hz, 1, numerology)
    write_taps(folder / "channel.taps", chain, numerology.sample_rate_hz, 1.0, 0.1)
    with Ends(folder, "step") as ends:
        air = f",path_loss_db=58,seed=5,taps={folder / 'channel.taps'}"
        rx = ends.start("rx", "--record", folder / "air", device=air)
        tx = ends.start("tx", *TX)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0, ends.log("rx").read_text() + ends.log("tx").read_text()
        return folder, ends.summary("tx"), ends.summary("rx")["accounting"]


def test_frames_are_mapped_by_what_the_receiver_reports_and_answered(mapped: tuple) -> None:
    _, transmitter, found = mapped
    sent = transmitter["transmitter"]
    assert sent["frames_mapped"] + sum(sent["frames_not_mapped_by_reason"].values()) == FRAMES - 1
    assert sent["frames_mapped"] > FRAMES // 2 and sent["feedback_refused"] == 0
    rows = {row["name"]: row["value"] for row in transmitter["rows"]}
    assert rows["frames mapped by importance"] == sent["frames_mapped"]
    assert found["items_answered"] == IMAGES and found["items_correct"] > 0.85 * IMAGES
    assert found["receiver"]["report_unknown"] == 0


def test_its_recording_is_replayed_with_the_same_answers(mapped: tuple, tmp_path: Path) -> None:
    folder, transmitter, _ = mapped
    ages = [note.report_age for note in open_capture(folder / "air").frames()]
    assert ages.count(1) == transmitter["transmitter"]["frames_mapped"]
    replay(ReplayConfig(str(folder / "air")), [tmp_path], 300.0)
    live, again = read_items(only_run(folder / "rx")), read_items(tmp_path)
    for column in live:
        assert np.array_equal(live[column], again[column], equal_nan=live[column].dtype.kind == "f"), column
