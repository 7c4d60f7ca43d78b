# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains and accuracies on the page of distillation's figures are those of the files beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from command import ROOT

from sdr_sc.bench.distillation.points import ITEMS_PER_FRAME
from sdr_sc.results.paired import paired_gain, unpack

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


def gain_text(value: float, interval: Sequence[float]) -> str:
    """As the page writes it."""
    return "{} ({} to {})".format(*map(written, (value, *interval)))


def of_what_arrived(answers: dict[str, Any], one: str, other: str, condition: str) -> str:
    """The gain over the images whose frames arrived with both schemes and all seeds: in a lost one nobody is right."""
    by_scheme = (answers["right"][name] for name in (one, other))
    pair = [
        np.stack([unpack(seeds[seed][condition], answers["images"]) for seed in sorted(seeds)]) for seeds in by_scheme
    ]
    arrived = np.all([right.reshape(len(right), -1, ITEMS_PER_FRAME).any(axis=2) for right in pair], axis=(0, 1))
    images = np.repeat(arrived, ITEMS_PER_FRAME)
    gain = paired_gain(*(right[:, images] for right in pair))
    return gain_text(gain.points, gain.ci95)


COMPARED = {
    "control": ("ours_k1", "labels_fair"),
    "few-labels": ("ours_600", "labels_600_strong"),
    "bottleneck": ("bottleneck_0.001_error", "bottleneck_0_error"),
    "shift": ("ours_k1", "labels_fair"),
}
GAINS = {gain_text(row["value"], row["ci95"]) for row in ROWS if row["unit"] == "points"}
ARRIVED = {
    of_what_arrived(answers, *COMPARED[name], condition)
    for study in STUDIES.values()
    for name, answers in study["answers"].items()
    for condition in next(iter(answers["right"][COMPARED[name][0]].values()))
    if condition.startswith("-5 dB")
}
SHARES = {written(row["value"]) for row in ROWS if row["unit"] == "%"}


def test_every_gain_is_one_of_a_file() -> None:
    found = re.findall(r"-?\d+\.\d+ \(-?\d+\.\d+ to -?\d+\.\d+\)", PAGE)
    assert len(found) > 10
    assert [one for one in found if one not in GAINS | ARRIVED] == []


def test_what_arrived_at_low_snr_is_on_the_page() -> None:
    assert ARRIVED and [one for one in ARRIVED if one not in PAGE] == []


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
