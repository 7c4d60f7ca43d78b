# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the link, its receiver, frames and refinement in README.md and docs/ are those of the stored results."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import pytest
from command import ROOT
from published_tables import BENCHMARKS, README, rows_of, stored

RECEIVER = (ROOT / "docs" / "receiver.md").read_text(encoding="utf-8")
FRAME = (ROOT / "docs" / "frame.md").read_text(encoding="utf-8")
REFINEMENT = (ROOT / "docs" / "refinement.md").read_text(encoding="utf-8")


def test_the_table_of_accuracy_is_the_stored_one() -> None:
    values = stored("evaluate_fashion_mnist")
    rows = rows_of(README, "SNR (dB)")
    assert [row[0] for row in rows] == ["0", "5", "10", "15", "20", "25"]
    for snr_db, *cells in rows:
        at = f"AWGN {snr_db} dB"
        names = [f"accuracy, {at}, k={k}" for k in (2, 4, 8, 16, 32, "CAM")]
        expected = [f"{values[name]:.1f} %" for name in names]
        expected.append(f"{values[f'channel uses per item, {at}, k=CAM']:.1f}")
        expected.append(f"{values[f'frames lost, {at}']:.0f} %")
        assert cells == expected
    assert f"at -5 dB {values['frames lost, AWGN -5 dB']:.0f} % of the frames are lost" in README


def test_the_table_of_the_closed_loop_is_the_stored_one() -> None:
    values = stored("link")
    found = {row[0]: row[1] for row in rows_of(README, "what") if len(row) == 3}
    bias = [value for name, value in values.items() if "bias" in name and "at -5 dB" not in name]
    spread = [value for name, value in values.items() if "spread" in name]
    (low_name,) = (name for name in values if "bias at -5 dB" in name)
    share = re.search(r"\((\d+) % of frames received\)", low_name)
    assert share is not None
    lost = values["frames lost, 30 dB, no gap, in the flowgraph"]
    step = values["CAM response, slowest step (25, 0, 25 dB)"]
    expected = {
        "encoder parameters": f"{values['encoder parameters']:,}",
        "encoder arithmetic an image": f"{values['encoder arithmetic an image']:.1f} MFLOP",
        "frames lost of 2,000, 30 dB, back to back, in the flowgraph": f"{lost:g} frames",
        "frames until k fits after a step between 25 and 0 dB": f"{step:g} frames",
        "SNR estimate, largest bias, 0 to 25 dB": f"{max(map(abs, bias)):.2f} dB",
        f"SNR estimate, bias at -5 dB, over the {share[1]} % of the frames that arrive": f"{values[low_name]:.2f} dB",
        "SNR estimate, spread of single frames, 25 to -5 dB": f"{min(spread):.2f} to {max(spread):.2f} dB",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


def test_the_front_ends_figures_are_those_of_its_bench() -> None:
    found = stored("front_end")
    speeds = {name.rpartition("alone, ")[2]: value for name, value in found.items() if name.startswith("speed over")}
    table = rows_of(RECEIVER, "search speed, processor time, over that in noise alone")
    assert {name: measured for name, measured, _ in table} == {name: f"{value:.2f}" for name, value in speeds.items()}
    faults = {"DC": "DC offset", "I/Q": "I/Q", "gain": "gain step", "carrier": "carrier "}
    for name, reported, _ in rows_of(RECEIVER, "fault"):
        start = faults[name.split()[0]]
        values = [value for row, value in found.items() if row.startswith(start) and "reported less" in row]
        assert reported == f"{max(values, key=abs):.2f} dB"
    wide = dict((row[0], row[1:]) for row in rows_of(RECEIVER, "offset within"))
    title = "offset anywhere within {} subcarriers, -3 dB: frames received and right"
    assert wide["frames received and right at -3 dB"] == [f"{found[title.format(r)]:.1f} %" for r in (2, 8)]
    assert wide["speed of the search in noise"][1] == f"{found['speed in noise alone, 8 over 2 subcarriers']:.2f}"


def test_the_profile_is_that_of_its_bench() -> None:
    found = stored("profile")
    for name, *cells in rows_of(RECEIVER, "µs a frame"):
        assert cells == [f"{found[f'frames of {symbols} symbols: {name}']:.0f}" for symbols in (24, 100)]


def test_what_mapping_by_importance_gains_is_as_stored() -> None:
    rows = json.loads((BENCHMARKS / "mapping.json").read_text())["rows"]
    found = {row["name"]: row for row in rows}
    table = rows_of((ROOT / "docs" / "frame.md").read_text(encoding="utf-8"), "channel, SNR, k, items")
    assert len(table) == len([name for name in found if name.endswith(": accuracy, interleaved")])
    for where, accuracy, mapped, *gains in table:
        assert accuracy == f"{found[f'{where}: accuracy, interleaved']['value']:.1f} %"
        assert mapped == f"{found[f'{where}: frames mapped']['value']:.0f} %"
        for age_ms, cell in zip((2, 20, 50), gains, strict=True):
            row = found.get(f"{where}: gain by importance, report {age_ms} ms old")
            assert cell == ("" if row is None else interval(row))


def interval(row: dict[str, Any]) -> str:
    """A gain with its interval, in points; a small loss is no ``-0.0``."""
    value, low, high = (f"{round(each, 1) + 0.0:.1f}" for each in (row["value"], *row["ci95"]))
    return f"{value} ({low} to {high})"


def test_the_air_time_is_that_of_its_bench() -> None:
    rows = {row["name"]: row for row in json.loads((BENCHMARKS / "air.json").read_text())["rows"]}

    def interval(name: str) -> str:
        low, high = rows[name]["ci95"]
        return f"{rows[name]['value']:.2f} ({low:.2f} to {high:.2f})"

    table = rows_of(FRAME, "50 items a frame")
    assert len(table) == 12
    for where, before, modes, whole, more, goal in table:
        at, ours = f"{where}, 50 items a frame", "CAM, modes and refinement"
        air, accuracy = (rows[f"{what}, before, {at}"]["value"] for what in ("symbols on air an item", "accuracy"))
        assert before == f"{air:.1f}, {accuracy:.1f} %"
        assert modes == f"{rows[f'times fewer symbols than before, CAM and modes, {at}']['value']:.2f}"
        assert whole == interval(f"times fewer symbols than before, {ours}, {at}")
        assert more == interval(f"accuracy above that before, {ours}, {at}")
        assert goal == ("met" if rows[f"times fewer symbols than before, {ours}, {at}"]["ok"] else "missed")
    smaller = rows_of(FRAME, "items a frame")
    assert [row[0] for row in smaller] == ["16", "4"]
    for items, *cells in smaller:
        for where, cell in zip(("AWGN", "TDL-C 300 ns", "measured channel"), cells, strict=True):
            ours = f"times fewer symbols than before, CAM, modes and refinement, {where}"
            values = [rows[f"{ours}, {snr_db} dB, {items} items a frame"]["value"] for snr_db in (0, 5, 10, 20)]
            assert cell == " / ".join(f"{value:.2f}" for value in values)


@lru_cache
def refinement_rows() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads((BENCHMARKS / "refinement.json").read_text())["rows"]}


