# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of accuracy between operating points that sent the same items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from sdr_sc.report.sweep.operating_points import Operation
from sdr_sc.results.rows import Z_95
from sdr_sc.sweep.tally import PointResult

Pairs = Sequence[tuple[Operation, Operation]]
"""Operating points to compare, such as two schemes at one SNR, or at each of several."""


@dataclass(frozen=True)
class Difference:
    """How much more accurate one is than another.

    Attributes:
        points: of accuracy, hundredths, the first less the second; mean over the pairs.
        low, high: its 95 % interval.
        is_paired: whether it rests on the same items over the same channel; else the two were taken for independent.
    """

    points: float
    low: float
    high: float
    is_paired: bool

    @property
    def is_seen(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def difference(pairs: Pairs) -> Difference:
    """The mean difference of accuracy with its 95 % interval.

    Points of one seed send the same items in the same order. They are cut into the smallest blocks that end together in
    all of them (for a fading channel: its realisations), and the blocks' differences are the clusters of a ratio
    estimator with Student's t (Cochran, Sampling Techniques, 1977, section 2.11). The variance is never below that of
    McNemar's test for as many items answered differently as the blocks' differences call for at least, and with seeds
    that send the same images again never below what as many different images would give.
    """
    blocks = [_blocks(seed_pairs) for seed_pairs in _by_seed(pairs)]
    differences = np.concatenate([np.zeros(0), *(found[0] for found in blocks)])
    sizes = np.concatenate([np.zeros(0), *(found[1] for found in blocks)])
    if len(sizes) < 2:
        return _independent(pairs)
    trials, clusters = float(sizes.sum()), len(sizes)
    mean = float(differences.sum()) / trials
    variance = float(np.sum((differences - mean * sizes) ** 2)) * clusters / (clusters - 1) / trials**2
    unlike = float(np.abs(differences).sum())
    variance = max(variance, (unlike - float(differences.sum()) ** 2 / trials) / trials**2)
    variance *= max(1.0, trials / len(pairs) / pairs[0][0].different_items)
    from scipy.special import stdtrit

    half = max(float(stdtrit(clusters - 1, 0.975)), Z_95) * math.sqrt(variance)
    return Difference(100 * mean, 100 * (mean - half), 100 * (mean + half), True)


def _by_seed(pairs: Pairs) -> list[list[tuple[PointResult, PointResult]]]:
    """Results of the seeds that both points of all pairs have."""
    found = []
    tables = [
        ({r.point.seed: r for r in one.results}, {r.point.seed: r for r in other.results}) for one, other in pairs
    ]
    common = reduce(lambda a, b: a & b, (set(one) & set(other) for one, other in tables))
    for seed in sorted(common):
        found.append([(one[seed], other[seed]) for one, other in tables])
    return found


def _blocks(pairs: Sequence[tuple[PointResult, PointResult]]) -> tuple[np.ndarray, np.ndarray]:
    """Blocks that end together in all results: items right in the first less the second, summed over the pairs, and
    trials; both float (blocks,)."""
    ends = [np.concatenate(([0], np.cumsum(r.items_by_block, dtype=np.int64))) for pair in pairs for r in pair]
    shared = reduce(np.intersect1d, ends)
    total = np.zeros(len(shared))
    for sign, result, its_ends in zip([1, -1] * len(pairs), [r for pair in pairs for r in pair], ends, strict=True):
        right = np.concatenate(([0], np.cumsum(result.correct_by_block, dtype=np.int64)))
        total += sign * right[np.searchsorted(its_ends, shared)]
    return np.diff(total), np.diff(shared).astype(float) * len(pairs)


def _independent(pairs: Pairs) -> Difference:
    """Without blocks in common: from the intervals of both, taken for independent of each other within a pair, and for
    as unsure as one pair over several."""
    means, halves = [], []
    for one, other in pairs:
        means.append(one.accuracy - other.accuracy)
        widths = [max(high - o.accuracy, o.accuracy - low) for o in (one, other) for low, high in (o.interval,)]
        halves.append(math.hypot(*widths))
    mean, half = float(np.mean(means)), float(np.mean(halves))
    return Difference(100 * mean, 100 * (mean - half), 100 * (mean + half), False)
