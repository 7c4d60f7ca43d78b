# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of docs/knowledge-decoding.md are those of the stored results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pytest
from command import ROOT
from published_tables import BENCHMARKS, rows_of, stored

TEXT = (ROOT / "docs" / "knowledge-decoding.md").read_text(encoding="utf-8")
SNRS = ("-5 dB", "0 dB", "5 dB", "10 dB", "20 dB")
FIVE, ONE = "things, 5 entries each, k=16", "things, 1 entries each, k=16"
NAMED = "without a base, by the nearest name, new classes alone"


@lru_cache
def intervals(name: str) -> dict[str, Any]:
    """The rows' 95 % intervals by name."""
    rows = json.loads((BENCHMARKS / f"knowledge/{name}.json").read_text())["rows"]
    return {row["name"]: row["ci95"] for row in rows}


def values(name: str) -> dict[str, float]:
    return stored(f"knowledge/{name}")


def cell(file: str, row: str) -> str:
    """A share with its interval in whole numbers, a difference with one decimal; a dash where it was not measured."""
    if row not in values(file):
        return "–"
    value, found = values(file)[row], intervals(file)[row]
    if found is None:
        return f"{value:.0f}"
    digits = 1 if re.search(r"\bgain\b|what they change", row) else 0
    low, high = (f"{round(one, digits) + 0.0:.{digits}f}" for one in found)
    return f"{value + 0.0:.1f} ({low} to {high})"


def seeds(file: str, row: str) -> str:
    """Mean over three seeds, and their range."""
    names = [file, *(f"{file}_seed{number}" for number in (2, 3))]
    each = [values(name)[row] for name in names]
    return f"{sum(each) / len(each):.1f} ({min(each):.1f} to {max(each):.1f})".replace("-0.0", "0.0")


TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "50 things, k=16": (
        "things",
        {
            "nearest name, if it is known that they are new": f"{FIVE}: {NAMED}",
            "with the base, 1 entry each": f"{ONE}: with the base",
            "with the base, 5 entries each": f"{FIVE}: with the base",
            "1 entry, if it is known that they are new": f"{ONE}: with the base, new classes alone",
            "5 entries, if it is known that they are new": f"{FIVE}: with the base, new classes alone",
            "716 known items, decoder alone": f"{FIVE}: known items, decoder",
            "what they gain by the base, 1 entry": f"{ONE}: known items, gain",
            "what they gain by the base, 5 entries": f"{FIVE}: known items, gain",
        },
    ),
    "controls": (
        "things",
        {
            "base with shuffled classes": f"{FIVE}: control, shuffled base",
            "base without features": f"{FIVE}: control, base without features",
            "decoder larger by the base's bytes": f"{FIVE}: control, larger decoder",
            "what known items gain by it": f"{FIVE}: control, larger decoder, known items, gain",
            "known items by it alone, less the decoder":
                f"{FIVE}: control, larger decoder, known items, gain, by itself and no new classes",
            "the same decoder, if it is known that they are new": f"{FIVE}: control, larger decoder, new classes alone",
            "a decoder for this SNR alone, if it is known": f"{FIVE}: a decoder fitted again, new classes alone",
        },
    ),
    "rare groups": (
        "tail",
        {
            "decoder, rare": "subgroup, 48 of 99 classes rare, k=16: decoder, rare",
            "gain by the base, rare": "subgroup, 48 of 99 classes rare, k=16: gain, rare",
            "decoder, all": "subgroup, 48 of 99 classes rare, k=16: decoder, all",
            "gain by the base, all": "subgroup, 48 of 99 classes rare, k=16: gain, all",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("first", TABLES)
def test_tables_of_one_run_are_those_of_its_results(first: str) -> None:
    file, rows = TABLES[first]
    shown = rows_of(TEXT, first)
    assert [row[0] for row in shown] == list(rows)
    for label, *cells in shown:
        assert cells == [cell(file, f"{rows[label]}; {snr}") for snr in SNRS], label


def test_the_folders_are_those_of_their_results() -> None:
    for label, *cells in rows_of(TEXT, "folders, k=16"):
        number, _, what = label.partition(" entries each, ")
        name = {"with the base": "with the base", "if it is known": "with the base, new classes alone"}.get(what)
        row = f"folders, {number} entries each, k=16: {name}" if name else f"folders, 20 entries each, k=16: {NAMED}"
        assert cells == [cell("things", f"{row}; {snr}") for snr in SNRS], label


CHANNELS = {"TDL-C": "tdl_c", "measured channel": "measured"}


def test_means_over_seeds_and_channels_are_those_of_their_results() -> None:
    tables = {"5 entries each, gain over the nearest name": "gain of the base",
              "what known items gain": "known items, gain"}  # fmt: skip
    for first, what in tables.items():
        shown = rows_of(TEXT, first)
        assert [row[0] for row in shown[:3]] == ["k=16, mean of three seeds", "k=4", "k=32"]
        for label, *cells in shown:
            k, _, where = label.removeprefix("k=").partition(", ")
            row = f"things, 5 entries each, k={k}: {what}"
            file = CHANNELS.get(where, "things_k4_k32")
            if "seeds" in where:
                expected = [seeds("things", f"{row}; {snr}") for snr in SNRS]
            else:
                expected = [cell(file, f"{row}; {snr}") for snr in SNRS]
            assert cells == expected, label


def test_the_curve_of_known_items_against_new_ones_is_that_of_its_results() -> None:
    shown = rows_of(TEXT, "points allowed")
    for points, *cells in shown:
        pairs = []
        for snr in ("5 dB", "10 dB", "20 dB"):
            for entries in (FIVE, ONE):
                new, old = (f"{entries}: {points} points allowed, {what}; {snr}" for what in
                            ("with the base", "known items, gain"))  # fmt: skip
                pairs.append(f"{values('things')[new]:.1f} / {values('things')[old] + 0.0:+.1f}")
        assert cells == [pair.replace("-0.0", "0.0").replace("+0.0", "0.0") for pair in pairs], points
    assert [row[0] for row in shown] == ["0.05", "0.15", "0.3", "1", "3"]


REPEATED = {
    "own answers": "own answers",
    "own answers at 20 dB before": "own answers at 20 dB before",
    "confirmed by the far end": "answers confirmed by the far end",
}


def test_repeated_items_are_those_of_their_results() -> None:
    for label, *cells in rows_of(TEXT, "gain on repeated items"):
        how, _, where = label.partition("; ")
        row = f"repeated items, {REPEATED[how]}, k=16: gain"
        assert cells == [cell(CHANNELS.get(where, "repeated"), f"{row}; {snr}") for snr in SNRS], label


ATTACKS = {"1 %": "1 % hostile entries", "5 %": "5 % hostile entries", "10,000": "10,000 near copies"}


def test_attacks_are_those_of_their_results() -> None:
    found = values("hostile")
    for label, *cells in rows_of(TEXT, "answers that become the attacker's"):
        count, _, claim = label.partition(", ")
        begin = f"{ATTACKS[count]} that claim {claim}, k=16: answers that become theirs"
        assert cells == [f"{found[f'{begin}; {snr}']:.1f}" for snr in SNRS], label
    for row, value in found.items():
        if "answers with margin that changed" in row and row.endswith(("10 dB", "20 dB")):
            assert value == 0.0, row
    for label, *cells in rows_of(TEXT, "things that are answered no more"):
        begin = f"{ATTACKS[label]} of a known class beside new things, k=16: what they change"
        assert cells == [f"{found[f'{begin}; {snr}'] + 0.0:.1f}" for snr in SNRS], label


def test_a_receiver_that_keeps_its_mistakes_is_that_of_its_results() -> None:
    for label, *cells in rows_of(TEXT, "10,000 items"):
        kept, _, what = label.partition("; ")
        row = f"10,000 items, {kept} kept, k=16: {what}"
        assert cells == [cell("mistakes", f"{row}; {snr}") for snr in ("0 dB", "10 dB", "20 dB")], label


def test_the_commands_in_the_page_are_those_of_the_results() -> None:
    kept: Sequence[str] = re.findall(r"benchmarks/(knowledge/[a-z0-9_]+)\.json", TEXT)
    assert {path.stem for path in (BENCHMARKS / "knowledge").glob("*.json")} == {one.split("/")[1] for one in kept}
    for name in set(kept):
        content = json.loads((BENCHMARKS / f"{name}.json").read_text())
        assert "dirty" not in content["git"] and content["command"].startswith("sdr-sc bench evidence knowledge")