@pytest.mark.parametrize("column, snr_db", list(enumerate((0, 5, 10))))
def test_what_refinement_reaches_is_that_of_its_bench(column: int, snr_db: int) -> None:
    rows, at = refinement_rows(), f"AWGN {snr_db} dB"

    def value(name: str) -> float:
        return rows[f"{name}, {at}"]["value"]

    gain = rows[f"gain of refinement in payload symbols, {at}"]
    low, high = gain["ci95"]
    compared = value("payload symbols an item, refinement with answers compared")
    expected = {
        "accuracy": f"{value('accuracy, refinement'):.2f} %",
        "payload symbols an item": f"{value('payload symbols an item, refinement'):.2f}",
        "fixed k of that accuracy less 0.1 points": f"{value('fixed k of that accuracy less 0.1 points'):.1f}",
        "gain (interval)": f"{gain['value']:.2f} ({low:.2f} to {high:.2f})",
        "with preamble, header, pilots, and the frames at the end": f"{value('the same with all overhead'):.2f}",
        "items asked for again": f"{value('items asked for again'):.0f} %",
        "rounds of an item, mean": f"{value('rounds of an item, mean'):.2f}",
        "frames that an answer waits for, mean": f"{value('frames that an answer waits for, mean'):.1f}",
        "answers with 70 % confidence or more; errors among these":
            f"{value('answers with a confidence of 70 % or more'):.1f} %; {value('errors among these'):.1f} %",
        "with answers compared: symbols, accuracy":
            f"{compared:.2f}, {value('accuracy, refinement with answers compared'):.2f} %",
    }  # fmt: skip
    assert {name: cells[column] for name, *cells in rows_of(REFINEMENT, "refinement over noise")} == expected
    if gain["goal"] is not None:
        assert f"{'met' if gain['ok'] else 'missed'} at {snr_db} dB" in REFINEMENT


def test_the_calibration_is_that_of_its_bench() -> None:
    found = {name: row for name, row in refinement_rows().items() if name.startswith("calibration error")}
    links = {name: row for name, row in found.items() if name.endswith("over links")}
    noise = {name: row for name, row in found.items() if name not in links}
    (k_low, k_high), (round_low, round_high) = (
        [f"{each([row['value'] for name, row in noise.items() if what in name]):.1f}" for each in (min, max)]
        for what in ("worst k", "worst round")
    )
    text = " ".join(REFINEMENT.split())
    assert f"{k_low} to {k_high} points for the worst k of each SNR, {round_low} to {round_high} for the" in text
    assert f"{sum(row['ok'] for row in noise.values())} of {len(noise)} goals met" in text
    assert f"{sum(row['ok'] for row in links.values())} of these {len(links)} are within 2 points" in text
    table = rows_of(REFINEMENT, "calibration error, points")
    assert [row[0] for row in table] == ["AWGN", "TDL-C 300 ns", "measured channel"]
    for where, *cells in table:
        for snr_db, cell in zip((-5, 0, 5, 10, 20), cells, strict=True):
            at = f"{where}, {snr_db} dB, over links"
            (worst,) = (row["value"] for name, row in links.items() if "worst k" in name and name.endswith(f", {at}"))
            last = links[f"calibration error, last answers of refinement, {at}"]["value"]
            assert cell == f"{worst:.1f}, {last:.1f}"
