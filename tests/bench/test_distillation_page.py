# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains and accuracies on the page of distillation's figures are those of the files beside it."""

from __future__ import annotations

import json
import re

import pytest
from command import ROOT

FOLDER = ROOT / "benchmarks" / "distillation"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
STUDIES = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
    if "answers" in json.loads(path.read_text(encoding="utf-8"))
}
ROWS = [row for study in STUDIES.values() for row in study["rows"]]


def written(value: float) -> str:
    """With two digits; what rounds to zero has no sign."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


GAINS = {"{} ({} to {})".format(*map(written, (row["value"], *row["ci95"]))) for row in ROWS if row["unit"] == "points"}
SHARES = {written(row["value"]) for row in ROWS if row["unit"] == "%"}


def test_every_gain_is_one_of_a_file() -> None:
    found = re.findall(r"-?\d+\.\d+ \(-?\d+\.\d+ to -?\d+\.\d+\)", PAGE)
    assert len(found) > 10
    assert [one for one in found if one not in GAINS] == []


def test_every_accuracy_of_a_table_is_one_of_a_file() -> None:
    found = re.findall(r"\| (\d+\.\d\d) %", PAGE)
    assert found and [one for one in found if one not in SHARES] == []


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_named_with_the_command_that_wrote_it(name: str) -> None:
    """All options of the file's command stand in one block of the page, in any order, and no path leads elsewhere."""
    words = STUDIES[name]["command"].split()
    assert not any(word.startswith(("/", "..")) for word in words), "paths of the project alone"
    blocks = [block.replace("\\\n", " ").split() for block in re.findall(r"(?:^    .*\n)+", PAGE, re.M)]
    assert any(sorted(block) == sorted(words) for block in blocks), STUDIES[name]["command"]


def test_what_the_readme_says_of_the_teacher_s_gain_is_in_the_files() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    gains = {
        name: next(row for row in STUDIES[name]["rows"] if row["unit"] == "points" and "20 dB k=16" in row["name"])
        for name in ("few_labels_short.json", "control_full.json")
    }
    few, full = gains["few_labels_short.json"], gains["control_full.json"]
    assert f"with 600 of them {few['value']:.1f} points" in text and few["ci95"][0] > 0
    low, high = full["ci95"]
    assert f"{written(full['value'])} points ({written(low)} to {written(high)}) at 20 dB" in text and low < 0 < high
