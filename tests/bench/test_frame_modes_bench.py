# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of `sdr-sc bench frame`, from outcomes whose figures are known, and from a few frames."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command import ROOT

from sdr_sc.bench.phy.frame_modes import HEADER_GOALS, _header_rows, _loss_db, _loss_rows, _symbol_rows
from sdr_sc.bench.phy.trials import Outcome, Trial
from sdr_sc.phy.frame.modes import FrameMode


def outcome(received: int, frames: int, error: float = 0.1) -> Outcome:
    """Of which so many frames were received."""
    made = Outcome.empty(frames)
    made.estimate_db[:received] = 10.0
    made.error[:received] = error
    return made


def test_headers_are_counted_for_each_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Trial] = []

    def run(trials: list[Trial], workers: int) -> list[Outcome]:
        asked.extend(trials)
        return [outcome(90 if trial.mode is FrameMode.ROBUST else 100, 100) for trial in trials]

    monkeypatch.setattr("sdr_sc.bench.phy.frame_modes.run_trials", run)
    *rows, false = _header_rows(True, 1, lambda _: None)
    assert [(trial.mode, trial.snr_db) for trial in asked] == list(HEADER_GOALS)
    assert len({trial.seed for trial in asked}) == len(asked) and {trial.frames for trial in asked} == {400}
    by_name = {row.name: row for row in rows}
    robust = by_name["header right, robust, -8 dB"]
    assert (robust.value, robust.goal, robust.n) == (pytest.approx(22.5), ">= 90 %", 400) and robust.ok is False
    assert by_name["header right, short, 5 dB"].value == 25.0
    assert by_name["header right, short, 2.5 dB"].goal is None
    assert false.ok is True


def test_the_payloads_of_two_modes_are_compared_at_the_same_snr(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(trials: list[Trial], workers: int) -> list[Outcome]:
        losses_db = {FrameMode.NORMAL: 0.2, FrameMode.SHORT: 0.3, FrameMode.ROBUST: 0.1}
        return [outcome(50, 50, 10 ** ((losses_db[t.mode] - (t.snr_db or 0)) / 10)) for t in trials]

    monkeypatch.setattr("sdr_sc.bench.phy.frame_modes.run_trials", run)
    rows = {row.name: row for row in _loss_rows(True, 1, lambda _: None)}
    for snr_db in (5, 10, 20):
        assert rows[f"payload SNR below the channel's, normal, {snr_db} dB"].value == pytest.approx(0.2)
        more = rows[f"the same, short frames more than normal ones, {snr_db} dB"]
        assert more.value == pytest.approx(0.1) and more.ok
    assert rows["payload SNR below the channel's, robust, -8 dB"].value == pytest.approx(0.1)


def test_the_error_of_a_loss_is_that_of_its_mean() -> None:
    made = outcome(400, 500)
    made.error[:400] = 0.1 * (1 + 0.1 * np.random.default_rng(1).standard_normal(400))
    loss_db, error_db = _loss_db(made, 10.0)
    assert loss_db == pytest.approx(0.0, abs=0.1)
    assert error_db == pytest.approx(4.343 * 0.1 / 20, rel=0.1)


def test_symbols_on_the_air() -> None:
    rows = {row.name: row.value for row in _symbol_rows()}
    assert rows["OFDM symbols ahead of the payload, short"] == 8
    assert rows["symbols on air an item, short, 50 items of 2"] == (8 + 3) * 52 / 50
    assert rows["symbols on air an item, robust, 4 items of 4"] == 45 * 52 / 4


def test_the_documents_figures_are_those_measured() -> None:
    rows = {row["name"]: row for row in json.loads((ROOT / "benchmarks" / "frame.json").read_text())["rows"]}
    page = (ROOT / "docs" / "receiver.md").read_text()
    table = page[page.index("### Frame modes") : page.index("## The payload")]
    for name, text in (
        ("header right, robust, -8 dB", "| header right, robust, -8 dB | {:.1f} % |"),
        ("header right, robust, -5 dB", "| header right, robust, -5 dB | {:.2f} % |"),
        ("header right, normal, -3 dB", "| header right, normal, -3 dB | {:.1f} % |"),
        ("the same, short frames more than normal ones, 5 dB", "below that of normal ones, 5 dB | {:.2f} dB |"),
        ("items answered correctly, robust, -5 dB, k=32", "k=32, robust frames of 50 | {:.1f} % |"),
        ("items answered correctly, normal, -5 dB, k=32", "| the same, normal frames | {:.1f} % |"),
    ):
        assert text.format(rows[name]["value"]) in table.replace("\n", " "), name
    assert all(row["ok"] is not False for row in rows.values())
