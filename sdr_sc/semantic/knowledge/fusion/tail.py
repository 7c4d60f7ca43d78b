# SPDX-License-Identifier: GPL-3.0-or-later
"""The level that a small share of items exceeds, from fewer items than would show it.

A base may cost two known items of a thousand, and some hundred are held out. What the largest of their scores exceed
goes on like an exponential distribution beyond them: peaks over a threshold (Pickands, Ann. Stat. 3(1), 1975; Coles,
"An Introduction to Statistical Modeling of Extreme Values", 2001, chapter 4), with shape 0, which is the heaviest tail
that scores of likelihoods have, and so the careful choice.
"""

from __future__ import annotations

import numpy as np

TAIL_SHARE = 0.05
"""Of the items, whose scores are the tail; no more than a third of those that have one."""
_LEAST_OF_TAIL = 5
FEW_NATS = 2.0
"""Above the largest score where too few items have one."""


def level_of(scores: np.ndarray, share: float) -> float:
    """What a share of items exceeds.

    Args:
        scores: float (n,), nats; minus infinity for an item without one.
        share: above 0 and below 1.

    Returns:
        Minus infinity where no item has a score.

    >>> drawn = np.random.default_rng(1).exponential(2.0, 100_000)
    >>> [round(level_of(part, 0.001)) for part in (drawn[:2000], drawn)]  # 2 log 1000 = 13.8
    [14, 14]
    >>> level_of(np.array([-np.inf, 1.0]), 0.01), level_of(np.full(3, -np.inf), 0.01)
    (3.0, -inf)
    """
    order = np.sort(scores)[::-1]
    there = int(np.isfinite(order).sum())
    if there == 0:
        return -np.inf
    of_tail = min(int(TAIL_SHARE * len(order)), there // 3)
    if of_tail < _LEAST_OF_TAIL:
        return float(order[0]) + FEW_NATS
    if share * len(order) >= of_tail:  # they show it themselves
        place = int(share * len(order))
        return float(order[place]) if place < there else -np.inf
    begin = float(order[of_tail])
    mean = float(np.mean(order[:of_tail] - begin))
    return begin + mean * float(np.log(of_tail / len(order) / share))
