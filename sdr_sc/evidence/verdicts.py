# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wins a setting: schemes choose among what they could send, and are compared over the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sdr_sc.report.sweep.compare import Difference, difference
from sdr_sc.report.sweep.operating_points import Cost, Operation
from sdr_sc.schemes.digital.mcs_selection import MAX_LOSS_POINTS

SAME_POINTS = MAX_LOSS_POINTS
"""Accuracies that differ by less count as equal: all schemes may give away as much to save symbols."""
SAME_COST = 1.1
"""Ratio of symbols below which costs count as equal."""
FAILS_POINTS = 10.0
"""A scheme that is less accurate by so much has failed, whatever it saved."""
USELESS = 0.5
"""Accuracy, 0..1, below which nobody wins."""
Winner = Literal["ours", "rival", "even", "traded", "both fail"]


@dataclass(frozen=True)
class Option:
    """One way to send in all conditions of a setting.

    Attributes:
        label: for people, such as ``k=4, for 5 dB``; '' where there is no choice.
        operations: what came of it, one for each condition, in the order of all options.
    """

    label: str
    operations: tuple[Operation, ...]

    @property
    def accuracy(self) -> float:
        """Mean over the conditions, 0..1."""
        return float(np.mean([one.accuracy for one in self.operations]))

    @property
    def worst(self) -> float:
        """Least accuracy of a condition, 0..1."""
        return min(one.accuracy for one in self.operations)

    def cost(self, kind: Cost) -> float:
        """Symbols an item, mean over the conditions."""
        return float(np.mean([one.cost(kind) for one in self.operations]))


def choose(options: Sequence[Option], budget: float | None = None) -> Option | None:
    """What a scheme sends that knows its options: within a budget of payload symbols the most accurate; else the
    cheapest that gives away no more than `SAME_POINTS`.

    Returns:
        None where nothing fits the budget.
    """
    allowed = [one for one in options if budget is None or one.cost("uses") <= budget]
    if not allowed:
        return None
    most = max(one.accuracy for one in allowed)
    if budget is not None:
        return next(one for one in allowed if one.accuracy == most)
    good = [one for one in allowed if 100 * (most - one.accuracy) <= SAME_POINTS]
    return min(good, key=lambda one: one.cost("uses"))


@dataclass(frozen=True)
class Verdict:
    """Ours beside a rival in one setting.

    Attributes:
        ours, rival: what each sends.
        gain: accuracy of ours less that of the rival, points, paired.
    """

    ours: Option
    rival: Option
    gain: Difference

    def winner(self, kind: Cost) -> Winner:
        """Better in accuracy or cost, and not worse in the other; whoever fails loses, and both may."""
        if max(self.ours.accuracy, self.rival.accuracy) < USELESS:
            return "both fail"
        return winner(self.gain, self.ours.cost(kind), self.rival.cost(kind))


def compare(ours: Option, rival: Option) -> Verdict:
    """Both over the same conditions."""
    return Verdict(ours, rival, difference(list(zip(ours.operations, rival.operations, strict=True))))


def winner(gain: Difference, our_cost: float, their_cost: float) -> Winner:
    """See `Verdict.winner`.

    >>> winner(Difference(40.0, 39.0, 41.0, True), 2.0, 1.0), winner(Difference(2.0, 1.0, 3.0, True), 2.0, 1.0)
    ('ours', 'traded')
    """
    seen = gain.is_seen and abs(gain.points) >= SAME_POINTS
    better = int(np.sign(gain.points)) if seen else 0
    cheaper = int(their_cost >= our_cost * SAME_COST) - int(our_cost >= their_cost * SAME_COST)
    if seen and abs(gain.points) >= FAILS_POINTS:
        cheaper = 0
    if better * cheaper < 0:
        return "traded"
    sign = better + cheaper
    return "ours" if sign > 0 else "rival" if sign < 0 else "even"
