# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows on the link over the simulated USRP: what counts as a fault, and the response to a step of the SNR."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import environment

from sdr_sc.bench import usrp as bench_usrp
from sdr_sc.bench import usrp_chain
from sdr_sc.errors import SdrScError
from sdr_sc.flowgraph import usrp_pair
from sdr_sc.flowgraph.usrp_pair import PairResult

CLEAN_RX = {"faults": {}, "gaps": 0, "frames_lost": 0, "answers_unknown": 0, "frames_refused": 0}


def result(statuses: str, tx: dict | None = None, rx: dict | None = None) -> PairResult:
    """``statuses``: d for a frame that was delivered, l for a lost one."""
    frames = {"status": np.array([s == "d" for s in statuses], bool)}
    receiver = {**CLEAN_RX, "frames_lost": statuses.count("l"), **(rx or {})}
    return PairResult({"faults": {}, "frames_without_feedback": 0, **(tx or {})}, receiver, {}, frames)


def test_every_loss_counts_but_those_of_the_stop() -> None:
    assert bench_usrp._without_last(result("dddd")) == {}
    assert bench_usrp._without_last(result("dlddll")) == {"frames lost": 1}
    found = result("dd", {"faults": {"late burst: x": 2}, "frames_without_feedback": 1}, {"gaps": 3})
    assert bench_usrp._without_last(found) == {"late burst: x": 2, "gaps": 3, "frames without feedback": 1}


def test_an_end_that_fails_is_reported_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdrScError, match=r"sdr-sc tx failed: .*amplitude is 99"):
        usrp_pair.run_pair(tmp_path, None, ["--amplitude", "99"], [])


def test_the_cam_follows_a_step_on_the_air() -> None:
    code = "from sdr_sc.bench.usrp_step import step_response; print(step_response(2))"
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=590)
    assert run.returncode == 0, run.stderr
    took = eval(run.stdout.splitlines()[-1])
    assert len(took) == 2 and all(
        0 < seconds < 2.0 for seconds in took
    )  # the figure is the bench's, on an idle machine


def test_the_whole_chain_is_measured_without_the_start_of_its_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, used = [], iter(np.cumsum([0, 2, 0, 8, 0, 2] * len(usrp_chain.ITEMS) * len(usrp_chain.WAYS)))

    def pair(folder, seconds, tx, rx, *args) -> PairResult:
        asked.append((seconds, tx, rx))
        found = result("dddd", rx={"items_answered": 900 if "auto" in tx or "normal" not in tx else 600})
        names = ("encoder to answer, median", "encoder to answer, 99th percentile")
        found.rows.update(zip(names, (3.0, 9.0), strict=True))
        return found

    monkeypatch.setattr(usrp_chain, "run_pair", pair)
    monkeypatch.setattr(usrp_chain, "_children_s", lambda: float(next(used)))
    rows = {row.name: row for row in usrp_chain.chain_rows(tmp_path, True, lambda _: None)}
    at = "whole chain, modes, 50 images a frame: "
    assert rows[at + "images answered"].value == 300 and rows[at + "encoder to answer, median"].value == 3.0
    assert rows[at + "processor time of both ends, an image"].value == pytest.approx(1e3 * (8 - 2) / 850)
    assert rows[at + "images a second over those with normal frames"].value == pytest.approx(1.5)
    refining = [(tx, rx) for _, tx, rx in asked if "--refine" in tx]
    assert len(asked) == 18 and len(refining) == 6 and all("--refine" in rx for _, rx in refining)
    assert sum(seconds is None for seconds, *_ in asked) == 6
