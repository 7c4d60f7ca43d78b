# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts are measured with: known items as they were heard, and shares of items with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_sc.evidence.knowledge.received import Air, Received
from sdr_sc.evidence.knowledge.worlds import Added, Items, Known
from sdr_sc.results.rows import Row, clustered_interval, mean_interval
from sdr_sc.semantic.knowledge.fusion.fit import HeldOut
from sdr_sc.semantic.knowledge.rules.memory import MemoryBase
from sdr_sc.semantic.tasks.classification import Classification

Log = Callable[[str], None]
CALIBRATION_TIMES = 4
"""How often the known items that calibrate are sent at each SNR."""


@dataclass(frozen=True, eq=False)
class Heard:
    """Items received at one SNR with one k."""

    items: Items
    received: Received
    logits: np.ndarray


def heard(
    air: Air, known: Known, items: Items, snr_db: float, k: int, seed: int, task: str = Classification.name
) -> Heard:
    """Send items; the logits are those of the known columns of a task."""
    received = air.send(items.items, snr_db, k, seed)
    return Heard(items, received, received.outputs[:, air.decoder.parts[task]][:, known.columns])


def asked(base: MemoryBase, one: Heard, snr_db: float, first_class: int = 0, weight: float = 1.0) -> HeldOut:
    """What the base says of items that were heard, whose classes begin at ``first_class``."""
    return base.asked(one.received, one.logits, one.items.classes + first_class, snr_db, weight)


@dataclass(frozen=True, eq=False)
class Bench:
    """What is measured with, at one k.

    Attributes:
        air, known: the model's link and data.
        vectors: of the known entries.
        k: feature symbols.
        snrs_db: of the points.
        seed: of noise and fits.
        calibration: known items as they were heard at each SNR, `CALIBRATION_TIMES`.
        test: other known items, as they were heard once.
        log: called with what is measured next.
    """

    air: Air
    known: Known
    vectors: np.ndarray
    k: int
    snrs_db: Sequence[float]
    seed: int
    calibration: Mapping[float, Sequence[Heard]]
    test: Mapping[float, Heard]
    log: Log

    @property
    def base(self) -> MemoryBase:
        """Of the known entries alone."""
        own = len(self.known.columns)
        return MemoryBase(self.vectors, self.known.entries.classes, own, own)

    def with_added(self, added: Added, vectors: np.ndarray, examples: int) -> MemoryBase:
        """The base with so many entries of each new class."""
        own, kept = len(self.known.columns), added.first(examples)
        return self.base.joined(vectors[kept], own + added.entries.classes[kept], own + len(added.names))


def open_bench(
    air: Air, known: Known, vectors: np.ndarray, k: int, snrs_db: Sequence[float], seed: int, log: Log
) -> Bench:  # fmt: skip
    """Send the known items at all SNRs."""
    log(f"known items, k={k}")
    seeds = [seed + 100 * time for time in range(CALIBRATION_TIMES)]
    calibration = {
        snr_db: [heard(air, known, known.calibration, snr_db, k, one) for one in seeds] for snr_db in snrs_db
    }
    test = {snr_db: heard(air, known, known.test, snr_db, k, seed + 1) for snr_db in snrs_db}
    return Bench(air, known, vectors, k, snrs_db, seed, calibration, test, log)


def share(name: str, right: np.ndarray, groups: np.ndarray) -> Row:
    """A share of items, with an interval over groups."""
    _, number = np.unique(groups, return_inverse=True)
    low, high = clustered_interval(np.bincount(number, right), np.bincount(number))
    return Row(name, 100 * float(np.mean(right)), "%", n=len(right), ci95=(100 * low, 100 * high))


def difference(name: str, one: np.ndarray, other: np.ndarray, groups: np.ndarray) -> Row:
    """One share of items less another, of the same items, points, with an interval over groups."""
    _, number = np.unique(groups, return_inverse=True)
    gain = 100.0 * (one.astype(float) - other)
    sizes = np.bincount(number)
    sums = np.bincount(number, gain)
    mean = float(gain.mean())
    low, high = mean_interval(mean + (sums - mean * sizes) / sizes.mean())  # of a ratio, by its residuals
    return Row(name, mean, "points", n=len(gain), ci95=(low, high))
