# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences with figures of the kept evidence, as README.md and docs/evidence.md have to have them."""

from __future__ import annotations

import json
from functools import lru_cache

from command import ROOT

from sdr_sc.evidence.wins import Comparison, comparisons

KEPT = ROOT / "benchmarks" / "evidence"
CLASS = "the student's class"


@lru_cache
def settings(name: str) -> dict[str, Comparison]:
    """Ours beside the class, by setting, of a kept sweep."""
    return {one.setting: one for one in comparisons(KEPT / f"{name}.parquet", means_only=True) if one.rival == CLASS}


@lru_cache
def values(name: str) -> dict[str, float]:
    """Rows of a kept file of figures."""
    return {row["name"]: row["value"] for row in json.loads((KEPT / f"{name}.json").read_text())["rows"]}


def accuracy(name: str, setting: str) -> tuple[str, str]:
    """Of ours and of the class, per cent."""
    found = settings(name)[setting]
    assert found.ours is not None and found.theirs is not None
    return f"{100 * found.ours.accuracy:.1f}", f"{100 * found.theirs.accuracy:.1f}"


def symbols(name: str, setting: str) -> tuple[str, str]:
    """Payload symbols an image of ours and of the class."""
    found = settings(name)[setting]
    assert found.ours is not None and found.theirs is not None
    return f"{found.ours.cost('uses'):.1f}", f"{found.theirs.cost('uses'):.1f}"


def sentences() -> list[str]:
    """All of them; what is measured again and moves has to be written again, too."""
    known, cheap = accuracy("feedback", "right, mean over SNR"), symbols("feedback", "right, mean over SNR")
    high = accuracy("feedback", "3 dB too much, mean over SNR")
    margin = symbols("feedback", "SNR wrong by up to 6 dB either way, best margin")
    several = accuracy("broadcast", "one setting for all of 0, 5, 10, 20 dB, 4 symbols at most")
    bursts = accuracy("robustness", "bursts of 40 us, +10 dB, mean over SNR")
    task, at = values("tasks"), "10 dB, brightness within its class, half; "
    soft, where = values("soft"), "noise alone, 10 dB, "
    return [
        f"with an SNR that is given 3 dB too high ours answers {high[0]} % of the images correctly, the coded class "
        f"{high[1]} %",
        f"one transmission to receivers at 0, 5, 10 and 20 dB, of 4 symbols an image at most, serves {several[0]} % "
        f"against {several[1]} %",
        f"bursts of noise within the frame leave {bursts[0]} % against {bursts[1]} %",
        f"with the SNR known, in the mean over 0, 10 and 20 dB, the class has {known[1]} % for {cheap[1]} symbols, "
        f"ours {known[0]} % for {cheap[0]}",
        f"with the best margin against an SNR that is wrong by up to 6 dB it needs {margin[1]} symbols, "
        f"ours {margin[0]}",
        f"whether an image is brighter than half of its class is found in {task[at + 'ours, k=8']:.1f} % from 8 "
        f"feature symbols, in {task[at + 'principal components, k=8']:.1f} % from 8 principal components",
        f"of the truth {soft[where + 'ours, k=4; nats lost']:.2f} nats are missing with 4 symbols at 10 dB, and "
        f"{soft[where + CLASS + '; nats lost']:.2f} with the class",
    ]  # fmt: skip
