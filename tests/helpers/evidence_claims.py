# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences with figures of the kept evidence, as README.md and docs/evidence.md have to have them."""

from __future__ import annotations

import json
from functools import lru_cache

from command import ROOT

from sdr_sc.evidence.verdicts import Option
from sdr_sc.evidence.wins import Comparison, comparisons, strongest

KEPT = ROOT / "benchmarks" / "evidence"
CLASS, TWO = "the student's class", "two classes with confidence"


@lru_cache
def found(name: str, margins: bool = True) -> tuple[Comparison, ...]:
    """Of a kept sweep, with margins or without."""
    return tuple(comparisons(KEPT / f"{name}.parquet", means_only=True, margins=margins))


@lru_cache
def values(name: str) -> dict[str, float]:
    """Rows of a kept file of figures."""
    return {row["name"]: row["value"] for row in json.loads((KEPT / f"{name}.json").read_text())["rows"]}


def both(name: str, setting: str, rival: str | None = CLASS, margins: bool = True) -> tuple[Option, Option]:
    """What ours and a rival send in a setting; the strongest one for None."""
    those = found(name, margins) if rival else strongest(found(name, margins), "uses")
    (one,) = (one for one in those if one.setting == setting and rival in (None, one.rival))
    assert one.ours is not None and one.theirs is not None
    return one.ours, one.theirs


def accuracy(name: str, setting: str, rival: str | None = CLASS, margins: bool = True) -> tuple[str, str]:
    """Of ours and of a rival, per cent."""
    ours, theirs = both(name, setting, rival, margins)
    return f"{100 * ours.accuracy:.1f}", f"{100 * theirs.accuracy:.1f}"


def symbols(name: str, setting: str, rival: str | None = CLASS, margins: bool = True) -> tuple[str, str]:
    """Payload symbols an image of ours and of a rival."""
    ours, theirs = both(name, setting, rival, margins)
    return f"{ours.cost('uses'):.1f}", f"{theirs.cost('uses'):.1f}"


def sentences() -> list[str]:
    """All of them; what is measured again and moves has to be written again, too."""
    known, cheap = accuracy("feedback", "right, mean over SNR"), symbols("feedback", "right, mean over SNR")
    high = accuracy("feedback", "3 dB too much, mean over SNR")
    learned = accuracy("feedback", "3 dB too much, acknowledged, mean over SNR")
    margin = symbols("feedback", "SNR wrong by up to 6 dB either way, best margin")
    several = accuracy("broadcast", "one setting for all of 0, 5, 10, 20 dB, 4 symbols at most", None)
    bursts = "robustness", "bursts of 40 us, +10 dB, mean over SNR"
    trusting, careful = accuracy(*bursts, margins=False), accuracy(*bursts)
    at_cost, careful_cost = symbols(*bursts, margins=False), symbols(*bursts)
    task, at = values("tasks"), "10 dB, brightness within its class, half; "
    soft, where = values("soft"), "noise alone, 10 dB, "
    return [
        f"with an SNR that is given 3 dB too high ours answers {high[0]} % of the images correctly, the coded class "
        f"{high[1]} %",
        f"with acknowledgements that steer its margin the class answers {learned[1]} % there",
        f"one transmission to receivers at 0, 5, 10 and 20 dB, of 4 symbols an image at most, serves {several[0]} % "
        f"against {several[1]} %",
        f"bursts of noise within the frame leave {trusting[0]} % for {at_cost[0]} symbols against {trusting[1]} % for "
        f"{at_cost[1]} where nobody takes a margin",
        f"with the best margins {careful[0]} % for {careful_cost[0]} against {careful[1]} % for {careful_cost[1]}",
        f"with the SNR known, in the mean over 0, 10 and 20 dB, the class has {known[1]} % for {cheap[1]} symbols, "
        f"ours {known[0]} % for {cheap[0]}",
        f"with the best margin, or acknowledgements, against an SNR that is wrong by up to 6 dB it needs {margin[1]} "
        f"symbols, ours {margin[0]}",
        f"whether an image is brighter than half of its class is found in {task[at + 'ours, k=8']:.1f} % from 8 "
        f"feature symbols, in {task[at + 'principal components, k=8']:.1f} % from 8 principal components, in "
        f"{task[at + 'thumbnail for 90 %']:.1f} % from a thumbnail of "
        f"{task['10 dB, payload symbols an image; thumbnail for 90 %']:.1f} symbols",
        f"of the truth {soft[where + 'ours, k=4; nats lost']:.2f} nats are missing with 4 symbols at 10 dB, "
        f"{soft[f'{where}{CLASS}; nats lost']:.2f} with the class, and {soft[f'{where}{TWO}; nats lost']:.2f} with two "
        f"classes and their confidence, coded in {soft[f'{where}{TWO}; payload symbols']:.1f}",
    ]  # fmt: skip
